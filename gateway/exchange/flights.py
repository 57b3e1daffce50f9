"""One upstream call for all who ask the same at the same time.

A flight is nobody's own: it is a task with a side to write to like a client's, and everyone who
wants its answer, the first one included, has a seat. A seat gets what has come so far, then what
comes, in its own client's language. When the last one has left, the flight ends. Whoever's record
holds the attempts pays for them; when that one leaves, the next one does.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Final

import msgspec

from gateway.chat import usage
from gateway.chat.deltas import Broken, Count, Delta
from gateway.chat.document import Document
from gateway.chat.fold import Folding, unfold
from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.dialects.base import BadAnswer, DeltaReader, DeltaWriter
from gateway.errors import Code, GatewayError
from gateway.exchange import answer
from gateway.exchange.ask import Ask
from gateway.exchange.taps import Outlet, Source, Voice
from gateway.exchange.understood import Understood
from gateway.policy.caching import Entry
from gateway.policy.failures import RULES
from gateway.runtime.languages import READ
from gateway.runtime.snapshot import named_header
from gateway.telemetry.logs import Log
from gateway.telemetry.record import Outcome, Record
from gateway.wire import json

_FINGERPRINT: Final = re.compile(rb'"system_fingerprint"\s*:\s*"([\w.:-]{1,128})"')
Road = Callable[["Flight"], Coroutine[object, object, None]]
MAX_FLIGHT: Final = 64 * 1024 * 1024  # bytes of an answer under way


class Flight:
    """The outlet of a call that several wait for: keeps what is written, and tells the seats."""

    blocked = False
    finished = False
    started = False
    events = False
    reason: GatewayError | None = None
    promised = beat = b""
    voice: Voice  # every seat has its own

    def __init__(self, ask: Ask, record: Record) -> None:
        self.ask = ask  # the first one's
        self.record = record
        self.status = 0
        self.chunks: list[bytes] = []  # in the first one's language
        self.bytes_sent = 0
        self.whole_body: bytes | None = None
        self.errand: Understood | None = None  # what its call is about; None: not asked yet
        self.found: Entry | None = None  # the answer, where another process has had it
        self.over = False
        self.stopped = False  # nobody wants it any more, or nobody may have it: it is being ended
        self.error: GatewayError | None = None
        self.seats: list[Seat] = []
        self._payer: Seat | None = None
        self._task: asyncio.Task[None] | None = None

    # ---- the road's calls

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        self.status, self.whole_body = status, body
        self.started = True
        self.bytes_sent = len(body)

    def begin(self, status: int, headers: bytes, length: int | None = None) -> None:
        self.status = status
        self.started = True

    def push(self, data: bytes) -> None:
        if self.error is not None or not data:
            return
        self.bytes_sent += len(data)
        if self.bytes_sent > MAX_FLIGHT:
            self.error = self.reason = GatewayError(
                Code.RESPONSE_TOO_LARGE, "the answer is too large"
            )
            self.over = True
            self._stop()
        else:
            self.chunks.append(data)
        self._tell()

    def end(self, data: bytes = b"", *, keep: bool = True) -> None:
        """keep: False behind a failure, which each seat tells in its own words."""
        if keep and data:
            self.push(data)

    def cut(self) -> None:
        self.finished = True

    async def drained(self) -> None:
        """There is always room."""

    def draw_from(self, source: Source) -> None:
        """Nobody's pace is the flight's: what comes is kept."""

    # ---- its task

    def depart(self, road: Road, log: Log) -> None:
        self._task = asyncio.get_running_loop().create_task(self._fly(road, log))

    async def _fly(self, road: Road, log: Log) -> None:
        try:
            await road(self)
        except GatewayError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - a door: the seats must not wait for ever
            self.error = GatewayError(Code.INTERNAL, "the gateway failed on this request")
            payer = self.record if self._payer is None else self._payer.record
            log.surprise("exchange_failed", error, id=payer.id)
        finally:
            self.arrive()

    def arrive(self) -> None:
        """Nothing more comes: every seat has its end."""
        self.over = True
        code = self.record.code
        if self.found is not None and self._payer is not None:  # another process has paid for it
            self._payer.record.cache = "shared"
        if self.error is None and code is not None:  # told in the stream, of which this is the end
            self.error = GatewayError(code, RULES[code].shows)
        if self._payer is not None:
            self._pay(self._payer)
        self._tell()

    def _tell(self) -> None:
        for seat in list(self.seats):
            seat.told()

    # ---- who is aboard

    def board(self, seat: "Seat") -> None:
        self.seats.append(seat)
        if self._payer is None:
            self._payer = seat
            seat.record.attempts = self.record.attempts

    async def leave(self, seat: "Seat") -> None:
        """The last one to leave ends the flight and sees its end: its attempts, which are then that
        one's, tell what they took only there.
        """
        self.seats.remove(seat)
        if not self.seats and not self.over:
            self._stop()
        try:
            if self.stopped and self._task is not None:
                await asyncio.wait([self._task])
        finally:
            self._hand_over(seat)

    def _stop(self) -> None:
        self.stopped = True
        if self._task is not None:
            # Once it has begun: a task that is cancelled before never gets to its finally.
            asyncio.get_running_loop().call_soon(self._task.cancel)

    def _hand_over(self, seat: "Seat") -> None:
        """To the next one, while there is one."""
        if seat is self._payer and not self.over:
            self._pay(seat)
            if self.seats:
                seat.record.attempts, seat.record.usage = [], None
                self._payer = self.seats[0]
                self._payer.record.attempts = self.record.attempts
                self._payer.record.cache = "miss"

    def _pay(self, seat: "Seat") -> None:
        seat.record.attempts = self.record.attempts
        seat.record.usage = self.record.usage
        seat.record.waited_s = seat.record.limit_wait_s + self.record.waited_s

    # ---- what came of it

    @property
    def complete(self) -> bool:
        return self.over and self.error is None and self.record.outcome is Outcome.COMPLETE

    @property
    def spoken(self) -> Operation:
        """In whose words the answer comes: OpenAI's chat where it is translated."""
        if self.errand is not None and self.errand.translated and self.errand.teller is not None:
            return Operation.CHAT
        return self.ask.operation

    @property
    def says_usage(self) -> bool:
        return self.spoken is self.ask.operation and self.ask.head.wants_usage

    @property
    def used(self) -> Usage | None:
        if self.found is not None:
            return usage.of(self.found.answer.get("usage"))
        return self.record.usage

    @property
    def fingerprint(self) -> str:
        """What the backend says of its configuration, where its answer has not been translated."""
        said = b"".join(self.chunks[:4]) if self.whole_body is None else self.whole_body
        found = _FINGERPRINT.search(said)
        return "" if found is None else found[1].decode()

    def answer(self) -> Document | None:
        """The whole answer in the lingua franca; None where there is none to be kept."""
        if self.found is not None:
            return self.found.answer
        read = READ[self.spoken]
        try:
            if self.whole_body is not None:
                found = json.document(self.whole_body)
                if "choices" in found or "data" not in found:
                    found = read.read_response(found)
            else:
                reader, folding = read.reader(), Folding()
                for delta in [*reader.feed(b"".join(self.chunks)), *reader.close()]:
                    folding.add(delta)
                found = folding.answer
        except (BadAnswer, json.JsonError, ValueError):
            return None
        if self.record.usage is not None and "choices" in found:
            found = {**found, "usage": usage.written(self.record.usage)}
        return found


