"""Anthropic as a backend: whole answers, and what of them passes. Files: tests/golden/anthropic."""

import pytest

from gateway.chat.usage import Usage
from gateway.dialects.anthropic_client import CLIENT
from gateway.dialects.anthropic_upstream import UPSTREAM
from gateway.dialects.base import BadAnswer
from gateway.wire import json

MESSAGE = b'{"type":"message","content":[{"type":"text","text":"hi"}],"usage":%b}'


def test_usage_is_read_off_a_message() -> None:
    usage = b'{"input_tokens":1,"cache_read_input_tokens":2,"output_tokens":3}'
    assert UPSTREAM.read_answer(MESSAGE % usage) == Usage(3, 3, 2)
    assert UPSTREAM.read_answer(MESSAGE % b"null") is None


def test_a_count_of_tokens_is_an_answer_that_took_nothing() -> None:
    assert UPSTREAM.read_answer(b'{"input_tokens":14}') is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"content":1}',
        b'{"content":[1]}',
        b'{"type":"error","error":{"type":"api_error","message":"no"}}',
        MESSAGE % b'{"input_tokens":"1"}',
        b'{"content":[{"text":"\xff"}]}',
        b'{"content":[{"a":%b}]}' % (b"9" * 20_000),
        b'{"content":%b}' % (b"[" * 200_000),
    ],
)
def test_what_is_no_answer_is_not_passed_on(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        UPSTREAM.read_answer(body)


@pytest.mark.parametrize(
    "document",
    [{}, {"content": "x"}, {"content": [{}]}, {"type": "error", "content": []}],
)
def test_what_is_no_answer_is_not_translated(document: dict[str, object]) -> None:
    with pytest.raises(BadAnswer):
        UPSTREAM.read_response(document)


def test_only_the_model_is_changed_in_passing() -> None:
    body = b'{"model":"ours","max_tokens":1, "messages":[{"role":"user","content":"x"}],"new":{}}'
    _, fields = CLIENT.read_head(body)
    addressed = UPSTREAM.addressed(fields, json.read(b'{"model":"theirs"}')["model"])
    assert json.write(addressed) == body.replace(b"ours", b"theirs").replace(b", ", b",")
