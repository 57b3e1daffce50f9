"""Server-sent events without I/O. Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".

Most reads of a model's stream hold whole events in one plain form, `data: {...}` and a blank line.
`plain` knows that form and leaves the parsing of all its events to one call; whatever else is legal
goes through `SseReader`.
"""

from typing import Final

MAX_EVENT: Final = 1 << 20  # bytes; the largest seen in the wild was 300 kB
DONE: Final = b"data: [DONE]\n\n"


class SseError(ValueError):
    """The peer broke the framing: an event larger than the limit."""


def plain(chunk: bytes) -> bytes | None:
    """A JSON array of the data of all events in chunk, or None if they are not in the plain form.

    The separator holds a line feed, which JSON forbids inside strings: no event can be made of the
    halves of two. Whoever decodes must see as many elements as `events` counts.
    """
    if not chunk.startswith(b"data: {") or not chunk.endswith(b"}\n\n") or b"\r" in chunk:
        return None
    return b"[%b]" % chunk[6:-2].replace(b"\n\ndata: ", b"\n,")


def events(chunk: bytes) -> int:
    return chunk.count(b"\n\n")


class SseReader:
    """Bytes in, in any cutting; the data of whole events out. Other fields fall away."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._limit = limit
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._begun = False

    @property
    def unfinished(self) -> bool:
        """Part of an event has come; if nothing follows it is lost."""
        return bool(self._rest or self._data)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that chunk completes. Raises SseError past the limit."""
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r") if chunk else self._after_cr
        text = self._rest + chunk
        if not self._begun and len(text) >= 3:
            self._begun = True
            text = text.removeprefix(b"\xef\xbb\xbf")
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = text.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > self._limit:
            raise SseError(f"an event is larger than {self._limit} bytes")
        out: list[bytes] = []
        for line in lines:
            if not line:
                if self._data:
                    out.append(b"\n".join(self._data))
                    self._data.clear()
                    self._size = 0
                continue
            field, _, value = line.partition(b":")
            if field == b"data":
                value = value.removeprefix(b" ")
                self._size += len(value)
                if self._size > self._limit:
                    raise SseError(f"an event is larger than {self._limit} bytes")
                self._data.append(value)
        return out


def encode(data: bytes) -> bytes:
    """One event in the plain form; a line feed within data starts another data line."""
    return b"data: %b\n\n" % data.replace(b"\n", b"\ndata: ")
