"""The client's side of one exchange: where its answer is written, whole or as it comes.

An outlet outlives nothing: once ended, cut or left by the client, it swallows what is written.
"""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final, Protocol

import msgspec

from gateway.errors import GatewayError
from gateway.wire.http import LAST_CHUNK, STATUS_LINES, status_line


class Source(Protocol):
    """What an answer is drawn from: held back while the client does not read."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Writer(Protocol):
    """The connection, as far as an outlet needs it."""

    @property
    def write(self) -> Callable[[bytes], None]: ...
    def answered(self, *, keep: bool) -> None: ...
    def abort(self) -> None: ...


class _Date:
    """The date line, made once a second (RFC 9110 6.6.1)."""

    __slots__ = ("line", "second")

    def __init__(self) -> None:
        self.second = 0
        self.line = b""

    def now(self) -> bytes:
        second = int(time.time())
        if second != self.second:
            self.second = second
            self.line = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self.line


_DATE: Final = _Date()
_CLOSE: Final = b"connection: close\r\n"
_KEEP: Final = b"connection: keep-alive\r\n"  # HTTP/1.0 closes unless told otherwise


class Voice(Protocol):
    """How an error is told where events have begun, in the client's language."""

    def error_event(self, error: GatewayError) -> bytes: ...


class _Mute:
    def error_event(self, error: GatewayError) -> bytes:
        return b""


_MUTE: Final = _Mute()


class Outlet(msgspec.Struct, eq=False):
    writer: Writer
    keep: bool  # the connection, behind this answer
    chunked: bool  # False for HTTP/1.0: the end of the connection ends the answer
    bodiless: bool  # HEAD
    started: bool = False  # the head is out: no other answer is possible
    finished: bool = False
    blocked: bool = False  # the client does not read fast enough
    reason: GatewayError | None = None  # why the gateway itself ends it, where it does
    events: bool = False  # a stream of server-sent events: a comment may be slipped in
    beat: bytes = b":\n\n"  # what may be slipped in, in the client's language
    promised: bytes = b""  # header lines of a stream that may be begun before its first content
    voice: Voice = _MUTE
    bytes_sent: int = 0
    source: Source | None = None
    _sized: bool = False  # the head has told the length: no chunks
    _head: bytes = b""  # begun, waiting to travel with the first bytes
    _room: asyncio.Future[None] | None = None

    # ---- writing

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """The complete answer in one write. headers are ready lines; framing is added here."""
        if self.finished or self.started:
            return
        self.started = True
        self.bytes_sent = len(body)
        head = b"%b%b%b%bcontent-length: %d\r\n\r\n" % (
            STATUS_LINES.get(status) or status_line(status),
            _DATE.now(),
            headers,
            b"" if self.keep and self.chunked else self._connection(),
            len(body),
        )
        self.writer.write(head if self.bodiless else head + body)
        self._finish(keep=self.keep)

    def begin(self, status: int, headers: bytes, length: int | None = None) -> None:
        """The head of an answer that comes in parts; it travels with the first of them.

        length: bytes of the body where it is known, None for chunks.
        """
        self.started = True
        if status == 204:  # it has no body, and no word about one (RFC 9110 8.6)
            self.bodiless, framing = True, b""
        elif length is not None:
            self._sized = True
            framing = b"content-length: %d\r\n" % length
        elif self.chunked:
            framing = b"transfer-encoding: chunked\r\n"
        else:
            self.keep = False
            framing = b""
        self._head = b"%b%b%b%b%b\r\n" % (
            status_line(status),
            _DATE.now(),
            headers,
            framing,
            self._connection(),
        )

    def _connection(self) -> bytes:
        """How the connection goes on, where the client's version does not say so by itself."""
        if not self.keep:
            return _CLOSE
        return b"" if self.chunked else _KEEP

    def push(self, data: bytes) -> None:
        """More of the answer, in one write; b"" sends a head that still waits."""
        if self.finished:
            return
        head, self._head = self._head, b""
        self.bytes_sent += len(data)
        if not data or self.bodiless:
            if head:
                self.writer.write(head)
        elif self.chunked and not self._sized:
            self.writer.write(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        else:
            self.writer.write(head + data if head else data)

    def end(self, data: bytes = b"", *, keep: bool = True) -> None:
        """The last of the answer; without keep the connection closes behind it."""
        if self.finished:
            return
        head, self._head = self._head, b""
        self.bytes_sent += len(data)
        if self.bodiless:
            last = head
        elif self._sized or not self.chunked:
            last = head + data
        elif data:
            last = b"%b%x\r\n%b\r\n%b" % (head, len(data), data, LAST_CHUNK)
        else:
            last = head + LAST_CHUNK
        if last:
            self.writer.write(last)
        self._finish(keep=keep and self.keep)

    def comment(self) -> bool:
        """Slips a comment into a stream of events, if this is one."""
        if self.events and not self.finished:
            self.push(self.beat)
            return True
        return False

    def heartbeat(self) -> bool:
        """The same, and begins a stream that is promised: its client would else be cut off."""
        if self.promised and not self.started:
            self.begin(200, self.promised)
            self.events = True
        return self.comment()

    def last(self) -> None:
        """The connection ends behind this answer."""
        self.keep = False

    def cut(self) -> None:
        """End the connection so that nobody takes what came for the whole answer."""
        if not self.finished:
            self.finished = True
            self._wake()
            self.writer.abort()

    def _finish(self, *, keep: bool) -> None:
        self.finished = True
        if self._room is not None:
            self._wake()
        self.writer.answered(keep=keep)

    # ---- back-pressure

    async def drained(self) -> None:
        """Returns once the client has room for more, or is gone."""
        if self.blocked and not self.finished:
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._room)

    def block(self) -> None:
        self.blocked = True
        if self.source is not None:
            self.source.pause()

    def unblock(self) -> None:
        self.blocked = False
        self._wake()
        if self.source is not None:
            self.source.resume()

    def draw_from(self, source: Source) -> None:
        """Couples source to the client's pace from now on."""
        self.source = source
        if self.blocked:
            source.pause()

    def lost(self) -> None:
        """The client is gone: nothing more is written."""
        self.finished = True
        self._wake()

    def _wake(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