class Seat:
    """One client's place on a flight: its own language, its own pace."""

    def __init__(
        self, flight: Flight, ask: Ask, asked: Document, outlet: Outlet, record: Record
    ) -> None:
        self._flight = flight
        self._ask = ask
        self._asked = asked  # in the lingua franca
        self._outlet = outlet
        self.record = record
        self._at = 0  # chunks written so far
        self._paused = False
        self._reader: DeltaReader | None = (
            None  # None: nothing has come yet, or it goes on as it is
        )
        self._writer: DeltaWriter | None = None
        self._broken: GatewayError | None = None  # why it cannot be said in this language
        self._counted = False
        self._begun = False
        if ask.stream:
            outlet.voice, outlet.beat = ask.client, ask.client.heartbeat
            outlet.promised = answer.promised(record)
        self.ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ride(self, timeout_s: float) -> None:
        """Returns when the client has its answer. Raises GatewayError where it gets none."""
        self._flight.board(self)
        try:
            self.told()
            async with asyncio.timeout(timeout_s):
                await self.ending
        except TimeoutError:
            raise GatewayError(Code.TOTAL_TIMEOUT, "the request took longer than it may") from None
        finally:
            await self._flight.leave(self)

    # ---- the client's pace

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self.told()

    # ---- the flight's news

    def told(self) -> None:
        """Writes what is new, and the end where it has come."""
        if self.ending.done() or self._paused:
            return
        try:
            if self._ask.stream:
                self._stream()
            elif self._flight.over:
                self._whole()
        except Exception as error:  # noqa: BLE001 - a tap: told to the one who waits
            if not self.ending.done():
                self.ending.set_exception(error)

    def _stream(self) -> None:
        flight = self._flight
        whole = flight.whole_body is not None or flight.found is not None
        if not (whole or flight.chunks or flight.over):
            return  # nobody knows yet in which language it comes
        if self._writer is None and (whole or not _alike(flight, self._ask)):
            self._writer = self._ask.client.writer(self._asked)
            self._reader = READ[flight.spoken].reader()
        if not whole:
            self._read_on()
        if flight.over and not self._paused and not self.ending.done():
            self._told_all(whole=whole)

    def _read_on(self) -> None:
        flight = self._flight
        while self._at < len(flight.chunks) and not self._paused:
            data = flight.chunks[self._at]
            self._at += 1
            self._push(data if self._reader is None else self._written(self._reader.feed(data)))
            if self._broken is not None:
                self._fail(self._broken)
                return

    def _told_all(self, *, whole: bool) -> None:
        if self._flight.error is not None:
            self._fail(self._flight.error)
            return
        if whole:
            self._push(self._unfolded())
        elif self._reader is not None:
            self._push(self._written([*self._reader.close(), *self._count()]))
        if self._broken is not None:
            self._fail(self._broken)
        else:
            self._end()

    def _push(self, data: bytes) -> None:
        if not data:
            return
        if not self._begun:
            self._begin()
        self._outlet.push(data)

    def _begin(self) -> None:
        self._begun = True
        outlet = self._outlet
        if not outlet.started:  # or a heartbeat has begun it already
            outlet.begin(200, answer.EVENTS + self._head())
            outlet.events = True
        outlet.voice = self
        outlet.draw_from(self)
        self.record.status = 200

    def _written(self, deltas: list[Delta]) -> bytes:
        told: list[Delta] = []
        for delta in deltas:
            if isinstance(delta, Broken):  # it went on as it was, but says nothing to others
                self._broken = GatewayError(delta.code, RULES[delta.code].shows)
                break
            told.append(delta)
        self._counted = self._counted or any(isinstance(delta, Count) for delta in told)
        return self._writer.write(told) if self._writer is not None and told else b""

    def _count(self) -> list[Delta]:
        """What it took, where the first one had not asked to be told."""
        used = self._flight.record.usage
        return [] if used is None or self._counted else [Count(used)]

    def _unfolded(self) -> bytes:
        found = self._flight.answer()
        if found is None:
            raise GatewayError(Code.BAD_RESPONSE, "the backend's answer was not understood")
        return self._written(list(unfold(found)))

    def _end(self) -> None:
        last = b"" if self._writer is None else self._writer.close()
        self.record.outcome = Outcome.COMPLETE
        self._outlet.end(last)
        self.ending.set_result(None)

    def _fail(self, error: GatewayError) -> None:
        if not self._outlet.started:
            self.ending.set_exception(error)
            return
        self.record.failed(error.code, self.record.status or 200)
        self._outlet.end(self.error_event(error), keep=False)
        self.ending.set_result(None)

    def error_event(self, error: GatewayError) -> bytes:
        """In the client's words, wherever its stream is."""
        if self._writer is not None:
            return self._writer.fail(error)
        return self._ask.client.error_event(error)

    def _whole(self) -> None:
        flight = self._flight
        if flight.error is not None:
            self.ending.set_exception(flight.error)
            return
        body = flight.whole_body
        if body is None or flight.spoken is not self._ask.operation:
            found = flight.answer()
            if found is None:
                raise GatewayError(Code.BAD_RESPONSE, "the backend's answer was not understood")
            body = json.write(self._ask.client.write_response(found, self._asked))
        self.record.status, self.record.outcome = 200, Outcome.COMPLETE
        self._outlet.whole(200, answer.JSON + self._head(), body)
        self.ending.set_result(None)

    def _head(self) -> bytes:
        attempts, found = self._flight.record.attempts, self._flight.found
        if found is None:
            self.record.dropped = self._flight.record.dropped
        named = b""
        if found is not None:
            named = named_header(found.target)
        elif attempts:
            named = named_header(f"{attempts[-1].backend}/{attempts[-1].model}")
        return answer.own(self.record, named)


def _alike(flight: Flight, ask: Ask) -> bool:
    """Whether its stream may be passed on as it is."""
    return (
        flight.spoken is ask.operation
        and flight.ask.stream
        and flight.says_usage == ask.head.wants_usage
    )


class Flights(msgspec.Struct):
    """All flights under way in this process, by what is asked."""

    by_key: dict[bytes, Flight] = {}

    def find(self, key: bytes) -> Flight | None:
        """key: b"" for a call that nobody shares."""
        flight = self.by_key.get(key)
        return None if flight is None or flight.over or flight.stopped else flight
