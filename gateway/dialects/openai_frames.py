"""The events of OpenAI's streams as they come: framing, UTF-8, and what an error event means.

Source: platform.openai.com/docs/api-reference/chat-streaming and .../responses-streaming, 2026-11.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gateway.chat.deltas import Broken
from gateway.dialects.base import MAX_SAID
from gateway.errors import Code
from gateway.wire import json, sse

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Frames:
    """Bytes in, in any cutting; the data of whole events out."""

    __slots__ = ("_begun", "_reader", "name")

    def __init__(self) -> None:
        self._reader: sse.SseReader | None = None
        self._begun = False
        self.name = b""  # the kind (`event:`) of the event that feed gave last

    @property
    def unfinished(self) -> bool:
        """It stopped within an event that was to say something."""
        if self._reader is None or self._reader.between:
            return False
        left = self._reader.unfinished.strip()
        said = left and not left.startswith(b":")
        return bool(said) and left.removeprefix(b"data:").strip() != b"[DONE]"

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """To be drawn to its end before the next call. Raises SseError past the limit."""
        if self._reader is None or self._reader.between:
            events = sse.plain(chunk)
            if events is not None:
                self._begun = True
                self.name = b""
                return events
            named = _named(chunk)
            if named is not None:
                self._begun = True
                return self._each(named)
        return self._careful(chunk)

    def _each(self, named: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
        for self.name, data in named:
            yield data

    def _careful(self, chunk: bytes) -> Iterator[bytes]:
        if self._reader is None:
            self._reader = sse.SseReader(begun=self._begun)
        for data in self._reader.feed(chunk):
            self.name = self._reader.name
            yield data


def _named(chunk: bytes) -> list[tuple[bytes, bytes]] | None:
    """The kind and the data of all events in chunk, or None if they are not all whole and in the
    form `event: ...`, `data: ...`, and a blank line.
    """
    if not chunk.startswith(b"event: ") or not chunk.endswith(b"\n\n") or b"\r" in chunk:
        return None
    if len(chunk) > sse.MAX_EVENT:
        return None
    frames = chunk[7:-2].split(b"\n\nevent: ")
    if chunk.count(b"\n") != 3 * len(frames):
        return None
    named = []
    for frame in frames:
        name, found, data = frame.partition(b"\ndata: ")
        if not found:
            return None
        named.append((name, data))
    return named


def check(data: bytes) -> None:
    """What a typed reader skips over. Raises one of UNREADABLE."""
    if not data.isascii():
        data.decode()
    if len(data) > json.MONSTER and json.has_monster(data):
        raise msgspec.DecodeError("a number has too many digits")


# ---- errors within a stream


class _Said(msgspec.Struct, gc=False):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class _Event(msgspec.Struct, gc=False):
    error: _Said | str | None = None
    message: str | None = None
    type: str | None = None
    code: str | int | None = None


_event: Final = msgspec.json.Decoder(_Event).decode
_CODES: Final = {
    "429": Code.UPSTREAM_RATE_LIMITED,
    "rate_limit_exceeded": Code.UPSTREAM_RATE_LIMITED,
    "rate_limit_error": Code.UPSTREAM_RATE_LIMITED,
    "insufficient_quota": Code.UPSTREAM_QUOTA,
    "503": Code.UPSTREAM_OVERLOADED,
    "529": Code.UPSTREAM_OVERLOADED,
    "overloaded_error": Code.UPSTREAM_OVERLOADED,
    "server_overloaded": Code.UPSTREAM_OVERLOADED,
    "server_is_overloaded": Code.UPSTREAM_OVERLOADED,
}


def broken(data: bytes) -> Broken:
    """An error event, in OpenAI's shape ({"error": {...}}) or flat ({"message": ...})."""
    try:
        event = _event(data)
    except UNREADABLE:
        return Broken(Code.UPSTREAM_ERROR)
    match event.error:
        case str():
            said = _Said(event.error, event.type, event.code)
        case None:
            said = _Said(event.message, event.type, event.code)
        case _:
            said = event.error
    code = _CODES.get(str(said.code)) or _CODES.get(said.type or "") or Code.UPSTREAM_ERROR
    return Broken(code, (said.message or "")[:MAX_SAID])
