"""Gemini's countTokens, passed on."""

import json

import msgspec
import pytest

from gateway.dialects.base import BadAnswer
from gateway.dialects.gemini_count import CLIENT, UPSTREAM
from gateway.errors import Code, GatewayError


def test_contents_or_a_whole_request_are_counted() -> None:
    for asked in (b'"contents": [{}]', b'"generateContentRequest": {"contents": []}'):
        head, _ = CLIENT.read_head(b'{"model": "m", "stream": false, %b}' % asked)
        assert (head.model, head.stream, head.choices, head.max_output) == ("m", False, 1, 0)
        assert not head.wants_usage


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b'{"model": "m"}', Code.MISSING_VALUE, "contents"),
        (b'{"model": "m", "contents": 1}', Code.INVALID_VALUE, "contents"),
    ],
)
def test_the_field_at_fault_is_named(body: bytes, code: Code, param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        CLIENT.read_head(body)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_the_request_within_gets_the_backends_name() -> None:
    within = b'{"model":"models/m","contents":[1.0]}'
    body = b'{"model":"m","stream":false,"generateContentRequest":%b}' % within
    _, fields = CLIENT.read_head(body)
    written = UPSTREAM.addressed(fields, msgspec.Raw(b'"gemini-x"'))
    assert msgspec.json.encode(written) == (
        b'{"generateContentRequest":{"model":"models/gemini-x","contents":[1.0]}}'
    )
    assert json.loads(msgspec.json.encode(fields)) == json.loads(body)
    plain = UPSTREAM.addressed({"contents": msgspec.Raw(b"[]")}, msgspec.Raw(b'"x"'))
    assert plain.keys() == {"contents"}


def test_a_count_is_checked_and_uses_nothing() -> None:
    assert CLIENT.name == UPSTREAM.name
    assert UPSTREAM.read_answer(b'{"totalTokens": 31, "promptTokensDetails": []}') is None
    for bad in (b"", b"{}", b'{"totalTokens": "x"}', b'{"totalTokens": 1, "x": "\xff"}'):
        with pytest.raises(BadAnswer):
            UPSTREAM.read_answer(bad)
