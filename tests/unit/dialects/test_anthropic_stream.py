"""Anthropic's events, read: forms, and what goes wrong. Whole streams: tests/golden/anthropic."""

import json

import pytest

from gateway.chat.deltas import Begin, Broken, CallPart, Count, Delta, Finish, Reasoning, Text
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.anthropic_stream import Reader, whole
from gateway.errors import Code
from gateway.wire import sse


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


START = event("message_start", message={"id": "msg_1", "model": "c", "usage": {"input_tokens": 3}})
OPEN = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
HELLO = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"})
SHUT = event("content_block_stop", index=0)
END = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
STOP = event("message_stop")


def _read(*chunks: bytes) -> list[Delta]:
    reader = Reader()
    deltas = [delta for chunk in chunks for delta in reader.feed(chunk)]
    return deltas + reader.close()


def _error(deltas: list[Delta]) -> object:
    broken = [at for at, delta in enumerate(deltas) if isinstance(delta, Broken)]
    assert broken in ([], [len(deltas) - 1])
    return getattr(deltas[-1], "code", None)


def test_a_message_begins_speaks_and_ends() -> None:
    assert _read(START, OPEN, HELLO, SHUT, END, STOP) == [
        Begin("msg_1", "c", 0),
        Count(Usage(3)),
        Text(0, "Hello"),
        Finish(0, "stop"),
        Count(Usage(3, 2)),
    ]


@pytest.mark.parametrize("newline", [b"\n", b"\r", b"\r\n"])
def test_any_spelling_and_cutting_reads_alike(newline: bytes) -> None:
    plain = (
        START + b": hm\n\n" + OPEN + event("ping") + HELLO + event("new_thing") + SHUT + END + STOP
    )
    stream = b"\xef\xbb\xbf" + plain.replace(b"\n", newline).replace(b"data: ", b"data:")
    wanted = _read(plain)
    assert _error(wanted) is None
    for size in (1, 7, 100, len(stream)):
        assert _read(*(stream[at : at + size] for at in range(0, len(stream), size))) == wanted


def test_events_are_counted_and_the_end_is_the_end() -> None:
    reader = Reader()
    reader.feed(START + OPEN + HELLO)
    assert (reader.events, reader.done) == (3, False)
    reader.feed(SHUT + END + STOP + HELLO)
    assert (reader.events, reader.done) == (6, True)
    assert reader.feed(HELLO) == []
    assert reader.close() == []


@pytest.mark.parametrize(
    "broken",
    [
        b"data: {\n\n",
        b"data: [1]\n\n",
        b"event: x\ndata: no\n\n",
        b'data: {"a":1}\n\n',
        b'event: x\ndata: {"type":"ping","a":"\xff"}\n\n',
        b'event: x\ndata: {"type":"ping","a":%b}\n\n' % (b"9" * 20_000),
        b'event: x\ndata: {"type":"ping","a":%b}\n\n' % (b"[" * 200_000),
        event("content_block_delta", delta={"type": "text_delta", "text": 1}),
        STOP,  # and why?
    ],
)
def test_what_is_broken_ends_it(broken: bytes) -> None:
    deltas = _read(START, OPEN, HELLO, broken, HELLO, STOP)
    assert deltas[-2:] == [Text(0, "Hello"), Broken(Code.BAD_RESPONSE)]


def test_an_event_over_the_limit_ends_it() -> None:
    assert _error(_read(START, b"data: " + b"x" * (sse.MAX_EVENT + 1))) is Code.RESPONSE_TOO_LARGE


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("overloaded_error", Code.UPSTREAM_OVERLOADED),
        ("rate_limit_error", Code.UPSTREAM_RATE_LIMITED),
        ("billing_error", Code.UPSTREAM_QUOTA),
        ("authentication_error", Code.UPSTREAM_AUTH),
        ("timeout_error", Code.UPSTREAM_TIMEOUT),
        ("api_error", Code.UPSTREAM_ERROR),
        ("new_error", Code.UPSTREAM_ERROR),
    ],
)
def test_an_error_event_says_what_it_is(kind: str, code: Code) -> None:
    error = event("error", error={"type": kind, "message": "no"})
    assert _read(START, error, HELLO)[-1] == Broken(code, "no")
    assert _error(_read(error)) is code


@pytest.mark.parametrize(
    "stream", [b"", START, START + OPEN + HELLO, START + END, START + END + b"e"]
)
def test_a_stream_without_its_end_is_truncated(stream: bytes) -> None:
    assert _error(_read(stream)) is Code.STREAM_TRUNCATED


def _block(block: Document, *changes: Document) -> list[Delta]:
    opened = event("content_block_start", index=0, content_block=block)
    changed = [event("content_block_delta", index=0, delta=change) for change in changes]
    deltas = _read(START, opened, *changed, SHUT, END, STOP)
    return [delta for delta in deltas if not isinstance(delta, Begin | Count | Finish)]


def test_a_call_may_come_in_pieces_at_once_or_without_arguments() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    first = CallPart(0, 0, "t", "f")
    pieces = [{"type": "input_json_delta", "partial_json": text} for text in ("", '{"a"', ":1}")]
    assert _block(call, *pieces) == [
        first,
        CallPart(0, 0, arguments='{"a"'),
        CallPart(0, 0, arguments=":1}"),
    ]
    assert _block({**call, "input": {"a": 1}}) == [first, CallPart(0, 0, arguments='{"a":1}')]
    assert _block(call) == [first, CallPart(0, 0, arguments="{}")]


def test_a_signature_may_come_in_pieces_and_without_words() -> None:
    thought = {"type": "thinking", "thinking": "", "signature": ""}
    pieces = [{"type": "signature_delta", "signature": text} for text in ("ab", "c")]
    assert _block(thought, *pieces) == [Reasoning(0, signature="abc")]
    assert _block({**thought, "thinking": "hm"}) == [Reasoning(0, "hm")]


def test_blocks_of_tools_that_anthropic_runs_fall_away() -> None:
    used = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    assert _block(used, {"type": "input_json_delta", "partial_json": "{}"}) == []


def test_a_whole_message_reads_like_a_stream() -> None:
    content = [{"type": "text", "text": "Hello"}]
    counts = {"input_tokens": 3, "output_tokens": 2}
    message = {"id": "msg_1", "model": "c", "content": content, "stop_reason": "end_turn"}
    streamed = _read(START, OPEN, HELLO, SHUT, END, STOP)
    streamed.pop(1)  # the count at its start
    assert whole({**message, "usage": counts}) == streamed
    assert whole(message) == streamed[:-1]
