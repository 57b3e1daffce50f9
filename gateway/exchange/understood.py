"""An answer that is understood: read whole and checked, or every event of its stream.

A failure before the first content leaves another target to be tried; behind it, it is told in the
stream, which then never looks whole.
"""

import time
from typing import Final

import msgspec

from gateway.dialects import openai
from gateway.dialects.base import BadAnswer
from gateway.dialects.openai_stream import Watch
from gateway.errors import Code
from gateway.exchange import answer
from gateway.exchange.ask import Ask, wire_request
from gateway.exchange.attempts import close
from gateway.exchange.continuing import Kept, continuable
from gateway.exchange.course import Choice
from gateway.exchange.race import Race
from gateway.exchange.taps import EventTap, Outlet
from gateway.policy.failures import Failure, verdict
from gateway.runtime.snapshot import Target
from gateway.telemetry.record import Attempt, Outcome, Record
from gateway.upstream.pool import WireRequest
from gateway.upstream.reply import Reply

MAX_ANSWER: Final = 64 * 1024 * 1024  # bytes of a whole answer


class Understood:
    """One understood request, at whatever target it is tried."""

    __slots__ = ("_ask", "_kept", "outlet", "race", "record")

    repeatable = True

    def __init__(self, ask: Ask, outlet: Outlet, record: Record) -> None:
        self._ask = ask
        self.outlet = outlet
        self.record = record
        self.race: Race | None = None
        self._kept: Kept | None = None  # what has been said of a stream that may be continued
        if ask.stream:
            outlet.promised = answer.promised(record)
            if ask.route.continuation.enabled and continuable(ask):
                self._kept = Kept(outlet, ask.route.continuation.max)

    def fits(self, target: Target) -> bool:
        broken = self._kept is not None and self._kept.broken
        return target.backend.continues_prefix or not broken

    def request(self, choice: Choice) -> WireRequest:
        ask = self._ask
        if choice.route is not ask.route:
            ask = msgspec.structs.replace(ask, route=choice.route)
        if self._kept is not None and self._kept.broken:
            ask = msgspec.structs.replace(ask, fields=self._kept.continued(ask))
        return wire_request(ask, choice.target)

    async def receive(self, choice: Choice, reply: Reply, attempt: Attempt) -> Failure | None:
        if reply.status != 200:
            return Failure(Code.BAD_RESPONSE, reply.status)
        if self.race is not None:
            self.race.replied(attempt, reply)
        if self._ask.stream:
            return await self._stream(choice, reply, attempt)
        return await self._whole(choice, reply, attempt)

    async def _whole(self, choice: Choice, reply: Reply, attempt: Attempt) -> Failure | None:
        target, record = choice.target, self.record
        # One event, however many bytes it takes: its parts renew nothing.
        reply.renew(target.timeouts.first_content_s, Code.FIRST_TOKEN_TIMEOUT)
        body = await reply.read(MAX_ANSWER)
        attempt.first_at = time.monotonic()
        close(attempt, record)
        try:
            record.usage = attempt.usage = openai.read_answer(self._ask.operation, body)
        except BadAnswer:
            return Failure(Code.BAD_RESPONSE, reply.status)
        self._succeeded(choice, attempt.first_at, attempt)
        record.status, record.outcome = 200, Outcome.COMPLETE
        own = answer.own(record, target.model_header)
        self.outlet.whole(200, answer.JSON + answer.carried(reply.headers) + own, body)
        return None

    async def _stream(self, choice: Choice, reply: Reply, attempt: Attempt) -> Failure | None:
        if not (reply.header(b"content-type") or b"").lower().startswith(b"text/event-stream"):
            return Failure(Code.BAD_RESPONSE, reply.status)
        head, record, outlet = self._ask.head, self.record, self.outlet
        target = choice.target

        def commit() -> None:
            now = time.monotonic()
            self._succeeded(choice, now, attempt)
            record.status = 200
            if not outlet.started:  # or a heartbeat has begun it already
                own = answer.own(record, target.model_header, now - attempt.started_at)
                outlet.begin(200, answer.EVENTS + answer.carried(reply.headers) + own)
                outlet.events = True
            outlet.draw_from(reply)

        watch = Watch(withhold_usage=not head.wants_usage, choices=head.choices)
        tap = EventTap(self._kept or outlet, reply, watch, attempt, target.timeouts.idle_s, commit)
        reply.push_to(tap)
        try:
            ending = await tap.ending
        finally:
            attempt.usage, attempt.tokens = watch.usage, watch.tokens
            if not attempt.lost:
                record.usage = watch.usage
        if ending is None:
            record.outcome = Outcome.COMPLETE
            return None
        failure = Failure(ending, reply.status)
        if not tap.committed:
            return failure
        if self._kept is not None and self._kept.breaks():
            return failure
        attempt.failure = ending
        self._interrupt(failure)
        return None

    def _succeeded(self, choice: Choice, now: float, attempt: Attempt) -> None:
        if self.race is not None:
            self.race.won(attempt)
        health = choice.target.health
        health.succeeded(now)
        if choice.route.learns:
            health.pulse.first_content(now, now - attempt.started_at)

    def _interrupt(self, failure: Failure) -> None:
        """A failure after the commit: told in the stream, which then never looks whole."""
        error = verdict([failure])
        self.record.failed(error.code, self.record.status)
        self.outlet.end(answer.error_event(error), keep=False)
