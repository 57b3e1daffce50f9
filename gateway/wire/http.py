"""HTTP messages as plain values, and the bytes of their heads. Knows no socket.

Source: RFC 9110 (fields), RFC 9112 (HTTP/1.1 framing).
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

Headers = list[tuple[bytes, bytes]]  # lower-case names, in the order they came
Fields = dict[bytes, bytes]  # the same where a name stands once, or the last of it counts


class RequestHead:
    """A request up to its body, as a client sent it: checked, not yet understood.

    What frames the body is no header any more: `length` is all that is to be known of it.
    """

    __slots__ = ("headers", "length", "method", "path", "query")

    def __init__(
        self, method: bytes, path: bytes, query: bytes, headers: Fields, length: int | None
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.length = length  # bytes of the body; None when it comes in chunks

    def header(self, name: bytes) -> bytes | None:
        return self.headers.get(name)

    def of_length(self, length: int) -> "RequestHead":
        """The same head over another body."""
        return RequestHead(self.method, self.path, self.query, self.headers, length)


def first(headers: Headers, name: bytes) -> bytes | None:
    for key, value in headers:
        if key == name:
            return value
    return None


STATUS_LINES: Final = {
    code: b"HTTP/1.1 %d %s\r\n" % (code, phrase)
    for code, phrase in (
        {s.value: s.phrase.encode() for s in HTTPStatus if s.value >= 200} | {529: b"Overloaded"}
    ).items()
}


def status_line(status: int) -> bytes:
    """Always a phrase of ours: what a peer wrote there is never passed on."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


# A byte that must not stand in a field value that we send on (RFC 9110 5.5, stricter: no obs-text).
_PRINTABLE: Final = bytes(range(0x20, 0x7F))


def printable(value: bytes) -> bool:
    """Whether value may be put into a head as it is: visible ASCII and spaces only."""
    return not value.translate(None, _PRINTABLE)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK: Final = b"0\r\n\r\n"
