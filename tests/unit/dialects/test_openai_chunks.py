"""What all of OpenAI's chunk streams share: beginnings, counts, ends, and what breaks them."""

import json

import pytest

from gateway.chat.deltas import Begin, Broken, Count, Delta, Finish, Text
from gateway.chat.usage import Usage
from gateway.dialects.openai_chat_stream import Reader as ChatReader
from gateway.dialects.openai_completion_stream import Reader as CompletionReader
from gateway.errors import Code
from gateway.wire import sse
from tests.vendors.openai_wire import (
    DONE,
    chat_events,
    completion_events,
    error_body,
    event,
    usage,
)

COUNTED = event(json.dumps({"choices": [], "usage": usage(7, 2)}).encode())
READERS = [ChatReader, CompletionReader]
WHOLE: list[Delta] = [Text(0, "Hel"), Text(0, "lo"), Finish(0, "stop"), Count(Usage(7, 2))]


def _streams() -> list[tuple[type[ChatReader | CompletionReader], bytes]]:
    words = ["Hel", "lo"]
    return [
        (ChatReader, b"".join(chat_events(words, used=usage(7, 2)))),
        (CompletionReader, b"".join(completion_events(words)[:-1]) + COUNTED + DONE),
    ]


@pytest.mark.parametrize(("reader", "stream"), _streams())
@pytest.mark.parametrize("size", [1, 5, 64, 1 << 20])
def test_any_cutting_gives_the_same_deltas(
    reader: type[ChatReader | CompletionReader], stream: bytes, size: int
) -> None:
    for spelled in (stream, stream.replace(b"\n", b"\r\n")):
        one = reader()
        deltas = []
        for at in range(0, len(spelled), size):
            deltas += one.feed(spelled[at : at + size])
        assert isinstance(deltas[0], Begin)
        assert deltas[1:] == WHOLE
        assert one.done
        assert one.close() == []


@pytest.mark.parametrize("reader", READERS)
def test_an_end_before_the_end_is_told(reader: type[ChatReader | CompletionReader]) -> None:
    assert reader().close() == [Broken(Code.STREAM_TRUNCATED)]
    assert reader().feed(DONE) == [Broken(Code.STREAM_TRUNCATED)]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (event(error_body()), Code.UPSTREAM_ERROR),
        (b"event: error\ndata: {}\n\n", Code.UPSTREAM_ERROR),
        (b'data: {"object":"error","message":"no"}\n\n', Code.UPSTREAM_ERROR),
        (b"data: <html>\n\n", Code.BAD_RESPONSE),
        (b'data: {"choices":7}\n\n', Code.BAD_RESPONSE),
        (b'data: {"x":"\xff"}\n\n', Code.BAD_RESPONSE),
        (b"data: " + b"x" * (sse.MAX_EVENT + 1), Code.RESPONSE_TOO_LARGE),
    ],
)
def test_what_breaks_a_stream_ends_it(
    reader: type[ChatReader | CompletionReader], bad: bytes, code: Code
) -> None:
    one = reader()
    (broken,) = one.feed(bad)
    assert isinstance(broken, Broken)
    assert broken.code is code
    assert one.feed(b"".join(chat_events())) == []
    assert one.close() == []
