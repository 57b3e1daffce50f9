"""Server-sent events without I/O. Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".

Most reads of a model's stream hold whole events in one plain form, `data: ...` and a blank line.
`plain` knows that form and takes it apart in one go; whatever else is legal goes through
`SseReader`.
"""

from collections.abc import Iterator
from typing import Final

MAX_EVENT: Final = 1 << 20  # bytes; the largest seen in the wild was 300 kB
DONE: Final = b"data: [DONE]\n\n"
_CR, _LF = b"\r\n"  # as numbers: bytes are looked for in bytes several times slower
_BOM: Final = b"\xef\xbb\xbf"


class SseError(ValueError):
    """The peer broke the framing: a line or an event larger than the limit."""


def plain(chunk: bytes) -> list[bytes] | None:
    """The data of all events in chunk, or None if they are not all whole and in the plain form."""
    if not chunk.startswith(b"data: ") or not chunk.endswith(b"\n\n") or _CR in chunk:
        return None
    if len(chunk) > MAX_EVENT:
        return None
    events = chunk[6:-2].split(b"\n\ndata: ")
    # A line feed anywhere else would be within an event, or begin another kind of line.
    return None if [event for event in events if _LF in event] else events


class SseReader:
    """Bytes in, in any cutting; the data of whole events out. Ids and the like fall away."""

    def __init__(self, limit: int = MAX_EVENT, *, begun: bool = False) -> None:
        self._limit = limit
        self._begun = begun  # past the place where a byte order mark may stand
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._name = b""
        self.name = b""  # the kind (`event:`) of the event that feed gave last

    @property
    def unfinished(self) -> bytes:
        """What has come of an event that is not whole, its lines one after the other."""
        return b"\n".join([*(b"data: " + value for value in self._data), self._rest])

    @property
    def between(self) -> bool:
        """Between two lines, with no event begun: whatever follows may be read afresh."""
        return not self._rest and not self._data and not self._name

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of each event that chunk completes. Raises SseError past the limit.

        To be drawn to its end before the next call, unless nothing more is to be read at all.
        """
        for line in self._lines(chunk):
            if len(line) > self._limit:
                raise SseError(f"a line is larger than {self._limit} bytes")
            if not line:
                self.name, self._name = self._name, b""
                if self._data:
                    event = b"\n".join(self._data)
                    self._data.clear()
                    self._size = 0
                    yield event
                continue
            field, _, value = line.partition(b":")
            if field == b"data":
                value = value.removeprefix(b" ")
                self._size += len(value) + 1
                if self._size > self._limit:
                    raise SseError(f"an event is larger than {self._limit} bytes")
                self._data.append(value)
            elif field == b"event":
                self._name = value.removeprefix(b" ")
        if len(self._rest) > self._limit:
            raise SseError(f"a line is larger than {self._limit} bytes")

    def _lines(self, chunk: bytes) -> list[bytes]:
        """The lines that chunk completes; CR, LF and CRLF all end one."""
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
            if not chunk:
                return []
        self._after_cr = chunk.endswith(b"\r")
        text = self._rest + chunk
        if not self._begun:
            if _BOM.startswith(text) and text != _BOM:
                self._rest = text
                return []
            self._begun = True
            text = text.removeprefix(_BOM)
        if _CR in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = text.split(b"\n")
        return lines


PLAIN: Final = len(b"data: \n\n")  # bytes of an event in the plain form beside its data


def encode(data: bytes) -> bytes:
    """One event in the plain form; a line feed within data starts another data line."""
    return b"data: %b\n\n" % data.replace(b"\n", b"\ndata: ")
