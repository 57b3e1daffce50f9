"""OpenAI's streamed chat and completion chunks, watched as they pass.

A chunk is passed on as it came once all its events have been checked: each is one JSON object of
valid UTF-8. Whatever ends a stream too early, or in an error, is seen here and nowhere else.
Source: platform.openai.com/docs/api-reference/chat-streaming, 2026-11.
"""

from typing import Final

import msgspec

from gateway.chat.usage import Usage
from gateway.dialects.openai import present, read_usage
from gateway.errors import Code
from gateway.wire import sse


class _Delta(msgspec.Struct, gc=False):
    content: msgspec.Raw = msgspec.Raw(b"")
    reasoning_content: msgspec.Raw = msgspec.Raw(b"")
    reasoning: msgspec.Raw = msgspec.Raw(b"")
    refusal: msgspec.Raw = msgspec.Raw(b"")
    tool_calls: msgspec.Raw = msgspec.Raw(b"")
    function_call: msgspec.Raw = msgspec.Raw(b"")
    audio: msgspec.Raw = msgspec.Raw(b"")


class _OpeningChoice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    text: msgspec.Raw = msgspec.Raw(b"")
    finish_reason: str | None = None


class _Opening(msgspec.Struct, gc=False):
    """An event before the first content: read closely."""

    choices: list[_OpeningChoice] | None = None


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None
    index: int = 0


class _Event(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")


_events: Final = msgspec.json.Decoder(list[_Event]).decode
_openings: Final = msgspec.json.Decoder(list[_Opening]).decode
_EMPTY: Final = frozenset({b"", b"null", b'""', b"[]", b"{}"})
_NOTHING: Final = msgspec.Raw(b"")


class Watch:
    """One upstream stream. feed() gives what may be passed on; the rest is read off afterwards."""

    __slots__ = (
        "_choices",
        "_finished",
        "_reader",
        "_withhold_usage",
        "broken",
        "content",
        "done",
        "error",
        "events",
        "usage",
    )

    def __init__(self, *, withhold_usage: bool) -> None:
        self._withhold_usage = withhold_usage  # we asked for it, the client did not
        self._reader: sse.SseReader | None = None
        self._choices = 0  # the highest index seen, plus one
        self._finished = 0  # choices that have said why they ended
        self.events = 0
        self.content = False  # the first content has been seen
        self.done = False  # [DONE] has been seen; whatever follows is dropped
        self.error = b""  # the upstream's error event, raw
        self.broken: Code | None = None  # why nothing more can be passed on
        self.usage: Usage | None = None

    @property
    def complete(self) -> bool:
        """May this stream end here and be called whole?"""
        return self.done or (self._finished > 0 and self._finished >= self._choices)

    @property
    def unfinished(self) -> bool:
        """It stopped within an event."""
        return self._reader is not None and self._reader.unfinished

    def feed(self, chunk: bytes) -> bytes:
        """What of chunk may be passed on now."""
        if self._reader is None:
            done = chunk.endswith(sse.DONE)
            rest = chunk[: -len(sse.DONE)] if done else chunk
            if done and not rest:
                self.done = True
                return chunk
            array = sse.plain(rest)
            if array is not None:
                passed = self._plain(rest, array)
                if passed is not None:
                    self.done = done
                    return passed + sse.DONE if done else passed
        return self._careful(chunk)

    def _plain(self, chunk: bytes, array: bytes) -> bytes | None:
        """The fast way for whole events in the plain form; None if they need the careful one."""
        try:
            events = _events(array)
            if not chunk.isascii():
                chunk.decode()
            if not self.content:
                self.content = any(map(_has_content, _openings(array)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if len(events) != sse.events(chunk):
            return None
        if any(map(self._stands_out, events)):
            return None
        self.events += len(events)
        for event in events:
            self._note(event)
        return chunk

    def _stands_out(self, event: _Event) -> bool:
        """Whether an event ends the stream, or is not for the client."""
        if event.error is _NOTHING and event.usage is _NOTHING:
            return False
        withheld = self._withhold_usage and not event.choices and present(event.usage)
        return withheld or present(event.error)

    def _careful(self, chunk: bytes) -> bytes:
        """Any legal form, event by event, written again in the plain one."""
        reader = self._reader = self._reader or sse.SseReader()
        out: list[bytes] = []
        try:
            for data in reader.feed(chunk):
                if not self._one(data, out):
                    break
        except sse.SseError:
            self.broken = Code.RESPONSE_TOO_LARGE
        if not reader.unfinished:
            self._reader = None
        return b"".join(out)

    def _one(self, data: bytes, out: list[bytes]) -> bool:
        """Passes one event on, or not; False if it is the last that counts."""
        if data.strip() == b"[DONE]":
            self.done = True
            out.append(sse.DONE)
            return False
        array = b"[%b]" % data
        try:
            events, openings = _events(array), _openings(array)
            data.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.broken = Code.BAD_RESPONSE
            return False
        if len(events) != 1:
            self.broken = Code.BAD_RESPONSE
            return False
        event = events[0]
        if present(event.error):
            self.error, self.broken = bytes(data), Code.UPSTREAM_ERROR
            return False
        self.events += 1
        self.content = self.content or _has_content(openings[0])
        self._note(event)
        if not (self._withhold_usage and not event.choices and present(event.usage)):
            out.append(sse.encode(data))
        return True

    def _note(self, event: _Event) -> None:
        for choice in event.choices or ():
            if choice.index >= self._choices:
                self._choices = choice.index + 1
            if choice.finish_reason is not None:
                self._finished += 1
                self.content = True
        if event.usage is not _NOTHING and present(event.usage):
            self.usage = read_usage(event.usage) or self.usage


def _has_content(event: _Opening) -> bool:
    for choice in event.choices or ():
        delta = choice.delta
        if bytes(choice.text) not in _EMPTY or choice.finish_reason is not None:
            return True
        if delta is not None and any(
            bytes(raw) not in _EMPTY
            for raw in (
                delta.content,
                delta.reasoning_content,
                delta.reasoning,
                delta.refusal,
                delta.tool_calls,
                delta.function_call,
                delta.audio,
            )
        ):
            return True
    return False
