"""Gemini as a client's language: what the road has to know of a request."""

import pytest

from gateway.dialects.gemini_client import CLIENT
from gateway.errors import Code, GatewayError


@pytest.mark.parametrize(
    "config",
    [
        b'"generationConfig": {"candidateCount": 2, "maxOutputTokens": 9}',
        b'"generation_config": {"candidate_count": 2, "max_output_tokens": 9}',
    ],
)
def test_the_head_is_read_in_either_spelling(config: bytes) -> None:
    body = b'{"model": "m", "stream": true, "contents": [{"role": "user"}], %b}' % config
    head, fields = CLIENT.read_head(body)
    assert (head.model, head.stream, head.choices, head.max_output) == ("m", True, 2, 9)
    assert head.wants_usage
    assert len(fields) == 4


def test_a_plain_head_asks_for_one_choice() -> None:
    head, _ = CLIENT.read_head(b'{"model": "m", "contents": [{}]}')
    assert (head.stream, head.choices, head.max_output) == (None, 1, None)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b'{"model": "m"}', Code.MISSING_VALUE, "contents"),
        (b'{"model": "m", "contents": []}', Code.INVALID_VALUE, "contents"),
        (b'{"model": "m", "model": "n", "contents": [{}]}', Code.DUPLICATE_KEY, "model"),
        (b'{"model": "m", "Contents": [{}]}', Code.INVALID_VALUE, "contents"),
        (
            b'{"model": "m", "contents": [{}], "generationConfig": {"candidateCount": 0}}',
            Code.INVALID_VALUE,
            "generationConfig.candidateCount",
        ),
    ],
)
def test_the_field_at_fault_is_named(body: bytes, code: Code, param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        CLIENT.read_head(body)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_errors_are_googles_whole_and_streamed() -> None:
    error = GatewayError(Code.MODEL_NOT_FOUND, "no")
    assert CLIENT.error_body(error).startswith(b'{"error":')
    assert CLIENT.error_event(error) == b"data: %b\n\n" % CLIENT.error_body(error)
