"""Answers remembered, and identical requests that share one: what stands before the attempts.

The decisions are `policy.caching`'s; the values are a store's, which is asked within a bounded time
and of which anything odd is a miss.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from gateway.chat import usage
from gateway.chat.deltas import BYTES_A_TOKEN, Delta, Text, tokens
from gateway.chat.fold import unfold
from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.errors import GatewayError
from gateway.exchange import answer
from gateway.exchange.ask import Ask
from gateway.exchange.attempts import answer_from_first
from gateway.exchange.caller import Caller
from gateway.exchange.course import Choice, Course
from gateway.exchange.flights import Flight, Flights
from gateway.exchange.metering import Meter, Size
from gateway.exchange.recall import Gain, Recalled, Recalls
from gateway.exchange.seats import Seat
from gateway.exchange.sought import Sought, remembered
from gateway.exchange.taps import Outlet
from gateway.exchange.understood import Understood
from gateway.exchange.verifying import Verifying
from gateway.policy import caching, pricing
from gateway.runtime.snapshot import Route, Target, named_header
from gateway.runtime.state import Runtime
from gateway.stores.base import StoreError
from gateway.telemetry.metrics import Number
from gateway.telemetry.record import Outcome, Record
from gateway.wire import json

HOLD_S: Final = 2.0  # how long another process may believe that an answer is being got
MAX_WAIT_S: Final = 20.0  # for an answer that another process is getting
POLL_S: Final = 0.05


class Memory:
    """Everything remembered by this process, or through it by a shared store."""

    def __init__(self, runtime: Runtime, draw: Callable[[], float]) -> None:
        self._runtime = runtime
        self._metrics = runtime.sink.metrics
        self._flights = Flights()
        self._verifying = Verifying(runtime, draw)
        self.recalls = Recalls(runtime)

    async def answers(
        self,
        ask: Ask,
        body: bytes,
        caller: Caller,
        course: Course,
        outlet: Outlet,
        record: Record,
        deadline_at: float,
    ) -> bool:
        """Whether the client has its answer from here. Raises GatewayError where it shares one."""
        wish = caching.wish(caller.head.header(b"cache-control"))
        sought, why = remembered(ask, caller) if wish.keep else (None, "no_store")
        if sought is None:
            record.cache_reason = why
            self._note(record, "bypass")
            self._metrics.number("gateway_cache_bypass_total", record.model, why).value += 1
            return False
        likely = _likely(course, ask.route, ask.operation)
        looked = sought.on(likely.route)
        digest = looked.digest(likely.target)
        place, record.cache_key = looked.place(digest), digest.hex()
        record.dropped = looked.dropped
        entry = await self._kept(place, digest) if wish.look else None
        if entry is not None and _young(entry, wish, looked.ask.route.caching.ttl_s):
            number = self._runtime.near.number(place)  # it may be another one when it is told
            hit = await self._hit(sought, entry, outlet, record, deadline_at)
            if number is not None and looked is sought and looked.repeats:
                self._learn(sought, body, (place, number), entry, *hit)
            self._verifying.perhaps(sought, course, entry, record)
            return True
        together = sought.together(digest) if wish.look else b""
        flight = self._flights.find(together)
        record.cache = "miss" if flight is None else "shared"
        if flight is None:
            spot = Spot(place, digest, together, 0.0 if entry is None else entry.made_at)
            size = Size.of(ask.operation, ask.head, body)
            flight = self._depart(sought, spot, course, record, size)
        seat = Seat(flight, ask, sought.asked, outlet, record)
        try:
            await seat.ride(max(0.0, deadline_at - time.monotonic()))
        finally:  # only now it is known: the first one's leaving makes a miss of the next
            self._note(record, record.cache)
        if record.cache == "shared":
            self._saving(record, flight.used, likely.target)
        return True

    def _note(self, record: Record, result: str) -> None:
        record.cache = result
        self._requests(record).value += 1

    def _requests(self, record: Record) -> Number:
        return self._metrics.number("gateway_cache_requests_total", record.model, record.cache)

    # ---- a hit

    async def _kept(self, place: bytes, digest: bytes) -> caching.Entry | None:
        values = self._runtime.values
        try:
            raw = await values.get(place)
            if raw is None:
                return None
            entry = caching.unpack(digest, raw)
            if entry is None:
                self._fault("corrupt")
                await values.delete(place)
            return entry
        except StoreError as error:
            self._fault(error.kind)
            return None

    def _fault(self, kind: str) -> None:
        self._metrics.number("gateway_cache_faults_total", kind).value += 1

    async def _hit(
        self,
        sought: Sought,
        entry: caching.Entry,
        outlet: Outlet,
        record: Record,
        deadline_at: float,
    ) -> tuple[bytes, tuple[Gain, ...]]:
        """What the client was told, in its own language, and what has been counted for it."""
        self._note(record, "hit")
        used = usage.of(entry.answer.get("usage"))
        gains = self._saving(record, used, _target(sought.ask, entry))
        spoken = await self._replay(sought, entry, outlet, record, deadline_at)
        return spoken, (Gain(self._requests(record), 1), *gains)

    async def _replay(
        self,
        sought: Sought,
        entry: caching.Entry,
        outlet: Outlet,
        record: Record,
        deadline_at: float,
    ) -> bytes:
        """At the pace that the route says; what is left at the deadline comes at once."""
        ask, rule = sought.ask, sought.ask.route.caching
        found = entry.answer
        if rule.usage == "zero" and "usage" in found:
            found = {**found, "usage": usage.written(Usage()), "original_usage": found["usage"]}
        head = answer.own(record, named_header(entry.target)) + answer.age(entry.made_at)
        record.status, record.outcome = 200, Outcome.COMPLETE
        if not ask.stream:
            spoken = json.write(ask.client.write_response(found, sought.asked))
            outlet.whole(200, answer.JSON + head, spoken)
            return spoken
        writer = ask.client.writer(sought.asked)
        outlet.voice = ask.client
        outlet.begin(200, answer.EVENTS + head)
        outlet.events = True
        if rule.replay_tokens_per_s is not None:
            for delta in _spoken(unfold(found)):
                outlet.push(writer.write([delta]))
                await outlet.drained()
                pause_s = tokens(delta) / rule.replay_tokens_per_s
                await asyncio.sleep(min(pause_s, max(0.0, deadline_at - time.monotonic())))
            spoken = writer.close()
        else:
            spoken = writer.write(list(unfold(found))) + writer.close()
        outlet.end(spoken)
        return spoken

    def _learn(
        self,
        sought: Sought,
        body: bytes,
        kept: tuple[bytes, int],
        entry: caching.Entry,
        spoken: bytes,
        gains: tuple[Gain, ...],
    ) -> None:
        """The same body will be told the same, for as long as the value is kept."""
        ask, named = sought.ask, named_header(entry.target)
        model, made_at = ask.route.model, entry.made_at
        until = made_at + ask.route.caching.ttl_s
        key = sought.caller.key
        found = Recalled(key, *kept, model, named, made_at, until, spoken, ask.stream, gains)
        self.recalls.keep(sought.caller, ask.operation, body, found)

    def _saving(self, record: Record, used: Usage | None, target: Target) -> tuple[Gain, ...]:
        """What the answer would have cost, which has been counted."""
        if used is None:
            return ()
        model, number = record.model, self._metrics.number
        gains = [
            Gain(number("gateway_cache_saved_tokens_total", model, "input"), used.input),
            Gain(number("gateway_cache_saved_tokens_total", model, "output"), used.output),
        ]
        if target.price is not None:
            usd = pricing.cost(target.price, used)
            gains.append(Gain(number("gateway_cache_saved_usd_total", model), usd))
        for gain in gains:
            gain.number.value += gain.by
        return tuple(gains)

    # ---- a miss

    def _depart(
        self, sought: Sought, spot: "Spot", course: Course, record: Record, size: Size
    ) -> Flight:
        ask, caller = sought.ask, sought.caller
        call = Record(record.operation, record.tenant, record.key, None, record.config)
        call.started_at, call.model, call.stream = record.started_at, record.model, record.stream
        flight = Flight(ask, call)
        meter = self._meter(caller, call, size)
        if spot.together:
            self._flights.by_key[spot.together] = flight
        shared = spot.together and self._runtime.shares
        deadline_at = record.started_at + ask.route.deadline_s

        async def road(outlet: Flight) -> None:
            holding: asyncio.Task[None] | None = None
            try:
                if shared:
                    outlet.found = await self._elsewhere(spot, call, deadline_at)
                if outlet.found is not None:
                    call.outcome = Outcome.COMPLETE
                    return
                if shared:
                    holding = asyncio.get_running_loop().create_task(
                        self._hold_on(spot.place, call)
                    )
                errand = flight.errand = Understood(ask, outlet, call, sought.teller)
                await _called(errand, course, deadline_at, meter)
                outlet.arrive()
                if outlet.complete and errand.answered is not None:
                    await self._keep(sought, errand.answered, outlet)
            finally:
                if holding is not None:
                    holding.cancel()
                if self._flights.by_key.get(spot.together) is flight:
                    del self._flights.by_key[spot.together]
                if shared:
                    await self._release(spot.place, call)

        flight.depart(road, self._runtime.sink.log)
        return flight

    def _meter(self, caller: Caller, call: Record, size: Size) -> Meter | None:
        """Of the backends' limits: the callers' own are not a call's."""
        unlimited = caller.snapshot.rulebook.empty
        return None if unlimited else Meter(self._runtime, caller, call, size)

    async def _elsewhere(
        self, spot: "Spot", call: Record, deadline_at: float
    ) -> caching.Entry | None:
        """The answer that another process is getting just now; None: it is our turn."""
        holder = call.id.encode()
        until = min(deadline_at, time.monotonic() + MAX_WAIT_S)
        while True:
            try:
                ours = await self._runtime.values.hold(spot.place, holder, HOLD_S)
            except StoreError as error:
                self._fault(error.kind)
                return None
            entry = await self._kept(spot.place, spot.digest)  # perhaps it has come meanwhile
            if entry is not None and entry.made_at > spot.seen_at:
                return entry
            if ours or time.monotonic() >= until:
                return None
            await asyncio.sleep(POLL_S)

    async def _hold_on(self, place: bytes, call: Record) -> None:
        """Tells the other processes that this one is still at it."""
        while True:
            await asyncio.sleep(HOLD_S / 3)
            with contextlib.suppress(StoreError):
                await self._runtime.values.hold(place, call.id.encode(), HOLD_S)

    async def _release(self, place: bytes, call: Record) -> None:
        with contextlib.suppress(StoreError):
            await self._runtime.values.release(place, call.id.encode())

    async def _keep(self, sought: Sought, choice: Choice, flight: Flight) -> None:
        """Under the model that made it, which a fallback's is not the one that was looked for."""
        rule, found = choice.route.caching, flight.answer()
        most = sought.ask.head.max_output
        if not rule.enabled or found is None or not caching.keepable(found, most):
            return
        sought, target = sought.on(choice.route), choice.target
        digest = sought.digest(target)
        entry = caching.Entry(found, time.time(), target.name, flight.fingerprint)
        raw = caching.pack(digest, entry)
        if len(raw) > rule.max_entry_bytes:
            return
        try:
            await self._runtime.values.put(
                sought.place(digest), raw, rule.ttl_s, owner=sought.owner
            )
        except StoreError as error:
            self._fault(error.kind)


