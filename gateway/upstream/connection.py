"""One connection to a backend: HTTP/1.1 read strictly, one answer at a time (RFC 9112).

No byte of one answer ever reaches another request: whatever comes when nothing is expected, or
after an answer's end, costs the connection.
"""

import asyncio
from typing import Final, Protocol, cast

import httptools

from gateway.errors import Code
from gateway.sweep import NEVER
from gateway.upstream.reply import Reply
from gateway.wire.http import Headers

MAX_HEAD: Final = 64 * 1024  # bytes of an answer's head
MAX_LINES: Final = 200
MAX_INTERIM: Final = 8  # 1xx answers before the real one
WRITE_HIGH: Final = 128 * 1024
_FRAMING: Final = (b"content-length", b"transfer-encoding")


class Home(Protocol):
    """The pool, as far as a connection needs it."""

    def idle(self, connection: "Connection") -> None: ...
    def gone(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    def __init__(self, home: Home) -> None:
        self._home = home
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._headers: Headers = []
        self._head_bytes = 0
        self._interim = 0
        self._status = 0
        self._until_close = False
        self._fault: Code | None = None
        self._room: asyncio.Future[None] | None = None
        self._paused = False
        self.alive = False
        self.uses = 0  # answers begun on it
        self.due_at = NEVER  # when it has been idle for too long

    # ---- for the pool and the reply

    def send(self, reply: Reply, data: bytes) -> None:
        self._reply = reply
        self.uses += 1
        self._head_bytes = self._interim = 0
        reply.carrier = self
        self._transport.write(data)

    async def write(self, data: bytes) -> None:
        """More of a request's body, at the backend's pace."""
        if not self.alive:
            return
        self._transport.write(data)
        while self._room is not None:
            await asyncio.shield(self._room)

    def pause(self) -> None:
        if self.alive and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self.alive and self._paused:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.carrier = None
        if self.alive:
            self.alive = False
            self._transport.abort()
            self._home.gone(self)

    def close(self) -> None:
        if self.alive:
            self.alive = False
            self._transport.close()
            self._home.gone(self)

    def overdue(self, now: float) -> None:
        self.due_at = NEVER
        self.close()

    # ---- the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self.alive = True

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:
            self.abort()
            return
        reply.touched = True
        if not reply.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fault = Code.PROTOCOL_ERROR
        if self._fault is not None:
            fault, self._fault = self._fault, None
            if reply.complete:  # something followed the answer: it stands, the connection does not
                self.abort()
                reply.flush()
            else:
                self._reply = reply
                reply.fail(fault)
        elif not reply.status and self._head_bytes > MAX_HEAD:
            reply.fail(Code.PROTOCOL_ERROR)
        else:
            reply.flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        was_alive, self.alive = self.alive, False
        reply, self._reply = self._reply, None
        self.resume_writing()
        if was_alive:
            self._home.gone(self)
        if reply is not None:
            reply.carrier = None
            if self._until_close and exc is None and reply.status:
                reply.complete = True
                reply.flush()
            else:
                reply.fail(Code.UPSTREAM_RESET)

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    # ---- llhttp's calls

    def on_message_begin(self) -> None:
        self._headers = []
        if self._reply is None:
            self._fault = Code.PROTOCOL_ERROR

    def on_header(self, name: bytes, value: bytes) -> None:
        reply = self._reply
        if reply is None or reply.status:
            return  # trailers are read past; llhttp bounds them by what one read can hold
        self._headers.append((name.lower(), value))
        if len(self._headers) > MAX_LINES:
            self._fault = Code.PROTOCOL_ERROR

    def on_headers_complete(self) -> None:
        self._status = status = self._parser.get_status_code()
        reply = self._reply
        if reply is None:
            return
        if status < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM or status < 100 or status == 101:
                self._fault = Code.PROTOCOL_ERROR
            return
        framings = 0
        for name, value in self._headers:
            if name in _FRAMING:
                framings += 1
                if name == b"transfer-encoding" and value.lower() != b"chunked":
                    self._fault = Code.PROTOCOL_ERROR
            elif name == b"content-encoding" and value.lower() != b"identity":
                self._fault = Code.BAD_RESPONSE  # identity is all we asked for: nothing inflates
        if framings > 1 or status > 599:
            self._fault = Code.PROTOCOL_ERROR
        self._until_close = not framings and status not in (204, 304)
        if self._fault is None:
            reply.begun(status, self._headers)

    def on_body(self, data: bytes) -> None:
        if self._reply is not None:
            self._reply.append(data)

    def on_message_complete(self) -> None:
        reply = self._reply
        if reply is None or self._status < 200 or self._fault is not None:
            return
        self._reply = None
        reply.complete = True
        reply.carrier = None
        if self._paused:
            self.resume()
        if self._parser.should_keep_alive() and not self._until_close:
            self._home.idle(self)
        else:
            self.close()
