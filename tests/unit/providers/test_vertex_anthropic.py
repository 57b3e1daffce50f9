"""The door of Anthropic's models in Vertex."""

import pytest

from gateway.chat.operation import Operation
from gateway.errors import Code
from gateway.providers.vertex_anthropic import PROVIDER, read_error


def test_it_offers_messages_and_their_count() -> None:
    assert set(PROVIDER.doors) == {Operation.MESSAGES, Operation.COUNT_TOKENS}


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("europe-west4", "europe-west4-aiplatform"),
        ("global", "aiplatform"),
        ("eu", "aiplatform.eu.rep"),
    ],
)
def test_a_place_has_its_host(region: str, host: str) -> None:
    place = f"v1/projects/p/locations/{region}/publishers/anthropic"
    assert PROVIDER.address(region, "p") == f"https://{host}.googleapis.com/{place}"


def test_either_vendor_s_errors_are_read() -> None:
    model = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'
    assert read_error(model).message == "busy"
    door = b'{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}'
    said = read_error(door)
    assert said.message == "quota"
    assert PROVIDER.classify(429, said, 3.0).code is Code.UPSTREAM_RATE_LIMITED
