"""The events of a stream in any cutting, and what an error event means."""

import pytest

from gateway.chat.deltas import Broken
from gateway.dialects.openai_frames import UNREADABLE, Frames, broken, check
from gateway.errors import Code
from gateway.wire.sse import SseReader

STREAM = b': hi\r\n\r\ndata: {"a":1}\n\nevent: x\ndata: {"b":\ndata: 2}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_any_cutting_gives_the_same_events(size: int) -> None:
    frames = Frames()
    cut = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [data for chunk in cut for data in frames.feed(chunk)] == [
        b'{"a":1}',
        b'{"b":\n2}',
        b"[DONE]",
    ]
    assert not frames.unfinished


@pytest.mark.parametrize(
    "odd",
    [
        b"event: x\nevent: y\ndata: 1\n\n",
        b"event: x\ndata: 1\ndata: 2\n\n",
        b"event: x\n\ndata: 1\ndata: 2\n\n",
        b"event: x\n: hi\ndata: 1\n\nevent: y\n\n\n",
        b"event: x\ndata: 1\n\nevent: y\ndata: 2\n\n",
        b"event: x\r\ndata: 1\r\n\r\n",
        b"event: x\nid: 7\n\n",
    ],
)
def test_events_with_a_kind_are_read_as_ever(odd: bytes) -> None:
    frames, reader = Frames(), SseReader()
    told = [(frames.name, data) for data in frames.feed(odd)]
    assert told == [(reader.name, data) for data in reader.feed(odd)]


def test_half_an_event_is_unfinished_unless_it_is_the_end_or_a_comment() -> None:
    for rest, unfinished in ((b"data: {", True), (b"data: [DONE]", False), (b": keep", False)):
        frames = Frames()
        assert list(frames.feed(rest)) == []
        assert frames.unfinished is unfinished


def test_the_kind_of_an_event_is_kept() -> None:
    frames = Frames()
    for _ in frames.feed(b"event: error\ndata: {}\n\n"):
        assert frames.name == b"error"
    for _ in frames.feed(b"data: {}\n\n"):
        assert frames.name == b""


@pytest.mark.parametrize("data", [b'{"x":"\xff"}', b'{"x":' + b"1" * 5000 + b"}"])
def test_what_a_reader_may_choke_on_is_refused(data: bytes) -> None:
    with pytest.raises(UNREADABLE):
        check(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"error":{"message":"no","code":"429"}}', Broken(Code.UPSTREAM_RATE_LIMITED, "no")),
        (b'{"error":{"message":"no","code":429}}', Broken(Code.UPSTREAM_RATE_LIMITED, "no")),
        (b'{"error":{"type":"overloaded_error"}}', Broken(Code.UPSTREAM_OVERLOADED)),
        (b'{"error":"no"}', Broken(Code.UPSTREAM_ERROR, "no")),
        (b'{"object":"error","message":"no","code":400}', Broken(Code.UPSTREAM_ERROR, "no")),
        (b'{"error":[]}', Broken(Code.UPSTREAM_ERROR)),
    ],
)
def test_an_error_event_says_whose_turn_it_is(data: bytes, expected: Broken) -> None:
    assert broken(data) == expected
