"""A stream that needs no translation, watched by the reader that would translate it.

Server-sent events only. A frame is passed on as it came, comments included, once the reader has
found nothing wrong in it; nothing of a broken frame is. Behind the first content most frames say no
more than further words: a glance tells, and nothing is made of them.
"""

import re
from typing import Final, Protocol

from gateway.chat.deltas import CONTENT, Broken, Delta, tokens
from gateway.chat.usage import Usage
from gateway.dialects.base import DeltaReader
from gateway.errors import Code
from gateway.wire import sse

_BLANK: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_CR: Final = 13  # as a number: bytes are looked for in bytes several times slower
_OURS: Final = (Code.BAD_RESPONSE, Code.RESPONSE_TOO_LARGE, Code.STREAM_TRUNCATED)


class Glancing(DeltaReader, Protocol):
    """A reader of server-sent events that knows most frames at a glance."""

    @property
    def usage(self) -> Usage | None:
        """What has been counted so far."""

    def glance(self, frame: bytes) -> int:
        """A whole frame, if it is good and only says more of what has begun: counted as an event,
        and how many tokens it has. 0 for any other: it is to be fed.
        """


class Watched:
    """A Watch (`base.py`) over such a reader."""

    __slots__ = (
        "_reader",
        "_rest",
        "broken",
        "content",
        "done",
        "error",
        "events",
        "tokens",
    )

    def __init__(self, reader: Glancing) -> None:
        self._reader = reader
        self._rest = b""  # of a frame that is not whole
        self.events = 0
        self.content = False
        self.done = False
        self.error = b""
        self.broken: Code | None = None
        self.tokens = 0

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now: whole frames."""
        if not chunk or self.done or self.broken is not None:
            return b""
        begun = len(self._rest)
        data = self._rest + chunk if begun else chunk
        passed = at = 0
        # A blank line that the chunk completes begins within the three bytes before it.
        while (end := _past_blank(data, max(at, begun - 3))) and self._frame(data[at:end]):
            passed = at = end
            if self._reader.done:
                break
        self._rest = data[at:]
        if len(self._rest) > sse.MAX_EVENT and not self.done:
            self.broken = self.broken or Code.RESPONSE_TOO_LARGE
        return data[:passed]

    def close(self) -> bytes | None:
        """The upstream has ended. A last frame counts even without its blank line, if it is whole:
        for the client the line is added.
        """
        if self.broken is not None:
            return None
        last = b""
        if not self.done and self._rest.strip():
            last = self._rest + b"\n\n"
            if not self._frame(last):
                if not self.error:  # it was cut, not wrong
                    self.broken = Code.STREAM_TRUNCATED
                return None
        if not self.done:
            self._note(self._reader.close())
        return last if self.broken is None else None

    def _frame(self, frame: bytes) -> bool:
        """Whether it may be passed on."""
        if self.content:
            said = self._reader.glance(frame)
            if said:
                self.tokens += said
                self.events = self._reader.events
                return True
        self._note(self._reader.feed(frame))
        self.events = self._reader.events
        self.done = self._reader.done and self.broken is None
        if self.broken is None:
            return True
        if self.broken not in _OURS:
            self.error = b"\n".join(sse.SseReader().feed(frame))
        return False

    def _note(self, deltas: list[Delta]) -> None:
        for delta in deltas:
            self.tokens += tokens(delta)
            if isinstance(delta, CONTENT):
                self.content = True
            elif isinstance(delta, Broken):
                self.broken = delta.code


def _past_blank(data: bytes, start: int) -> int:
    """Where the first blank line at or behind start ends; 0 if there is none."""
    if _CR not in data:
        at = data.find(b"\n\n", start)
        return at + 2 if at >= 0 else 0
    at = data.find(b"\r\n\r\n", start)  # as most that have one end it
    if at >= 0 and data.find(b"\n\n", start, at) < 0 and data.find(b"\r\r", start, at) < 0:
        return at + 4
    found = _BLANK.search(data, start)
    return found.end() if found else 0
