"""Gemini as a backend's language: whole answers, and what is passed on untouched."""

import json

import msgspec
import pytest

from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.base import BadAnswer, Losses
from gateway.dialects.gemini_client import CLIENT
from gateway.dialects.gemini_upstream import UPSTREAM, VERTEX
from gateway.errors import Code

ANSWER: Document = {
    "candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
}
HEAD, _ = CLIENT.read_head(b'{"model": "m", "contents": [{}]}')


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"candidates": []},
        {"candidates": 1},
        {"candidates": [{"content": {"parts": [{"text": "hi"}]}}]},
        {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]},
        {"error": {"code": 500}},
        {"candidates": [{"finishReason": "STOP", "logprobsResult": {"chosenCandidates": 1}}]},
    ],
)
def test_what_is_no_whole_answer_is_bad(answer: Document) -> None:
    with pytest.raises(BadAnswer):
        UPSTREAM.read_response(answer)


def test_an_answer_that_says_nothing_is_one() -> None:
    answer = UPSTREAM.read_response({"candidates": [{"finishReason": "STOP"}]})
    assert answer["choices"][0]["message"]["content"] is None


def test_the_url_says_the_model_and_the_stream() -> None:
    fields = {name: msgspec.Raw(b"1") for name in ("model", "stream", "contents")}
    assert UPSTREAM.addressed(fields, msgspec.Raw(b'"x"')).keys() == {"contents"}
    assert len(fields) == 3
    chat = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    assert UPSTREAM.write_request(chat, Losses()).keys() == {"contents"}


def test_an_answer_is_checked_as_it_passes() -> None:
    assert UPSTREAM.read_answer(json.dumps(ANSWER).encode()) == Usage(1, 2)
    assert UPSTREAM.read_answer(b'{"promptFeedback": {"blockReason": "SAFETY"}}') is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"candidates": 1}',
        b'{"candidates": [], "error": {}}',
        b'{"candidates": [], "x": "\xff"}',
        b'{"candidates": [], "x": %b}' % (b"1" * 9000),
    ],
)
def test_a_bad_answer_does_not_pass(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        UPSTREAM.read_answer(body)


def test_a_stream_passes_with_every_end_that_gemini_gives() -> None:
    watch = UPSTREAM.watch(HEAD)
    stream = b'data: {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}\r\n\r\n'
    assert watch.feed(stream) == stream
    assert watch.content
    assert watch.close() == b""
    cut = UPSTREAM.watch(HEAD)
    cut.feed(b'data: {"candidates": [{"content": {"parts": [{"text": "hi"}]}}]}\r\n\r\n')
    assert cut.close() is None
    assert cut.broken is Code.STREAM_TRUNCATED


def test_vertex_is_the_same_without_ids() -> None:
    assert VERTEX.name == UPSTREAM.name == CLIENT.name
    assert VERTEX.read_error(b'{"error": {"message": "m"}}').message == "m"
