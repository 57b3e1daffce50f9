"""AWS's binary event stream without I/O: each message has its lengths, checksums, headers, payload.

Source: smithy.io/2.0/aws/amazon-eventstream.html, 2026-11.
"""

import struct
from collections.abc import Iterator
from typing import Final
from zlib import crc32

import msgspec

MAX_MESSAGE: Final = 1 << 20  # bytes; AWS itself allows 24 MB, no model's event comes near
MAX_HEADERS: Final = 1 << 17  # bytes, as AWS has it

_MAX_KNOWN: Final = 16

_PRELUDE: Final = struct.Struct("!III")  # of the whole, of the headers, checksum of these two
_WORD: Final = struct.Struct("!I")
_SHORT: Final = struct.Struct("!H")
_STRING: Final = 7  # the kind of header that events have
_BYTES: Final = 6
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # bytes of the other kinds


class EventStreamError(ValueError):
    """The peer broke the framing, or a checksum does not hold. too_large: a message was."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


class Message(msgspec.Struct, frozen=True, gc=False):
    headers: dict[bytes, bytes]  # those that are strings
    payload: bytes


class EventStreamReader:
    """Bytes in, in any cutting; whole messages out."""

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self._limit = limit
        self._rest = b""
        self._known: dict[bytes, dict[bytes, bytes]] = {}  # headers come again and again

    @property
    def between(self) -> bool:
        """Between two messages."""
        return not self._rest

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Each message that chunk completes. Raises EventStreamError; then it is of no more use.

        To be drawn to its end before the next call.
        """
        data = self._rest + chunk if self._rest else chunk
        at = 0
        while len(data) - at >= _PRELUDE.size:
            total, headers, check = _PRELUDE.unpack_from(data, at)
            self._check(data[at : at + 8], total, headers, check)
            if len(data) - at < total:
                break
            end = at + total
            (whole,) = _WORD.unpack_from(data, end - 4)
            if crc32(data[at : end - 4]) != whole:
                raise EventStreamError("a message's checksum does not hold")
            begin = at + _PRELUDE.size
            at = end
            yield Message(
                self._headers(data[begin : begin + headers]), data[begin + headers : end - 4]
            )
        self._rest = data[at:]

    def _headers(self, data: bytes) -> dict[bytes, bytes]:
        headers = self._known.get(data)
        if headers is None:
            headers = _headers(data)
            if len(self._known) < _MAX_KNOWN:
                self._known[data] = headers
        return headers

    def _check(self, lengths: bytes, total: int, headers: int, check: int) -> None:
        if crc32(lengths) != check:
            raise EventStreamError("a prelude's checksum does not hold")
        if total > self._limit or headers > MAX_HEADERS:
            raise EventStreamError(f"a message is larger than {self._limit} bytes", too_large=True)
        if total < headers + _PRELUDE.size + _WORD.size:
            raise EventStreamError("a message is shorter than its headers")


def _headers(data: bytes) -> dict[bytes, bytes]:
    """The headers that are strings; others have no say in models' streams."""
    found: dict[bytes, bytes] = {}
    at = 0
    try:
        while at < len(data):
            name = data[at + 1 : at + 1 + data[at]]
            at += 1 + len(name)
            kind = data[at]
            at += 1
            if kind in (_STRING, _BYTES):
                (size,) = _SHORT.unpack_from(data, at)
                at += 2
            else:
                size = _FIXED[kind]
            if kind == _STRING:
                found[name] = data[at : at + size]
            at += size
    except (IndexError, KeyError, struct.error):
        raise EventStreamError("a message's headers are not of the form") from None
    if at != len(data):
        raise EventStreamError("a message's headers are not of the form")
    return found


def encode(message: Message) -> bytes:
    """The bytes of a message whose headers are all strings."""
    headers = b"".join(
        b"%c%b%c%b%b" % (len(name), name, _STRING, _SHORT.pack(len(value)), value)
        for name, value in message.headers.items()
    )
    lengths = struct.pack("!II", 16 + len(headers) + len(message.payload), len(headers))
    whole = b"%b%b%b%b" % (lengths, _WORD.pack(crc32(lengths)), headers, message.payload)
    return whole + _WORD.pack(crc32(whole))
