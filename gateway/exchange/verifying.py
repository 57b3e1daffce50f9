"""Hits asked again, a share of them: whether a backend's answer is the same again. Nobody waits."""

import time
from collections.abc import Callable
from typing import Final

from gateway.errors import GatewayError
from gateway.exchange.attempts import answer_from_first
from gateway.exchange.course import Course
from gateway.exchange.flights import Flight
from gateway.exchange.metering import Meter, Size
from gateway.exchange.sought import Sought
from gateway.exchange.understood import Understood
from gateway.policy import caching
from gateway.policy.caching import Entry
from gateway.runtime.state import Runtime
from gateway.telemetry.record import Outcome, Record
from gateway.wire import json

MAX_VERIFYING: Final = 4  # hits being asked again at once
VERIFIER: Final = "gateway"  # the tenant and key that pay for that


class Verifying:
    """All that is being asked again in this process."""

    def __init__(self, runtime: Runtime, draw: Callable[[], float]) -> None:
        self._runtime = runtime
        self._sink = runtime.sink
        self._draw = draw
        self._flights: set[Flight] = set()

    def perhaps(self, sought: Sought, course: Course, remembered: Entry, record: Record) -> None:
        """If the dice say so. record: of the hit."""
        ask = sought.ask
        if self._draw() >= ask.route.caching.verify or len(self._flights) >= MAX_VERIFYING:
            return
        call = Record(record.operation, VERIFIER, VERIFIER, None, record.config)
        call.model = record.model
        flight = Flight(ask, call)
        self._flights.add(flight)
        self._sink.started(call)
        if record.stream:
            self._sink.streaming(call)
        meter = self._meter(sought, call)

        async def road(outlet: Flight) -> None:
            try:
                deadline_at = time.monotonic() + ask.route.deadline_s
                errand = flight.errand = Understood(ask, outlet, call, sought.teller)
                errand.meter = meter
                await answer_from_first(errand, course, deadline_at)
            except GatewayError as error:
                call.failed(error.code, error.status)
                raise
            finally:
                if meter is not None:
                    meter.settle()
                self._flights.discard(flight)
                self._tell(flight, remembered)

        flight.depart(road, self._sink.log)

    def _meter(self, sought: Sought, call: Record) -> Meter | None:
        """Of the backends' limits."""
        ask, caller = sought.ask, sought.caller
        if caller.snapshot.rulebook.empty:
            return None
        size = Size.of(ask.operation, ask.head, json.write(ask.fields))
        return Meter(self._runtime, caller, call, size)

    def _tell(self, flight: Flight, remembered: Entry) -> None:
        call, number = flight.record, self._sink.metrics.number
        result = self._result(flight, remembered)
        number("gateway_cache_verifications_total", call.model, result).value += 1
        told = remembered.fingerprint, flight.fingerprint
        if all(told) and told[0] != told[1]:
            number("gateway_cache_fingerprint_changes_total", call.model).value += 1
        call.ended_at = time.monotonic()
        self._sink.finished(call)

    def _result(self, flight: Flight, remembered: Entry) -> str:
        answered = None if flight.errand is None else flight.errand.answered
        found = flight.answer() if flight.record.outcome is Outcome.COMPLETE else None
        if found is None or answered is None:
            return "failed"
        if answered.target.model != remembered.target.partition("/")[2]:
            return "elsewhere"
        result = caching.compared(remembered.answer, found)
        if result != "same":
            share = caching.agreement(remembered.answer, found)
            metrics, model = self._sink.metrics, flight.record.model
            metrics.histogram("gateway_cache_verification_agreement", model).observe(share)
        return result
