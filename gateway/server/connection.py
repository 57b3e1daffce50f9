"""One client connection: HTTP/1.1 read strictly, exchanges answered in order (RFC 9112).

llhttp frames the bytes, `framing` refuses what can be read in two ways, the door knows what a
request means. Every wait has a limit: the head, the body, the pause between two requests, a client
that does not read, one that has half-closed and may be gone.
"""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Protocol, cast

import httptools

from gateway.errors import Code, GatewayError
from gateway.server import framing
from gateway.server.body import Body, client_gone
from gateway.server.outlet import Outlet
from gateway.sweep import NEVER, Sweep
from gateway.wire.http import Headers, RequestHead

MAX_PIPELINED: Final = 32  # requests read ahead of their turn
MAX_SKIPPED: Final = 64 * 1024  # bytes of a refused request's body worth reading to keep alive
WRITE_HIGH: Final = 64 * 1024  # bytes unsent before a stream's source is held back
BODY_WINDOW_S: Final = 5.0  # a body's pace is looked at this often
MIN_BODY_RATE: Final = 1024  # bytes a second
LINGER_S: Final = 2.0  # reading on after a refusal, so that the client gets to see it
PROBES_S: Final = (0.1, 0.4, 5.0)  # pauses between looks whether a half-closed client is there
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Settings:
    header_timeout_s: float = 10
    body_timeout_s: float = 30
    keep_alive_s: float = 75
    write_timeout_s: float = 60


class Admitted(Protocol):
    """What the door made of a head: how the body is to be read, and what then answers."""

    @property
    def buffered(self) -> bool: ...  # False: the body is handed on as it comes
    @property
    def max_body_bytes(self) -> int: ...

    def answer(self, body: bytes | Body, outlet: Outlet) -> Coroutine[object, object, None]:
        """Finishes outlet in every case but cancellation: then the client has left. Never raises.

        body is bytes if buffered, else a Body.
        """


class Door(Protocol):
    """What stands behind the way in."""

    def admit(self, head: RequestHead) -> Admitted:
        """Before the body is read. Raises GatewayError."""

    def refuse(self, head: RequestHead | None, error: GatewayError, outlet: Outlet) -> None:
        """Tells the client in its own dialect. Finishes outlet."""


@dataclass(slots=True, eq=False)
class Listening:
    """What the connections of one listening socket share."""

    door: Door
    settings: Settings = Settings()
    max_connections: int = 10_000
    sweep: Sweep = field(default_factory=lambda: Sweep(tick_s=0.25))
    connections: "set[Connection]" = field(default_factory=set)
    draining: bool = False

    def __call__(self) -> "Connection":
        return Connection(self)

    def drain(self) -> None:
        """Idle connections close now, busy ones behind the answer that they are giving."""
        self.draining = True
        for connection in list(self.connections):
            connection.drain()

    def end_answers(self) -> None:
        """What still goes on is told to be over."""
        for connection in list(self.connections):
            connection.end_answer(GatewayError(Code.DRAINING, "the gateway is stopping"))


class _Phase(Enum):
    IDLE = auto()  # between requests
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    LINGER = auto()  # nothing more is understood; the client may still read


class _Turn:
    """One request on its way in."""

    __slots__ = (
        "admitted",
        "body",
        "error",
        "expects",
        "head",
        "keep",
        "parts",
        "size",
        "skips",
        "whole",
    )

    def __init__(self) -> None:
        self.head: RequestHead | None = None
        self.admitted: Admitted | None = None
        self.error: GatewayError | None = None
        self.body: Body | None = None
        self.parts: list[bytes] = []
        self.size = 0
        self.whole = False  # the body has been read to its end
        self.keep = False  # the connection may serve another request after this one
        self.skips = False  # refused, but its body is short: read past it first
        self.expects = False  # 100-continue

    @property
    def ready(self) -> bool:
        return self.whole or self.body is not None or (self.error is not None and not self.skips)


