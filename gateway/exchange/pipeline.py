"""One exchange: a client's request and all that happens until its answer's last byte.

Read it downwards. Who asks is known before the body is read (`caller`); then: understand, permit,
claim, try, relay, settle, tell. However an exchange ends, it is told once.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from gateway.chat.operation import Operation
from gateway.dialects.base import ClientDialect
from gateway.errors import Code, GatewayError
from gateway.exchange import answer, counting
from gateway.exchange.ask import Ask
from gateway.exchange.attempts import answer_from_first
from gateway.exchange.caller import Caller
from gateway.exchange.course import Course
from gateway.exchange.memory import Memory
from gateway.exchange.metering import Meter, Size
from gateway.exchange.parts import answer_in_parts, needed
from gateway.exchange.passage import Incoming, Passage
from gateway.exchange.shadow import Shadows
from gateway.exchange.taps import Outlet
from gateway.exchange.understood import Understood
from gateway.policy import affinity
from gateway.runtime.languages import CLIENTS, client_of
from gateway.runtime.state import Runtime
from gateway.telemetry.record import Outcome, Record
from gateway.wire.http import RequestHead

CLIENT_CLOSED: Final = 499  # nginx's number for a client that left


class Gateway:
    """The road that every understood request takes."""

    def __init__(self, runtime: Runtime, draw: Callable[[], float] = random.random) -> None:
        self._runtime = runtime
        self._draw = draw
        self._shadows = Shadows(runtime.sink.metrics, draw)
        self._memory = Memory(runtime, draw)
        self.recalled = self._memory.recalls.answered  # what needs no exchange

    async def exchange(
        self, caller: Caller, operation: Operation, body: bytes, outlet: Outlet
    ) -> None:
        """A request that is understood. Finishes outlet, unless the client leaves first."""
        record = self._begin(caller, operation)
        client = CLIENTS[operation]
        unlimited = caller.snapshot.rulebook.empty
        meter = None if unlimited else Meter(self._runtime, caller, record)
        try:
            head, fields = client.read_head(body)
            caller.cap(fields)
            route = caller.route(head.model)
            record.model = route.model
            if head.stream:
                self._runtime.sink.streaming(record)
            patience_s = caller.patience_s(stream=record.stream)
            deadline_at = record.started_at + min(route.deadline_s, patience_s)
            if meter is not None:
                await meter.claim(route, Size.of(operation, head, body), deadline_at)
            if operation is Operation.COUNT_TOKENS and counting.only(route):
                counting.estimate(fields, record, outlet)
                return
            ask = Ask(operation, client, head, fields, route, caller.passed)
            session = b""
            if route.strategy == "sticky":
                session = affinity.session(caller.session(route), fields)
            course = Course(route, operation, head.model, caller, self._draw, session)
            if route.shadow is not None:
                self._shadows.cast(ask, route.shadow)
            if operation is Operation.COMPLETION and needed(fields, route):
                await answer_in_parts(
                    ask,
                    outlet,
                    record,
                    meter,
                    lambda: Course(route, operation, head.model, caller, self._draw, session),
                    deadline_at,
                )
                return
            if route.caching.enabled and await self._memory.answers(
                ask, body, caller, course, outlet, record, deadline_at
            ):
                return
            errand = Understood(ask, outlet, record)
            errand.meter = meter
            await answer_from_first(errand, course, deadline_at)
        except BaseException as error:  # noqa: BLE001 - sorted out, and raised again where due
            self._broken_off(error, record, outlet, client)
        finally:
            self._end(record, outlet)
            if meter is not None:
                meter.settle()

    async def relay(
        self,
        caller: Caller,
        operation: Operation,
        head: RequestHead,
        prefix: bytes,
        body: bytes | Incoming,
        outlet: Outlet,
    ) -> None:
        """One that is not. Finishes outlet, unless the client leaves first."""
        record = self._begin(caller, operation)
        meter = Meter(self._runtime, caller, record)
        try:
            passage = Passage(caller, operation, head, prefix, outlet, record, meter, self._draw)
            await passage.run(body)
        except BaseException as error:  # noqa: BLE001 - sorted out, and raised again where due
            self._broken_off(error, record, outlet, client_of(operation))
        finally:
            self._end(record, outlet)
            meter.settle()

    def _broken_off(
        self, error: BaseException, record: Record, outlet: Outlet, client: ClientDialect
    ) -> None:
        """Whatever ended the road early, the client and the record learn it."""
        match error:
            case GatewayError():
                tell(error, record, outlet, client)
            case asyncio.CancelledError():
                left(record, outlet, client)
                raise error
            case Exception():  # a fault of ours: the worker must live
                self._surprised(error, record, outlet, client)
            case _:
                raise error

    def _begin(self, caller: Caller, operation: Operation) -> Record:
        key = caller.key
        record = Record(operation, key.tenant, key.name, caller.label, caller.snapshot.hash)
        self._runtime.sink.started(record)
        return record

    def _end(self, record: Record, outlet: Outlet) -> None:
        record.sent_bytes = outlet.bytes_sent
        record.ended_at = time.monotonic()
        self._runtime.sink.finished(record)

    def _surprised(
        self, error: Exception, record: Record, outlet: Outlet, client: ClientDialect
    ) -> None:
        """A fault of ours: told to the log by its place, to the client without a trace."""
        self._runtime.sink.log.surprise("exchange_failed", error, id=record.id)
        ours = GatewayError(Code.INTERNAL, "the gateway failed on this request")
        tell(ours, record, outlet, client)


def tell(error: GatewayError, record: Record, outlet: Outlet, client: ClientDialect) -> None:
    """The error as the answer, or where one has begun, as its end."""
    if outlet.started:
        record.failed(error.code, record.status or 200)
        if outlet.events:
            outlet.end(outlet.voice.error_event(error), keep=False)
        else:
            outlet.cut()
        return
    record.failed(error.code, error.status)
    outlet.whole(error.status, answer.error_head(error, record), client.error_body(error))


def left(record: Record, outlet: Outlet, client: ClientDialect) -> None:
    """The client has gone, or the gateway itself ends the exchange and says why."""
    reason = outlet.reason
    if reason is None:
        record.code, record.status = Code.CLIENT_CLOSED, CLIENT_CLOSED
        record.outcome = Outcome.CANCELLED
    elif outlet.finished:
        record.failed(reason.code, record.status or reason.status)
    else:
        tell(reason, record, outlet, client)
    outlet.cut()
