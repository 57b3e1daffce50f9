"""One client connection: its requests answered in order, each wait with a limit (RFC 9112).

What comes in is the reader's affair. Here is what goes out, and when patience ends: with a head, a
body, the pause between two requests, a client that does not read, one that has half-closed and may
be gone.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, cast

from gateway.errors import Code, GatewayError
from gateway.server.body import client_gone
from gateway.server.heads import Heads
from gateway.server.outlet import Outlet
from gateway.server.reading import MAX_PIPELINED, Door, Reader, Turn
from gateway.sweep import NEVER, Sweep

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
    heartbeat_s: float = 15  # of silence in a stream; 0: none is sent


@dataclass(slots=True, eq=False)
class Listening:
    """What the connections of one listening socket share."""

    door: Door
    settings: Settings = Settings()
    max_connections: int = 10_000
    sweep: Sweep = field(default_factory=lambda: Sweep(tick_s=0.25))
    connections: "set[Connection]" = field(default_factory=set)
    draining: bool = False
    heads: Heads = field(default_factory=Heads)
    crowded_out: int = 0  # connections refused because there were too many

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
    ENDING = auto()  # nothing more is understood; the client may still read


class Connection(asyncio.Protocol):
    write: Callable[[bytes], None]  # the transport's own, once there is one

    def __init__(self, listening: Listening) -> None:
        self._listening = listening
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._reader = Reader(listening.door, self, listening.heads)
        self._phase = _Phase.IDLE
        self._outlet: Outlet | None = None  # the answer being given
        self._answering: Turn | None = None
        self._task: asyncio.Task[None] | None = None
        self._read_paused = False
        self._write_paused = False  # the client does not read as fast as we write
        self._unsent = 0  # bytes, when last looked at
        self._said = -1  # bytes of the answer, when last looked at; -1 before
        self._half_closed = False
        self._probes = 0
        self._body_started_at = 0.0
        self.due_at = NEVER

    # ---- the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        listening = self._listening
        listening.connections.add(self)
        listening.sweep.watch(self)
        self.due_at = time.monotonic() + listening.settings.header_timeout_s
        crowd, most = len(listening.connections), listening.max_connections
        listening.crowded_out += crowd > most
        if crowd > most + max(8, most // 4):
            self._transport.abort()  # those who are being told why are too many already
        elif crowd > most or listening.draining:
            code = Code.DRAINING if listening.draining else Code.OVERLOADED
            self._reader.refuse(
                GatewayError(code, "no more connections are taken", retry_after_s=1)
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._listening.connections.discard(self)
        self._listening.sweep.forget(self)
        reader = self._reader
        for turn in (reader.current, self._answering):
            if turn is not None and turn.body is not None and not turn.whole:
                turn.body.fail(client_gone())
        reader.stop()
        if self._outlet is not None:
            self._outlet.lost()
        if self._task is not None:
            self._task.cancel()
        self._outlet = self._task = self._answering = None

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader.deaf:
            return
        reader.feed(data)
        if self._outlet is None and reader.partial:
            self._await_more()

    def eof_received(self) -> bool:
        """The client has closed its half. It may be gone; a write will tell."""
        reader = self._reader
        owed = self._outlet is not None or (bool(reader.turns) and reader.turns[0].ready)
        if not owed or (self._answering is not None and self._answering is reader.current):
            self._close(linger=False)
            return False
        reader.ended()
        self._half_closed = True
        self._probe()
        return not self._transport.is_closing()

    def pause_writing(self) -> None:
        self._write_paused = True
        self._unsent = self._transport.get_write_buffer_size()
        self.due_at = time.monotonic() + self._listening.settings.write_timeout_s
        if self._outlet is not None:
            self._outlet.block()
        elif self._phase is not _Phase.ENDING:
            self._phase = _Phase.IDLE  # what it may send next is not waited for now

    def resume_writing(self) -> None:
        self._write_paused = False
        outlet = self._outlet
        if outlet is not None:
            watched = self._half_closed or self._answering is self._reader.current
            self.due_at = time.monotonic() + (BODY_WINDOW_S if watched else self._listen_s)
            outlet.unblock()
        elif self._phase is _Phase.IDLE:
            self.due_at = time.monotonic() + self._listening.settings.keep_alive_s
            self._go_on()

    # ---- answering in order

    def proceed(self) -> None:
        """Begin the next answer, if it is its turn, the request is there, and the last is read."""
        turns = self._reader.turns
        if self._outlet is not None or not turns or self._write_paused:
            return
        turn = turns[0]
        if not turn.ready:
            self._go_ahead(turn)
            return
        turns.popleft()
        self._phase, self._said = _Phase.ANSWER, -1
        self.due_at = time.monotonic() + self._listen_s
        head = turn.head
        outlet = self._outlet = Outlet(
            self,
            keep=turn.keep and not self._listening.draining,
            chunked=turn.modern,
            bodiless=head is not None and head.method == b"HEAD",
        )
        self._answering = turn
        if turn.error is not None or turn.admitted is None:
            error = turn.error or GatewayError(Code.INTERNAL, "the request was not understood")
            self._listening.door.refuse(head, error, outlet)
            return
        if not turn.whole:
            self._go_ahead(turn)
            self._watch_body()
        body = turn.body or bytes(turn.held)
        work = turn.admitted.answer(body, outlet)
        if work is not None:
            self._task = asyncio.get_running_loop().create_task(work)
        if self._half_closed:
            self._probe()

    def _go_ahead(self, turn: Turn) -> None:
        if turn.expects:
            turn.expects = False
            self._transport.write(_CONTINUE)

    def answered(self, *, keep: bool) -> None:
        turn, self._answering = self._answering, None
        self._outlet = self._task = None
        reader, settings = self._reader, self._listening.settings
        whole = turn is not None and turn.whole
        if not (keep and whole) or (self._half_closed and not reader.turns):
            self._close(linger=not whole or reader.partial or bool(reader.turns))
            return
        self._phase = _Phase.IDLE
        wait_s = settings.write_timeout_s if self._write_paused else settings.keep_alive_s
        self.due_at = time.monotonic() + wait_s
        if reader.partial or reader.turns or self._read_paused:
            asyncio.get_running_loop().call_soon(self._go_on)

    def abort(self) -> None:
        self._transport.abort()

    def _go_on(self) -> None:
        """With what came while the last answer was given."""
        reader = self._reader
        if self._outlet is not None or self._transport.is_closing():
            return
        self.proceed()
        if len(reader.turns) < MAX_PIPELINED:
            self.resume_reading()
        if self._outlet is None and reader.partial:
            self._await_more()

    # ---- ending

    def drain(self) -> None:
        if self._phase is _Phase.IDLE and not self._reader.turns:
            self._close(linger=False)
        elif self._outlet is not None:
            self._outlet.last()

    def end_answer(self, error: GatewayError) -> None:
        """The exchange under way learns why it ends, and tells its client."""
        if self._outlet is not None and self._task is not None:
            self._outlet.reason = error
            self._task.cancel()

    def _close(self, *, linger: bool) -> None:
        """linger: bytes are still coming; a plain close would reset what the client is to read."""
        self._reader.stop()
        transport, settings = self._transport, self._listening.settings
        self._phase = _Phase.ENDING
        wait_s = settings.write_timeout_s
        if linger and not self._half_closed and not transport.is_closing():
            self._unsent = transport.get_write_buffer_size()
            self.resume_reading()
            transport.write_eof()
            if not self._unsent:
                wait_s = LINGER_S
        else:
            transport.close()
        self.due_at = time.monotonic() + wait_s

    # ---- waiting

    def _await_more(self) -> None:
        """A request is unfinished: from when does it count as late?"""
        reader = self._reader
        if reader.deaf or self._write_paused or (reader.turns and reader.turns[0].ready):
            return
        if reader.current is not None:
            if self._phase is not _Phase.BODY:
                self._phase = _Phase.BODY
                self._watch_body()
        elif self._phase is not _Phase.HEAD:
            self._phase = _Phase.HEAD
            self.due_at = time.monotonic() + self._listening.settings.header_timeout_s

    def _watch_body(self) -> None:
        self._reader.window = 0
        self._body_started_at = now = time.monotonic()
        self.due_at = now + min(self._listening.settings.body_timeout_s, BODY_WINDOW_S)

    def overdue(self, now: float) -> None:
        match self._phase:
            case _Phase.HEAD:
                self._too_slow("the request head came too slowly")
            case _Phase.BODY:
                self._check_pace(now)
            case _Phase.ANSWER:
                self._look_at_answer(now)
            case _Phase.IDLE | _Phase.ENDING:
                if not self._taking(now):
                    self.due_at = NEVER
                    self._transport.abort()

    def _look_at_answer(self, now: float) -> None:
        """The client does not read, has half-closed, or still sends what is being answered."""
        outlet = self._outlet
        self.due_at = NEVER
        if outlet is not None and self._write_paused:
            if not self._taking(now):
                outlet.reason = GatewayError(
                    Code.REQUEST_TIMEOUT, "the client did not read its answer"
                )
                self._transport.abort()
        elif self._half_closed:
            self._probe()
        elif self._answering is not None and self._answering is self._reader.current:
            self._check_pace(now)
        elif outlet is not None:
            self._listen(outlet, now)

    @property
    def _listen_s(self) -> float:
        """Until it is looked again whether a stream has fallen silent."""
        return self._listening.settings.heartbeat_s / 2 or NEVER

    def _listen(self, outlet: Outlet, now: float) -> None:
        """Two looks without a byte between them: the client is told that we are still there."""
        if outlet.bytes_sent == self._said:
            outlet.heartbeat()
            self._said = -1
        else:
            self._said = outlet.bytes_sent
        self.due_at = now + self._listen_s

    def _taking(self, now: float) -> bool:
        """Whether a client that leaves bytes unread at least takes some: then it may go on."""
        unsent = self._transport.get_write_buffer_size()
        taking = 0 < unsent < self._unsent
        self._unsent = unsent
        if taking:
            self.due_at = now + self._listening.settings.write_timeout_s
        return taking

    def _check_pace(self, now: float) -> None:
        timeout_s, reader = self._listening.settings.body_timeout_s, self._reader
        window_s = min(timeout_s, BODY_WINDOW_S)
        held = reader.current is not None and reader.current.body is None
        late = held and now - self._body_started_at >= timeout_s
        slow = reader.window < MIN_BODY_RATE * window_s * 0.9 and not self._read_paused
        if late or slow:
            self.due_at = NEVER
            self._too_slow("the request body came too slowly")
        else:
            reader.window = 0
            self.due_at = now + window_s

    def _too_slow(self, message: str) -> None:
        self._reader.refuse(GatewayError(Code.REQUEST_TIMEOUT, message))

    def _probe(self) -> None:
        """A closed client answers a write with a reset, a half-closed one reads past it.

        One that speaks HTTP/1.0 takes no 100: it is held to be gone, as proxies of old close.
        """
        outlet, turn = self._outlet, self._answering
        if outlet is None or outlet.finished or self._write_paused:
            return
        if outlet.started:
            if not outlet.comment():
                return  # its parts are what tells
        elif turn is not None and turn.modern:
            self._transport.write(_CONTINUE)
        else:
            self._transport.abort()
            return
        self.due_at = time.monotonic() + PROBES_S[min(self._probes, len(PROBES_S) - 1)]
        self._probes += 1

    def pause_reading(self) -> None:
        if not self._read_paused and not self._transport.is_closing():
            self._read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._read_paused and not self._transport.is_closing():
            self._read_paused = False
            self._transport.resume_reading()
