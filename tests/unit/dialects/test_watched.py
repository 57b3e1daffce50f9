"""What of a watched stream is passed on. The reader here knows words, one an event."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.chat.deltas import Begin, Broken, Count, Delta, Text
from gateway.chat.usage import Usage
from gateway.dialects import anthropic_stream, gemini_stream, openai_responses_stream
from gateway.dialects.base import Watch
from gateway.dialects.watched import Glancing, Watched
from gateway.errors import Code
from gateway.wire import sse

HELLO = b"event: word\nid: 7\ndata: hello\n\n"
BEGIN, USED, END = b"data: begin\n\n", b"data: used\n\n", b"data: end\n\n"
BAD, FULL = b"data: bad\n\n", b"event: error\ndata: full\ndata: up\n\n"


class Words:
    def __init__(self) -> None:
        self.done = False
        self.events = 0
        self.usage: Usage | None = None
        self.glances = 0
        self._sse = sse.SseReader()

    def feed(self, chunk: bytes) -> list[Delta]:
        return [self._delta(data) for data in self._sse.feed(chunk)]

    def glance(self, frame: bytes) -> int:
        if frame != HELLO:
            return 0
        self.glances += 1
        self.events += 1
        return 3

    def close(self) -> list[Delta]:
        return [] if self.done else [Broken(Code.STREAM_TRUNCATED)]

    def _delta(self, data: bytes) -> Delta:
        self.events += 1
        match data:
            case b"begin":
                return Begin("1", "m", 0)
            case b"used" | b"end":
                self.done = data == b"end"
                self.usage = Usage(1, self.events)
                return Count(self.usage)
            case b"full\nup":
                return Broken(Code.UPSTREAM_OVERLOADED, "full")
            case b"hello":
                return Text(0, "hello")
            case _:
                return Broken(Code.BAD_RESPONSE)


def _watch() -> Watch:
    return Watched(Words())


def test_frames_pass_as_they_came() -> None:
    stream = BEGIN + b": ping\n\n" + HELLO + USED + END
    watch = _watch()
    assert watch.feed(stream) == stream
    assert watch.events == 4
    assert watch.content
    assert watch.done
    assert watch.usage == Usage(1, 4)
    assert watch.close() == b""


@pytest.mark.parametrize("newline", [b"\n", b"\r", b"\r\n"])
def test_any_cutting_passes_the_same(newline: bytes) -> None:
    stream = (BEGIN + b": ping\n\n" + HELLO + USED + END).replace(b"\n", newline)
    for size in range(1, len(stream)):
        watch = _watch()
        pieces = [watch.feed(stream[at : at + size]) for at in range(0, len(stream), size)]
        # A carriage return ends a line; the feed behind the last one is no longer waited for.
        assert b"".join(pieces).rstrip() == stream.rstrip()
        assert watch.done
        assert watch.events == 4
        assert watch.broken is None


def test_behind_the_first_content_a_glance_is_enough() -> None:
    words = Words()
    watch = Watched(words)
    stream = HELLO + HELLO + b": ping\n\n" + HELLO + END
    assert watch.feed(stream) == stream
    assert words.glances == 2
    assert (watch.events, watch.tokens) == (4, 1 + 2 * 3)
    assert watch.done


def test_half_a_frame_waits_for_its_other_half() -> None:
    watch = _watch()
    assert watch.feed(BEGIN + HELLO[:9]) == BEGIN
    assert not watch.content
    assert watch.feed(HELLO[9:]) == HELLO
    assert watch.content


def test_what_follows_the_end_is_dropped() -> None:
    watch = _watch()
    assert watch.feed(HELLO + END + HELLO) == HELLO + END
    assert watch.feed(BAD) == b""
    assert watch.broken is None
    assert watch.close() == b""


def test_nothing_broken_is_passed_on() -> None:
    watch = _watch()
    assert watch.feed(HELLO + BAD + HELLO + END) == HELLO
    assert watch.broken is Code.BAD_RESPONSE
    assert not watch.error
    assert not watch.done
    assert watch.feed(END) == b""
    assert watch.close() is None


def test_an_error_event_is_kept_back() -> None:
    watch = _watch()
    assert watch.feed(BEGIN + FULL + END) == BEGIN
    assert watch.broken is Code.UPSTREAM_OVERLOADED
    assert watch.error == b"full\nup"
    assert not watch.content
    assert watch.close() is None


def test_a_frame_over_the_limit_breaks_the_stream() -> None:
    watch = _watch()
    assert watch.feed(HELLO) == HELLO
    assert watch.feed(b"data: " + b"x" * sse.MAX_EVENT) == b""
    assert watch.broken is Code.RESPONSE_TOO_LARGE


# ---- the end


@pytest.mark.parametrize("tail", [b"", b"\n", HELLO[:9], b"data: en", b": pin"])
def test_a_stream_that_ends_too_early_is_truncated(tail: bytes) -> None:
    watch = _watch()
    watch.feed(HELLO + tail)
    assert watch.close() is None
    assert watch.broken is Code.STREAM_TRUNCATED


@pytest.mark.parametrize("last", [END[:-1], END[:-2]])
def test_a_last_frame_may_lack_its_blank_line(last: bytes) -> None:
    watch = _watch()
    assert watch.feed(HELLO + last) == HELLO
    assert watch.close() == last + b"\n\n"
    assert watch.done


def test_a_last_frame_may_be_an_error() -> None:
    watch = _watch()
    watch.feed(HELLO + FULL[:-2])
    assert watch.close() is None
    assert watch.broken is Code.UPSTREAM_OVERLOADED
    assert watch.error == b"full\nup"


# ---- a glance sees what a reader would

GOLDEN = Path(__file__).parents[2] / "golden"


class Blind:
    """The same reader, without its glance."""

    def __init__(self, reader: Glancing) -> None:
        self._reader = reader
        self.feed, self.close = reader.feed, reader.close

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage

    @property
    def done(self) -> bool:
        return self._reader.done

    @property
    def events(self) -> int:
        return self._reader.events

    def glance(self, frame: bytes) -> int:
        return 0


def _told(watch: Watched, stream: bytes) -> tuple[object, ...]:
    passed = watch.feed(stream), watch.close()
    return (*passed, watch.events, watch.broken, watch.error, watch.usage, watch.done)


@pytest.mark.parametrize(
    ("case", "reader"),
    [
        ("anthropic/text", anthropic_stream.Reader),
        ("anthropic/thinking", anthropic_stream.Reader),
        ("gemini/text", lambda: gemini_stream.Reader(passing=True)),
        ("openai_responses/tools", openai_responses_stream.Reader),
    ],
)
def test_a_glance_changes_nothing_whatever_byte_is_another(
    case: str, reader: Callable[[], Glancing]
) -> None:
    stream = (GOLDEN / case / "stream.txt").read_bytes()
    if case == "gemini/text":  # of two events only; the first of them more often
        first, rest = stream.split(b"\r\n\r\n", 1)
        stream = (first + b"\r\n\r\n") * 3 + rest
    watch, blind = Watched(reader()), Watched(Blind(reader()))
    assert _told(watch, stream) == _told(blind, stream)
    assert watch.tokens == blind.tokens
    for at in range(0, len(stream), 1 + len(stream) // 400):
        for other in (b"\n", b"\xff", b'"', b"9"):
            spoilt = stream[:at] + other + stream[at + 1 :]
            expected = _told(Watched(Blind(reader())), spoilt)
            assert _told(Watched(reader()), spoilt) == expected, (at, other)


def _watching(reader: Glancing, *frames: bytes) -> Watched:
    watch = Watched(reader)
    for frame in frames:
        assert watch.feed(frame) == frame
    return watch


def test_counts_that_a_glance_has_seen_are_the_usage() -> None:
    """Where a stream is left in its middle, what came last counts."""
    frame = (
        b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"index":0}],"usageMetadata":'
        b'{"promptTokenCount":8,"candidatesTokenCount":%d,"totalTokenCount":%d}}\r\n\r\n'
    )
    reader = gemini_stream.Reader(passing=True)
    watch = _watching(reader, *(frame % (n, 8 + n) for n in range(1, 4)))
    assert watch.usage == Usage(8, 3)
    assert watch.events == 3
