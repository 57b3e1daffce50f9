"""One connection to a backend: HTTP/1.1 read strictly, one answer at a time (RFC 9112).

No byte of one answer ever reaches another request: whatever comes when nothing is expected, or
after an answer's end, costs the connection.
"""

import asyncio
import select
from typing import Final, Protocol, cast

import httptools

from gateway.errors import Code
from gateway.sweep import NEVER
from gateway.upstream.reply import Reply
from gateway.wire.http import Headers

MAX_BARE: Final = 64 * 1024  # bytes of an answer without any of its body: head, trailers
MAX_LINES: Final = 200
MAX_INTERIM: Final = 8  # 1xx answers before the real one
WRITE_HIGH: Final = 128 * 1024
_FRAMING: Final = (b"content-length", b"transfer-encoding")
_VERSIONS: Final = ("1.1", "1.0")


class Home(Protocol):
    """The pool, as far as a connection needs it."""

    def opened(self, connection: "Connection") -> None: ...
    def idle(self, connection: "Connection") -> None: ...
    def gone(self, connection: "Connection") -> None: ...


# All connections of a process read into this, one after the other: what is read is parsed at once.
# A reader's own buffer may be of 256 kB, and all of it would have to go to a client that stalls.
_READ: Final = memoryview(bytearray(32 * 1024))


class Connection(asyncio.BufferedProtocol):
    def __init__(self, home: Home) -> None:
        self._home = home
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._body: list[bytes] = []  # of the read that is being parsed
        self.on_body = self._body.append  # llhttp's call, and there may be one for each event
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._headers: Headers = []
        self._bare = 0
        self._interim = 0
        self._status = 0
        self._until_close = False
        self._fault: Code | None = None
        self._room: asyncio.Future[None] | None = None
        self._paused = False
        self._owes = False  # the request's body is still on its way
        self._news = select.poll()
        self.alive = False
        self.uses = 0  # answers begun on it
        self.due_at = NEVER  # when an answer, or being asked again, takes too long

    # ---- for the pool and the reply

    @property
    def quiet(self) -> bool:
        """Nothing has come since its last answer: no end, no byte that nobody asked for.

        The kernel is asked (0.25 µs), for what has come but was not read yet.
        """
        return self.alive and not self._news.poll(0)

    def send(self, reply: Reply, data: bytes, due_at: float, *, more: bool = False) -> None:
        """more: the rest of the request follows by write(), and sent() says that it was all."""
        if not self.alive:  # it was lost between being made and being used
            reply.fail(Code.UPSTREAM_RESET)
            return
        self._reply = reply
        self._owes = more
        self.due_at = due_at
        self.uses += 1
        self._bare = self._interim = 0
        reply.carrier = self
        self._transport.write(data)

    async def write(self, data: bytes) -> None:
        """More of a request's body, at the backend's pace."""
        if not self.alive:
            return
        self._transport.write(data)
        while self._room is not None:
            await asyncio.shield(self._room)

    def sent(self) -> None:
        self._owes = False

    def pause(self) -> None:
        if self.alive and not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self.alive and self._paused and not self._transport.is_closing():
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
        if self._reply is None:
            self.close()
        else:
            self._reply.overdue(now)

    # ---- the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._news.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self.alive = True
        self._home.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _READ

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(_READ[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        reply = self._reply
        if reply is None:
            self.abort()
            return
        reply.touched = True
        held = reply.held
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fault = Code.PROTOCOL_ERROR
        body = self._body
        if body and self._reply is reply and self._fault is None:
            more = body[0] if len(body) == 1 else b"".join(body)
            body.clear()
            reply.arrived(more)
        else:
            self._end_read(reply, bare=0 if reply.held != held else len(data))

    def _end_read(self, reply: Reply, *, bare: int) -> None:
        """A read that brought no more of a body that goes on: the answer's head, end, or a fault.

        bare: its bytes, if none was of the body.
        """
        if self._body:
            if self._reply is reply:
                self._hand_over(reply)
            else:
                self._body.clear()  # of an answer that nobody asked for
        self._bare += bare
        if self._bare > MAX_BARE:
            self._fault = Code.PROTOCOL_ERROR
        if self._fault is None:
            reply.flush()
            return
        fault, self._fault = self._fault, None
        if reply.complete:  # something followed the answer: it stands, the connection does not
            self.abort()
            reply.flush()
        else:
            self._reply = reply
            reply.fail(fault)

    def _hand_over(self, reply: Reply) -> None:
        """What llhttp has gathered of the body is the reply's."""
        body = self._body
        reply.append(body[0] if len(body) == 1 else b"".join(body))
        body.clear()

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
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._status = status = self._parser.get_status_code()
        headers, self._headers = self._headers, []  # what follows are trailers: nobody reads them
        reply = self._reply
        if reply is None:
            return
        if len(headers) > MAX_LINES:
            self._fault = Code.PROTOCOL_ERROR
        if status < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM or status < 100 or status == 101:
                self._fault = Code.PROTOCOL_ERROR
            return
        if status > 599 or self._parser.get_http_version() not in _VERSIONS:
            self._fault = Code.PROTOCOL_ERROR
        framed = self._framed(headers)
        self._until_close = not framed and status not in (204, 304)
        if self._fault is None:
            reply.begun(status, headers)

    def _framed(self, headers: Headers) -> bool:
        """Whether the head says where its body ends; sets the fault if that can be read twice."""
        framings = 0
        for name, value in headers:
            if name in _FRAMING:
                framings += 1
                if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                    self._fault = Code.PROTOCOL_ERROR
            elif name == b"content-encoding" and value.strip().lower() != b"identity":
                self._fault = Code.BAD_RESPONSE  # identity is all we asked for: nothing inflates
        if framings > 1:
            self._fault = Code.PROTOCOL_ERROR
        return framings > 0

    def on_message_complete(self) -> None:
        reply = self._reply
        if reply is None or self._status < 200 or self._fault is not None:
            return
        if self._body:
            self._hand_over(reply)
        self._reply = None
        reply.complete = True
        reply.carrier = None
        if self._paused:
            self.resume()
        if self._owes:
            self.abort()  # what it would read next is the rest of this request
        elif self._parser.should_keep_alive() and not self._until_close:
            self._home.idle(self)
        else:
            self.close()
