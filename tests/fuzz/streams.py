"""A backend's events through the reader and the watch: whatever comes, nothing broken passes."""

import json
from collections.abc import Hashable, Sequence
from random import Random
from typing import Final

from gateway.dialects.openai_stream import Watch
from gateway.wire import sse
from tests.fuzz.cutting import cuttings
from tests.fuzz.parser import Parser

_LIMIT: Final = 300  # bytes of an event, for a reader of which the limit is to be met
_Read = tuple[list[tuple[bytes, bytes]], bool, bytes]


def _read(pieces: Sequence[bytes]) -> _Read:
    """The events with their names, whether one was too large, and what was left over."""
    reader = sse.SseReader(_LIMIT)
    found: list[tuple[bytes, bytes]] = []
    try:
        for piece in pieces:
            for data in reader.feed(piece):
                found.append((data, reader.name))
            assert len(reader.unfinished) <= 8 * _LIMIT
    except sse.SseError:
        return found, True, b""
    return found, False, reader.unfinished


def _seen(pieces: Sequence[bytes], *, withhold_usage: bool, choices: int) -> tuple[bytes, Watch]:
    watch = Watch(withhold_usage=withhold_usage, choices=choices)
    passed = b"".join([watch.feed(piece) for piece in pieces])
    return passed, watch


def _told(watch: Watch) -> tuple[object, ...]:
    over = watch.done or watch.broken is not None
    left = watch.unfinished and not over
    return watch.events, watch.content, watch.done, watch.broken, watch.usage, watch.complete, left


def check(data: bytes, dice: Random) -> Hashable:
    read = _read([data])
    withhold, choices = dice.random() < 0.5, dice.randint(1, 2)
    passed, watch = _seen([data], withhold_usage=withhold, choices=choices)
    told, events = _told(watch), _events(passed)
    for pieces in cuttings(data, dice):
        again = _read(pieces)
        assert again == read, f"cut as {pieces!r}: {again!r}, in one piece {read!r}"
        other, its = _seen(pieces, withhold_usage=withhold, choices=choices)
        assert (_told(its), _events(other)) == (told, events), f"cut as {pieces!r}"
    _check_plain(data)
    _check_passed(events, watch)
    _check_reread(passed, watch)
    return watch.broken, watch.done, watch.content, watch.complete, watch.unfinished, read[1]


def _check_plain(data: bytes) -> None:
    found = sse.plain(data)
    if found is not None:
        assert found == list(sse.SseReader().feed(data))


def _events(passed: bytes) -> list[bytes]:
    assert not passed or passed.endswith(b"\n\n")
    assert b"\r" not in passed
    found: list[bytes] = []
    for block in passed.split(b"\n\n")[:-1]:
        assert all(line.startswith(b"data: ") for line in block.split(b"\n"))
        found.append(b"\n".join(line[6:] for line in block.split(b"\n")))
    return found


def _check_passed(events: Sequence[bytes], watch: Watch) -> None:
    for at, data in enumerate(events):
        if data == b"[DONE]":
            assert watch.done
            assert at == len(events) - 1
        else:
            assert isinstance(json.loads(data.decode()), dict)
    assert not (watch.done and watch.broken)


def _check_reread(passed: bytes, watch: Watch) -> None:
    """What has passed, passes once more as it is."""
    again, second = _seen([passed], withhold_usage=False, choices=1)
    assert again == passed
    assert second.broken is None
    assert (second.done, second.events <= watch.events) == (watch.done, True)


STREAMS: Final = Parser(
    "stream",
    check,
    (
        b"data: ", b"data:", b"data", b"data: {}\n\n", b"data: [DONE]\n\n", b"[DONE]",
        b"event: error\n", b"event: ping\n", b"id: 1\n", b"retry: 5\n", b": ping\n\n", b":",
        b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\xef\xbb\xbf", b"\xef\xbb", b"\0", b"\xff",
        b"{", b"}", b"[", b"]", b'"', b",", b"\\u0000", b"\\ud800", b"\\", b"null", b"NaN", b"1e999",
        b'"choices":[', b'{"index":1,"delta":{"content":"x"}}', b'"finish_reason":"stop"',
        b'"usage":{"prompt_tokens":1,"completion_tokens":2}', b'"error":{"message":"no"}',
        b'"error":null', b'"object":"error"', b'"delta":{}', b'"tool_calls":[{}]', b'"text":"x"',
        b'"index":-1', b'"index":null', b'"usage":null', b'"choices":null', b"9" * 5_000,
    ),
)  # fmt: skip
