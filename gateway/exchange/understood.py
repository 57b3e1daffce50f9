"""An answer that is understood: read whole and checked, or every event of its stream.

A failure before the first content leaves another target to be tried; behind it, it is told in the
stream, which then never looks whole.
"""

import time
from typing import Final

from gateway.chat.deltas import Begin
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.base import BadAnswer, ClientDialect, Watch
from gateway.dialects.translation import Translated, Translation
from gateway.errors import Code
from gateway.exchange import answer
from gateway.exchange.ask import Ask, losses, wire_request
from gateway.exchange.attempts import close
from gateway.exchange.continuing import Kept, continuable
from gateway.exchange.course import Choice
from gateway.exchange.metering import Meter
from gateway.exchange.race import Race
from gateway.exchange.taps import EventTap, Outlet
from gateway.policy.failures import Failure, verdict
from gateway.runtime.snapshot import Target
from gateway.runtime.ways import Across, Plain, Way
from gateway.telemetry.record import Attempt, Outcome, Record
from gateway.upstream.pool import WireRequest
from gateway.upstream.reply import Reply
from gateway.wire import json

MAX_ANSWER: Final = 64 * 1024 * 1024  # bytes of a whole answer


class Understood:
    """One understood request, at whatever target it is tried."""

    __slots__ = ("_ask", "_kept", "answered", "meter", "outlet", "race", "record", "teller")

    repeatable = True

    def __init__(
        self, ask: Ask, outlet: Outlet, record: Record, teller: ClientDialect | None = None
    ) -> None:
        """teller: whose words a translated answer is written in; None: the client's."""
        self._ask = ask
        self.teller = teller
        self.outlet = outlet
        self.record = record
        self.race: Race | None = None
        self.meter: Meter | None = None
        self.answered: Choice | None = None  # who has content
        self._kept: Kept | None = None  # what has been said of a stream that may be continued
        if ask.stream:
            outlet.voice, outlet.beat = ask.client, ask.client.heartbeat
            outlet.promised = answer.promised(record)
            if ask.route.continuation.enabled and continuable(ask):
                self._kept = Kept(outlet, ask.route.continuation.max)

    def fits(self, target: Target) -> bool:
        broken = self._kept is not None and self._kept.broken
        return target.backend.continues_prefix or not broken

    def request(self, choice: Choice) -> WireRequest:
        """Raises GatewayError where the target cannot be told all of it."""
        ask = self._ask
        broken = self._kept is not None and self._kept.broken
        if choice.route is not ask.route or broken:
            fields = self._kept.continued(ask) if self._kept is not None and broken else None
            ask = ask.on(choice.route, fields)
        lost = losses(ask)
        request = wire_request(ask, choice.target, lost)
        self.record.dropped = lost.dropped
        return request

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
            body, usage = self._read(choice.target, body)
            record.usage = attempt.usage = usage
        except BadAnswer:
            return Failure(Code.BAD_RESPONSE, reply.status)
        self._succeeded(choice, attempt.first_at, attempt)
        record.status, record.outcome = 200, Outcome.COMPLETE
        own = answer.own(record, target.model_header)
        self.outlet.whole(200, answer.JSON + answer.carried(reply.headers, record) + own, body)
        return None

    def _read(self, target: Target, body: bytes) -> tuple[bytes, Usage | None]:
        """A whole answer, checked, in the client's language. Raises BadAnswer."""
        way = target.ways[self._ask.operation]
        if isinstance(way, Plain):
            return body, way.upstream.read_answer(body)
        answer, usage = self._translation(way).answer(_document(body), self._asked(), self._ours())
        return json.write(answer), usage

    async def _stream(self, choice: Choice, reply: Reply, attempt: Attempt) -> Failure | None:
        target, record, outlet = choice.target, self.record, self.outlet
        way = target.ways[self._ask.operation]
        if not (reply.header(b"content-type") or b"").lower().startswith(way.stream_type):
            return Failure(Code.BAD_RESPONSE, reply.status)
        watch = self._watch(way)

        def commit() -> None:
            now = time.monotonic()
            self._succeeded(choice, now, attempt)
            record.status = 200
            if not outlet.started:  # or a heartbeat has begun it already
                own = answer.own(record, target.model_header, now - attempt.started_at)
                outlet.begin(200, answer.EVENTS + answer.carried(reply.headers, record) + own)
                outlet.events = True
            if isinstance(watch, Translated):
                outlet.voice = watch
            outlet.draw_from(reply)

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

    def _watch(self, way: Way) -> Watch:
        if isinstance(way, Plain):
            return way.upstream.watch(self._ask.head)
        return self._translation(way).stream(self._asked(), self._ours())

    def _translation(self, way: Across) -> Translation:
        return way.translation if self.teller is None else way.translation.told_by(self.teller)

    @property
    def translated(self) -> bool:
        """Whether the answer came in another language than the client's."""
        if self.answered is None:
            return False
        return isinstance(self.answered.target.ways[self._ask.operation], Across)

    def _ours(self) -> Begin:
        """What is said of an answer that has no id, model or time of its own."""
        id = self.record.id.removeprefix("req_")
        return Begin(f"gen-{id}", self._ask.head.model, int(time.time()))

    def _asked(self) -> Document:
        """What the client asked for, in the lingua franca."""
        return self._ask.read(losses(self._ask))

    def _succeeded(self, choice: Choice, now: float, attempt: Attempt) -> None:
        if self.race is not None:
            self.race.won(attempt)
        self.answered = choice
        health = choice.target.health
        health.succeeded(now)
        if choice.route.learns:
            health.pulse.first_content(now, now - attempt.started_at)

    def _interrupt(self, failure: Failure) -> None:
        """A failure after the commit: told in the stream, which then never looks whole."""
        error = verdict([failure])
        self.record.failed(error.code, self.record.status)
        self.outlet.end(self.outlet.voice.error_event(error), keep=False)


def _document(body: bytes) -> Document:
    """Raises BadAnswer."""
    try:
        return json.document(body)
    except json.JsonError as error:
        raise BadAnswer(str(error)) from None