async def _called(
    errand: Understood, course: Course, deadline_at: float, meter: Meter | None
) -> None:
    """Settled before anybody has the end of the answer. Raises GatewayError."""
    errand.meter = meter
    try:
        await answer_from_first(errand, course, deadline_at)
    finally:
        if meter is not None:
            meter.settle()


class Spot(msgspec.Struct, frozen=True, gc=False):
    """Where an answer would be found, and under what its call is shared."""

    place: bytes
    digest: bytes
    together: bytes  # b"": with nobody
    seen_at: float  # when an answer was made that has been found, and was too old; 0: none was


def _young(entry: caching.Entry, wish: caching.Wish, ttl_s: float) -> bool:
    """A store that has kept it near does not know how old it was then."""
    most_s = ttl_s if wish.max_age_s is None else min(ttl_s, wish.max_age_s)
    return time.time() - entry.made_at <= most_s


def _likely(course: Course, route: Route, operation: Operation) -> Choice:
    """Whose answer is looked for: the only model there is, else the one that would be asked."""
    offering = route.offering[operation]
    if len({target.model for target in offering}) == 1 and offering[0].model != "*":
        return Choice(offering[0], route)
    try:
        return course.first(time.monotonic())
    except GatewayError:
        if not offering or offering[0].model == "*":
            raise
        return Choice(offering[0], route)  # nobody can be asked, but somebody may be remembered


def _target(ask: Ask, entry: caching.Entry) -> Target:
    """Who gave an answer, if it is still one of the route's."""
    targets = ask.route.targets
    return next((target for target in targets if target.name == entry.target), targets[0])


def _spoken(deltas: Iterator[Delta]) -> Iterator[Delta]:
    """Text in pieces of about a token."""
    for delta in deltas:
        if isinstance(delta, Text):
            for at in range(0, len(delta.text), BYTES_A_TOKEN):
                yield Text(delta.choice, delta.text[at : at + BYTES_A_TOKEN])
        else:
            yield delta
