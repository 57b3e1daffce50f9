"""One client's place on a flight: what has come so far, then what comes, in its own language and at
its own pace.
"""

import asyncio

from gateway.chat.deltas import Broken, Count, Delta
from gateway.chat.document import Document
from gateway.chat.fold import unfold
from gateway.dialects.base import DeltaReader, DeltaWriter
from gateway.errors import Code, GatewayError
from gateway.exchange import answer
from gateway.exchange.ask import Ask
from gateway.exchange.flights import Flight
from gateway.exchange.taps import Outlet
from gateway.policy.failures import RULES
from gateway.runtime.languages import READ
from gateway.runtime.snapshot import named_header
from gateway.telemetry.record import Outcome, Record
from gateway.wire import json


class Seat:
    """Whoever has one gets the answer, or learns why there is none."""

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