class Connection(asyncio.Protocol):
    def __init__(self, listening: Listening) -> None:
        self._listening = listening
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._parser = httptools.HttpRequestParser(self)
        self._phase = _Phase.IDLE
        self._url = b""
        self._headers: Headers = []
        self._head_bytes = 0
        self._reading: _Turn | None = None  # its body is still coming
        self._turns: deque[_Turn] = deque()  # read, or being read, not yet answered
        self._outlet: Outlet | None = None  # the answer being given
        self._answering: _Turn | None = None
        self._task: asyncio.Task[None] | None = None
        self._read_paused = False
        self._deaf = False  # what came was no HTTP: nothing more is read
        self._probes = 0
        self._half_closed = False
        self._body_started_at = 0.0
        self._window = 0  # bytes of the body in this window
        self.due_at = NEVER

    # ---- the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        listening = self._listening
        listening.connections.add(self)
        listening.sweep.watch(self)
        self.due_at = time.monotonic() + listening.settings.header_timeout_s
        if len(listening.connections) > listening.max_connections or listening.draining:
            code = Code.DRAINING if listening.draining else Code.OVERLOADED
            self._refuse(GatewayError(code, "no more connections are taken", retry_after_s=1))

    def connection_lost(self, exc: Exception | None) -> None:
        self._listening.connections.discard(self)
        self._listening.sweep.forget(self)
        self._turns.clear()
        for turn in (self._reading, self._answering):
            if turn is not None and turn.body is not None and not turn.whole:
                turn.body.fail(client_gone())
        if self._outlet is not None:
            self._outlet.lost()
        if self._task is not None:
            self._task.cancel()
        self._outlet = self._task = self._answering = self._reading = None

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        reading = self._reading
        if reading is None:
            self._head_bytes += len(data)
        else:
            self._window += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserInvalidMethodError:
            self._refuse(
                GatewayError(
                    Code.METHOD_NOT_ALLOWED, "unknown method", headers=b"allow: GET, POST\r\n"
                )
            )
        except httptools.HttpParserUpgrade:
            self._refuse(GatewayError(Code.BAD_HEADER, "upgrade is not offered here"))
        except httptools.HttpParserError as error:
            self._refuse(GatewayError(Code.BAD_FRAMING, f"not HTTP/1.1: {_words(error)}"))
        if self._reading is None and self._head_bytes > framing.MAX_HEAD:
            self._refuse(framing.too_large())
        elif self._outlet is None:
            self._await_more()

    def eof_received(self) -> bool:
        """The client has closed its half. It may be gone; a write will tell."""
        if self._phase is not _Phase.ANSWER or self._reading is not None:
            return False
        self._half_closed = True
        self._probe()
        return not self._transport.is_closing()

    def pause_writing(self) -> None:
        self.due_at = time.monotonic() + self._listening.settings.write_timeout_s
        if self._outlet is not None:
            self._outlet.block()

    def resume_writing(self) -> None:
        if self._phase is _Phase.ANSWER:
            self.due_at = NEVER
        if self._outlet is not None:
            self._outlet.unblock()

    # ---- llhttp's calls

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading is None and len(self._headers) <= framing.MAX_LINES:
            self._headers.append((name.lower(), value))  # trailers are read past

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        parser = self._parser
        turn = _Turn()
        try:
            turn.head = head = framing.head(
                parser.get_method(), self._url, parser.get_http_version(), self._headers
            )
            turn.expects = framing.expects_continue(head)
            turn.admitted = admitted = self._listening.door.admit(head)
            if head.length is not None and head.length > admitted.max_body_bytes:
                raise _too_large(admitted)
            if not admitted.buffered:
                turn.body = Body(self._pause_reading, self._resume_reading)
        except GatewayError as error:
            turn.error = error
            length = None if turn.head is None else turn.head.length
            # A short body is read past, so that a mistaken client keeps its connection.
            turn.skips = length is not None and length <= MAX_SKIPPED and not turn.expects
        self._reading = turn
        self._turns.append(turn)
        if turn.body is not None or turn.error is not None:
            self._next()
        elif turn.expects and self._outlet is None and len(self._turns) == 1:
            self._transport.write(_CONTINUE)

    def on_body(self, data: bytes) -> None:
        turn = self._reading
        if turn is None or self._deaf:
            return
        turn.size += len(data)
        if turn.error is not None:
            return
        admitted = turn.admitted
        if admitted is not None and turn.size > admitted.max_body_bytes:
            error = _too_large(admitted)
            if turn.body is not None:
                turn.body.fail(error)
                return
            turn.parts.clear()
            turn.error = error
            self._next()
        elif turn.body is not None:
            turn.body.feed(data)
        else:
            turn.parts.append(data)

    def on_message_complete(self) -> None:
        turn, self._reading = self._reading, None
        if turn is None or self._deaf:
            return
        self._head_bytes = 0
        turn.whole = True
        turn.keep = self._parser.should_keep_alive()
        if turn.body is not None:
            turn.body.end()
        if len(self._turns) >= MAX_PIPELINED:
            self._pause_reading()
        if self._outlet is None:
            self._next()

    # ---- answering in order

    def _next(self) -> None:
        """Begin the next answer, if it is its turn and the request is there."""
        if self._outlet is not None or not self._turns:
            return
        turn = self._turns[0]
        if not turn.ready:
            if turn.expects and turn.error is None:
                self._transport.write(_CONTINUE)
            return
        self._turns.popleft()
        self._phase, self.due_at = _Phase.ANSWER, NEVER
        head = turn.head
        modern = head is not None and self._parser.get_http_version() == "1.1"
        outlet = self._outlet = Outlet(
            self,
            keep=turn.keep and not self._listening.draining,
            chunked=modern,
            bodiless=head is not None and head.method == b"HEAD",
        )
        self._answering = turn
        if turn.error is not None or turn.admitted is None:
            error = turn.error or GatewayError(Code.INTERNAL, "the request was not understood")
            self._listening.door.refuse(head, error, outlet)
            return
        if turn.expects and not turn.whole:
            self._transport.write(_CONTINUE)
        if turn.body is not None and not turn.whole:
            self._watch_body()
        parts = turn.parts
        body = turn.body or (parts[0] if len(parts) == 1 else b"".join(parts))
        self._task = asyncio.get_running_loop().create_task(turn.admitted.answer(body, outlet))

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def answered(self, *, keep: bool) -> None:
        turn, self._answering = self._answering, None
        self._outlet = self._task = None
        whole = turn is not None and turn.whole
        if not (keep and whole) or (self._half_closed and not self._turns):
            self._close(linger=not whole)
            return
        self._phase = _Phase.IDLE
        self.due_at = time.monotonic() + self._listening.settings.keep_alive_s
        if self._turns or self._read_paused:
            asyncio.get_running_loop().call_soon(self._go_on)

    def abort(self) -> None:
        self._transport.abort()

    def _go_on(self) -> None:
        if self._phase is _Phase.IDLE and not self._transport.is_closing():
            self._next()
            if len(self._turns) < MAX_PIPELINED:
                self._resume_reading()
            if self._outlet is None and self._listening.draining:
                self._close(linger=False)

    # ---- ending

    def drain(self) -> None:
        if self._phase is _Phase.IDLE and not self._turns:
            self._close(linger=False)
        elif self._outlet is not None:
            self._outlet.last()

    def end_answer(self, error: GatewayError) -> None:
        """The exchange under way learns why it ends, and tells its client."""
        if self._outlet is not None and self._task is not None:
            self._outlet.reason = error
            self._task.cancel()

    def _refuse(self, error: GatewayError) -> None:
        """What came is no HTTP, or came too slowly: say so behind what is owed, and close."""
        if self._deaf:
            return
        self._deaf = True
        reading, self._reading = self._reading, None
        if reading is not None and reading.body is not None:
            reading.body.fail(error)  # its exchange has begun, and tells
        if reading is not None and reading is self._answering:
            return
        if reading is not None and reading in self._turns:
            self._turns.remove(reading)
        turn = _Turn()
        turn.error = error
        self._turns.append(turn)
        self._next()

    def _close(self, *, linger: bool) -> None:
        """linger: bytes are still coming; a plain close would reset what the client is to read."""
        self._deaf = True
        self._turns.clear()
        if linger and not self._half_closed and self._transport.can_write_eof():
            self._phase = _Phase.LINGER
            self.due_at = time.monotonic() + LINGER_S
            self._resume_reading()
            self._transport.write_eof()
        else:
            self._transport.close()

    # ---- waiting

    def _await_more(self) -> None:
        """A request is unfinished: from when does it count as late?"""
        if self._reading is not None:
            if self._phase is not _Phase.BODY:
                self._phase = _Phase.BODY
                self._watch_body()
        elif self._phase is not _Phase.HEAD:
            self._phase = _Phase.HEAD
            self.due_at = time.monotonic() + self._listening.settings.header_timeout_s

    def _watch_body(self) -> None:
        self._window = 0
        self._body_started_at = now = time.monotonic()
        self.due_at = now + min(self._listening.settings.body_timeout_s, BODY_WINDOW_S)

    def overdue(self, now: float) -> None:
        match self._phase:
            case _Phase.HEAD:
                self._refuse(GatewayError(Code.REQUEST_TIMEOUT, "the request head came too slowly"))
            case _Phase.BODY:
                self._check_pace(now)
            case _Phase.ANSWER if self._half_closed:
                self._probe()
            case _Phase.ANSWER:
                self._look_at_answer(now)
            case _Phase.IDLE | _Phase.LINGER:
                self.due_at = NEVER
                self._transport.abort()

    def _look_at_answer(self, now: float) -> None:
        """The client does not read its answer, or a streamed upload is still coming."""
        outlet = self._outlet
        if outlet is not None and outlet.blocked:
            outlet.reason = GatewayError(Code.REQUEST_TIMEOUT, "the client did not read its answer")
            self._transport.abort()
        elif self._reading is not None and self._reading.body is not None:
            self._check_pace(now)
        else:
            self.due_at = NEVER

    def _check_pace(self, now: float) -> None:
        timeout_s, turn = self._listening.settings.body_timeout_s, self._reading
        window_s = min(timeout_s, BODY_WINDOW_S)
        late = turn is not None and turn.body is None and now - self._body_started_at >= timeout_s
        slow = self._window < MIN_BODY_RATE * window_s * 0.9 and not self._read_paused
        if late or slow:
            self.due_at = NEVER
            self._refuse(GatewayError(Code.REQUEST_TIMEOUT, "the request body came too slowly"))
        else:
            self._window = 0
            self.due_at = now + window_s

    def _probe(self) -> None:
        """A closed client answers a write with a reset, a half-closed one reads past it."""
        outlet = self._outlet
        if outlet is None or outlet.finished:
            return
        if not outlet.started and self._parser.get_http_version() == "1.1":
            self._transport.write(_CONTINUE)
        elif not (outlet.started and outlet.comment()):
            self._transport.abort()
            return
        self.due_at = time.monotonic() + PROBES_S[min(self._probes, len(PROBES_S) - 1)]
        self._probes += 1

    def _pause_reading(self) -> None:
        if not self._read_paused and not self._transport.is_closing():
            self._read_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._read_paused and not self._transport.is_closing():
            self._read_paused = False
            self._transport.resume_reading()


def _too_large(admitted: Admitted) -> GatewayError:
    limit = admitted.max_body_bytes
    return GatewayError(Code.BODY_TOO_LARGE, f"the request body is larger than {limit} bytes")


def _words(error: Exception) -> str:
    """llhttp's reason, which never repeats what the client sent."""
    return str(error).splitlines()[0][:120]
