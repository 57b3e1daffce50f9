"""Whole answers and streams of Ollama's, and all that can be wrong with them."""

import json

import pytest

from gateway.chat.deltas import Begin, Broken, CallPart, Finish
from gateway.chat.document import Document
from gateway.chat.fold import fold
from gateway.dialects.base import BadAnswer
from gateway.dialects.ollama_answer import MAX_LINE, Reader, whole
from gateway.errors import Code

AT = "2026-11-25T05:00:00.123456789Z"


def _line(done: bool = False, **message: object) -> bytes:
    piece = {"model": "m", "created_at": AT, "message": message, "done": done}
    return json.dumps(piece).encode() + b"\n"


@pytest.mark.parametrize("document", [{}, {"message": {}}, {"message": 1, "done": True}])
def test_what_is_no_answer_is_said_to_be_none(document: Document) -> None:
    with pytest.raises(BadAnswer):
        fold(whole(document))


def test_a_date_is_seconds_and_no_date_is_none() -> None:
    assert Reader().feed(_line(content="x"))[0] == Begin("", "m", 1795582800)
    assert Reader().feed(b'{"created_at":"soon"}\n')[0] == Begin("", "", 0)


def test_calls_without_an_id_get_one_each_and_always_the_same() -> None:
    calls = _line(tool_calls=[{"function": {"name": "t"}}, {"function": {"name": "t"}}])
    first, second = Reader().feed(calls)[1:]
    assert isinstance(first, CallPart)
    assert isinstance(second, CallPart)
    assert first.id.startswith("call_")
    assert first.id != second.id
    assert Reader().feed(calls)[1:] == [first, second]


@pytest.mark.parametrize(
    ("bad", "broken"),
    [
        (b'{"error":"no"}\n', Broken(Code.UPSTREAM_ERROR, "no")),
        (b"{\n", Broken(Code.BAD_RESPONSE)),
        (b'{"model":"\xff"}\n', Broken(Code.BAD_RESPONSE)),
        (b'{"n":' + b"9" * 5000 + b"}\n", Broken(Code.BAD_RESPONSE)),
        (b"x" * (MAX_LINE + 1), Broken(Code.RESPONSE_TOO_LARGE)),
        (b"x" * (MAX_LINE + 1) + b"\n", Broken(Code.RESPONSE_TOO_LARGE)),
    ],
)
def test_what_is_not_of_the_form_breaks_it(bad: bytes, broken: Broken) -> None:
    reader = Reader()
    assert reader.feed(_line(content="hi") + bad)[-1] == broken
    assert reader.feed(bad) == reader.close() == []


def test_an_end_too_early_is_no_end() -> None:
    reader = Reader()
    reader.feed(_line(content="hi") + b'{"mod')
    assert reader.close() == [Broken(Code.STREAM_TRUNCATED)]


def test_the_last_line_may_want_its_end() -> None:
    reader = Reader()
    assert reader.feed(_line(content="hi") + _line(done=True)[:-1])
    assert reader.close() == [Finish(0, "stop")]
    assert reader.done
    assert reader.feed(_line()) == []
