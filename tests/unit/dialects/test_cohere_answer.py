"""Whole answers and streams of Cohere's, and all that can be wrong with them."""

import json

import pytest

from gateway.chat.deltas import Broken, Count, Finish
from gateway.chat.document import Document
from gateway.chat.fold import fold
from gateway.dialects.base import BadAnswer
from gateway.dialects.cohere_answer import Reader, whole
from gateway.errors import Code
from gateway.wire import sse


def _event(kind: str, **fields: object) -> bytes:
    return sse.encode(json.dumps({"type": kind, **fields}).encode())


START = _event("message-start", id="1", delta={"message": {"role": "assistant"}})
HI = _event("content-delta", index=0, delta={"message": {"content": {"text": "hi"}}})
END = _event("message-end", delta={"finish_reason": "COMPLETE"})


@pytest.mark.parametrize(
    "document",
    [{}, {"message": {}, "finish_reason": "ERROR"}, {"message": [], "finish_reason": "COMPLETE"}],
)
def test_what_is_no_answer_is_said_to_be_none(document: Document) -> None:
    with pytest.raises(BadAnswer):
        fold(whole(document))


@pytest.mark.parametrize(
    ("end", "broken"),
    [
        ({"finish_reason": "ERROR", "error": "no"}, Broken(Code.UPSTREAM_ERROR, "no")),
        ({"finish_reason": "TIMEOUT"}, Broken(Code.UPSTREAM_TIMEOUT, "TIMEOUT")),
    ],
)
def test_a_failure_at_the_end_is_a_failure(end: Document, broken: Broken) -> None:
    reader = Reader()
    assert reader.feed(START + HI + _event("message-end", delta=end))[-1] == broken
    assert reader.feed(HI) == reader.close() == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"data: {\n\n", Code.BAD_RESPONSE),
        (b"data: \xff\n\n", Code.BAD_RESPONSE),
        (_event("content-delta", delta={"message": {"content": 7}}), Code.BAD_RESPONSE),
        (b'data: {"type":"x","n":' + b"9" * 5000 + b"}\n\n", Code.BAD_RESPONSE),
        (b"data: " + b"x" * (sse.MAX_EVENT + 1), Code.RESPONSE_TOO_LARGE),
    ],
)
def test_what_is_not_of_the_form_breaks_it(bad: bytes, code: Code) -> None:
    assert Reader().feed(START + HI + bad)[-1] == Broken(code)


def test_an_end_too_early_is_no_end() -> None:
    reader = Reader()
    reader.feed(START + HI)
    assert reader.close() == [Broken(Code.STREAM_TRUNCATED)]
    assert reader.close() == []


def test_whatever_follows_the_end_is_dropped() -> None:
    reader = Reader()
    assert reader.feed(START + HI + END + HI)[-1] == Finish(0, "stop")
    assert reader.done
    assert reader.events == 3


def test_an_absurd_count_is_not_believed() -> None:
    end = _event("message-end", delta={"usage": {"tokens": {"input_tokens": -1}}})
    assert not any(isinstance(delta, Count) for delta in Reader().feed(START + end))
