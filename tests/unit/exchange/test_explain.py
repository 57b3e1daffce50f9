"""What `explain` prints is what the road would do."""

import json
import math

import pytest

from gateway.chat.operation import Operation
from gateway.errors import GatewayError
from gateway.exchange.caller import Caller
from gateway.exchange.course import Course
from gateway.exchange.explain import explained, operation_of
from gateway.policy.access import ANONYMOUS
from gateway.wire.http import RequestHead
from tests.unit.config.reading import read
from tests.unit.runtime.running import running

CONFIG = """
backends:
  a: {provider: openai_compatible, base_url: "http://a.test/v1"}
  b: {provider: openai_compatible, base_url: "http://b.test/v1", operations: [embeddings]}
models:
  m:
    targets: [{use: a/x, weight: 3}, {use: a/y}, {use: b/z}]
    fallbacks: {any: [n]}
  n: {targets: [{use: a/x}, {use: a/y}], strategy: sticky}
"""
HEAD = RequestHead(b"POST", b"/", b"", {b"x-session-id": b"s1"}, 0)


def lines(model: str = "m", draw: float = 0.5) -> tuple[list[str], str]:
    """What is printed, and what the road chooses."""
    with running() as house:
        snapshot = house.runtime.swap(read(CONFIG))
        caller = Caller(snapshot, ANONYMOUS, None, math.inf, b"", HEAD)
        body = {"model": model, "messages": [{"role": "user", "content": "x"}]}
        printed = list(explained(caller, json.dumps(body).encode(), draw, 100.0))
        session = b"id:s1" if model == "n" else b""
        course = Course(caller.route(model), Operation.CHAT, model, caller, lambda: draw, session)
        return printed, course.first(100.0).target.name


@pytest.mark.parametrize("draw", [0.0, 0.3, 0.7, 0.8, 0.99])
@pytest.mark.parametrize("model", ["m", "n"])
def test_its_choice_is_the_real_one(model: str, draw: float) -> None:
    printed, chosen = lines(model, draw)
    (marked,) = [line for line in printed if line.startswith("->")]
    assert marked.split()[2] == chosen
    assert marked.split()[1] == "1."


def test_each_candidate_has_its_reason_and_what_follows_is_told() -> None:
    printed, _ = lines()
    text = "\n".join(printed)
    assert "drawn by weight 3 of 4" in text
    assert "b/z: does not offer chat" in text
    assert "when these fail (any): n" in text


def test_a_session_is_shown() -> None:
    assert any("session" in line and "s1" in line for line in lines("n")[0])


def test_an_unknown_model_is_the_request_s_error() -> None:
    with pytest.raises(GatewayError):
        lines("nothing")


@pytest.mark.parametrize(
    ("body", "operation"),
    [
        (b'{"messages":[]}', Operation.CHAT),
        (b'{"prompt":"x"}', Operation.COMPLETION),
        (b'{"input":"x"}', Operation.EMBEDDINGS),
    ],
)
def test_the_fields_tell_the_operation(body: bytes, operation: Operation) -> None:
    assert operation_of(body) is operation
