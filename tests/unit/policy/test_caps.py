"""What a key's caps refuse, in every dialect's words."""

import json

import msgspec
import pytest

from gateway.config.schema import Caps
from gateway.errors import Code, GatewayError
from gateway.policy.caps import check, check_size

CAPS = Caps(n=2, max_tokens=100, messages=3, body_bytes=1000)


def fields(**said: object) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in said.items()}


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"n": 3}, "n"),
        ({"n": 2.5}, "n"),
        ({"n": 1e308}, "n"),
        ({"best_of": 20}, "best_of"),
        ({"max_tokens": 10**12}, "max_tokens"),
        ({"max_completion_tokens": 101}, "max_completion_tokens"),
        ({"max_tokens": 1, "max_output_tokens": 101}, "max_output_tokens"),
        ({"generationConfig": {"maxOutputTokens": 101}}, "maxOutputTokens"),
        ({"generationConfig": {"candidateCount": 3}}, "candidateCount"),
        ({"generation_config": {"max_outputTokens": 101}}, "max_outputTokens"),
        ({"messages": [{}] * 4}, "messages"),
        ({"input": ["a"] * 4}, "input"),
        ({"contents": [{}] * 4}, "contents"),
    ],
)
def test_more_than_the_key_may_is_refused_by_name(said: dict[str, object], param: str) -> None:
    with pytest.raises(GatewayError) as told:
        check(CAPS, fields(**said))
    assert (told.value.code, told.value.status) == (Code.PARAM_LIMIT, 400)
    assert told.value.param == param
    check(Caps(), fields(**said))


@pytest.mark.parametrize(
    "said",
    [
        {"n": 2, "max_tokens": 100, "messages": [{}] * 3},
        {"n": None, "max_tokens": None, "messages": None},
        {"n": "many", "max_tokens": {}, "messages": "hello", "generationConfig": 1},
        {"prompt": [1, 2, 3, 4, 5]},  # one prompt, in tokens
        {},
    ],
)
def test_what_is_within_them_or_no_number_passes(said: dict[str, object]) -> None:
    check(CAPS, fields(**said))


def test_a_body_has_its_size() -> None:
    check_size(CAPS, 1000)
    check_size(Caps(), 10**9)
    with pytest.raises(GatewayError) as told:
        check_size(CAPS, 1001)
    assert told.value.code is Code.PARAM_LIMIT
