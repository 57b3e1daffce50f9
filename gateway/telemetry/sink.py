"""A finished record, told: every counter and histogram it feeds, and its one log line."""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.chat.usage import Usage
from gateway.errors import SITUATIONS, Code
from gateway.telemetry.charges import Charge, charges, usd
from gateway.telemetry.ledger import Ledger
from gateway.telemetry.logs import Log, shown
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.record import Attempt, Outcome, Record
from gateway.telemetry.series import AllSeries
from gateway.telemetry.usual import Unasked, Usual


class _Line(msgspec.Struct, omit_defaults=True, gc=False):
    ts: str
    level: str
    event: str
    id: str
    operation: str
    model: str
    status: int
    outcome: str
    duration_s: float
    tenant: str = ""
    key: str = ""
    client_id: str | None = None
    stream: bool = False
    backend: str = ""
    target: str = ""
    attempts: int = 0
    first_content_s: float | None = None
    limit_wait_s: float | None = None
    overhead_s: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None
    sent_bytes: int = 0
    cache: str = ""
    cache_key: str = ""
    code: str | None = None
    origin: str | None = None
    config: str = ""


class _FailedAttempt(msgspec.Struct, omit_defaults=True, gc=False):
    ts: str
    level: str
    event: str
    id: str
    model: str
    backend: str
    target: str
    code: str
    duration_s: float
    status: int | None = None


MAX_USUAL: Final = 1000  # combinations whose parts are kept ready


class Sink:
    def __init__(self, metrics: Metrics, log: Log) -> None:
        self.metrics = metrics
        self.log = log
        self._series = AllSeries(metrics)
        self._usual: dict[tuple[object, ...], Usual] = {}
        self._unasked: dict[tuple[object, ...], Unasked] = {}
        self.ledger: Ledger | None = None
        self._open = metrics.number("gateway_open_exchanges")
        self._streams = metrics.number("gateway_open_streams")

    @property
    def open_exchanges(self) -> int:
        return int(self._open.value)

    def started(self, record: Record) -> None:
        self._open.value += 1

    def streaming(self, record: Record) -> None:
        record.stream = True
        self._streams.value += 1

    def finished(self, record: Record) -> None:
        """Once an exchange, however it ended; after its last byte."""
        self._open.value -= 1
        if record.stream:
            self._streams.value -= 1
        self.told(record)

    def told(self, record: Record) -> None:
        """A record that was never started: refused before there was an exchange."""
        tries = len(record.attempts)
        if (
            record.outcome is not Outcome.COMPLETE
            or not self.log.json
            or tries > 1
            or record.limit_wait_s
        ):
            self._tell_any(record)
        elif not tries:
            self._tell_unasked(record)
        elif record.usage is not None:
            self._tell_usual(record, record.attempts[0])
        else:
            self._tell_any(record)

    def _tell_any(self, record: Record) -> None:
        operation = record.asked_for
        requests, duration = self._series.of_requests(record, operation)
        requests.value += 1
        duration_s = record.ended_at - record.started_at
        duration.observe(duration_s)
        charged = tuple(charges(record))
        if record.attempts:
            self._series.overhead.observe(duration_s - record.waited_s)
            self._tell_attempts(record, operation)
            for charge in charged:
                self._tell_charge(record, charge, operation)
                if self.ledger is not None:
                    self.ledger.enter(record, charge)
        if record.code is not None:
            origin = SITUATIONS[record.code].origin.value
            self.metrics.number("gateway_errors_total", record.code.value, origin).value += 1
        if self.log.wants("info"):
            self._log(record, operation, duration_s, charged)

    def _tell_unasked(self, record: Record) -> None:
        key = (
            record.operation,
            record.model,
            record.status,
            record.stream,
            record.cache,
            record.tenant,
            record.key,
            record.config,
        )
        unasked = self._unasked.get(key)
        if unasked is None:
            if len(self._unasked) >= MAX_USUAL:
                self._unasked.clear()
            series = self._series.of_requests(record, record.asked_for)
            unasked = self._unasked[key] = Unasked(*series, record)
        unasked.count(record)
        if self.log.wants("info"):
            self.log.line(unasked.line(self.log.now(), record))

    def _tell_usual(self, record: Record, attempt: Attempt) -> None:
        key = (
            record.operation,
            record.model,
            record.status,
            record.stream,
            record.cache,
            record.tenant,
            record.key,
            record.config,
            attempt.provider,
            attempt.backend,
            attempt.model,
        )
        usual = self._usual.get(key)
        if usual is None:
            if len(self._usual) >= MAX_USUAL:
                self._usual.clear()
            series = self._series.of_usual(record, attempt)
            usual = self._usual[key] = Usual(series, record, shown(attempt.model))
        first_at = attempt.ended_at if attempt.first_at is None else attempt.first_at
        cost = usd(attempt, record.usage)
        usual.count(record, attempt, first_at - attempt.started_at, cost)
        if self.ledger is not None:
            self.ledger.enter(record, Charge(attempt, 1, record.usage, False, cost))
        if self.log.wants("info"):
            self.log.line(usual.line(self.log.now(), record, first_at - record.started_at, cost))

    def _tell_attempts(self, record: Record, operation: str) -> None:
        before: Attempt | None = None
        for attempt in record.attempts:
            if before is not None:
                self._tell_repeat(record, before, attempt)
            before = attempt
            series = self._series.of_attempt(attempt, record, operation)
            duration_s = attempt.ended_at - attempt.started_at
            if attempt.lost:
                self._tell_lost(record, attempt)
                continue
            if attempt.failure is None:
                series.complete.value += 1
                series.duration.observe(duration_s)
            else:
                self._tell_failure(record, attempt, operation, duration_s)
            if attempt.first_at is not None and record.stream:
                series.first.observe(attempt.first_at - attempt.started_at)
                if attempt.chunks > 1:
                    gap_s = (attempt.ended_at - attempt.first_at) / (attempt.chunks - 1)
                    series.gap.observe(gap_s)

    def _tell_charge(self, record: Record, charge: Charge, operation: str) -> None:
        total = self._series.of_key(record.key)
        provider, usage = charge.attempt.provider, charge.usage
        if usage is not None:
            series = self._series.of_attempt(charge.attempt, record, operation)
            series.input.observe(usage.input)
            series.output.observe(usage.output)
            total.input.value += usage.input
            total.output.value += usage.output
        if charge.estimated:
            self.metrics.number("gateway_usage_estimated_total", record.model).value += 1
        if charge.usd is None:
            self.metrics.number("gateway_unpriced_total", record.model, provider).value += 1
        else:
            total.cost.value += charge.usd
            self.metrics.number(
                "gateway_cost_usd_total", record.model, provider
            ).value += charge.usd

    def _tell_lost(self, record: Record, attempt: Attempt) -> None:
        """Of a race: it was won by the second if the loser had begun before it."""
        won = attempt.started_at < record.attempts[-1].started_at
        self.metrics.number("gateway_upstream_attempts_total", attempt.backend, "lost").value += 1
        outcome = "won" if won else "lost"
        self.metrics.number("gateway_hedges_total", record.model, outcome).value += 1

    def _tell_repeat(self, record: Record, before: Attempt, attempt: Attempt) -> None:
        """The same target again is a retry, another one a fallback; a race is neither."""
        if before.lost or before.failure is None:
            return
        if before.first_at is not None and record.stream:
            outcome = "complete" if attempt.failure is None else "failed"
            self.metrics.number("gateway_continuations_total", record.model, outcome).value += 1
        if (before.backend, before.model) == (attempt.backend, attempt.model):
            reason = before.failure.value
            number = self.metrics.number("gateway_retries_total", record.model, reason)
        else:
            number = self.metrics.number("gateway_fallbacks_total", before.backend, attempt.backend)
        number.value += 1

    def _tell_failure(
        self, record: Record, attempt: Attempt, operation: str, duration_s: float
    ) -> None:
        code = attempt.failure or Code.INTERNAL
        metrics = self.metrics
        metrics.number("gateway_upstream_attempts_total", attempt.backend, code.value).value += 1
        metrics.histogram(
            "gen_ai_client_operation_duration_seconds",
            operation,
            attempt.provider,
            record.model,
            code.value,
        ).observe(duration_s)
        if attempt.first_at is not None and record.stream:
            cause = record.code or code  # the gateway's own reason, where it has ended the stream
            metrics.number(
                "gateway_streams_interrupted_total", attempt.backend, cause.value
            ).value += 1
        if code is not Code.CLIENT_CLOSED and self.log.wants("warning"):
            self.log.struct(
                _FailedAttempt(
                    ts=self.log.now(),
                    level="warning",
                    event="attempt_failed",
                    id=record.id,
                    model=record.model,
                    backend=attempt.backend,
                    target=shown(attempt.model),
                    code=code.value,
                    duration_s=_micros(duration_s),
                    status=attempt.status,
                )
            )

    def _log(
        self, record: Record, operation: str, duration_s: float, charged: Sequence[Charge]
    ) -> None:
        last = record.attempts[-1] if record.attempts else None
        first_at = None if last is None else last.first_at
        code = record.code
        usage, cost = _taken(charged)
        self.log.struct(
            _Line(
                ts=self.log.now(),
                level="info",
                event="exchange",
                id=record.id,
                operation=operation,
                model=record.model,
                status=record.status,
                outcome=record.outcome,
                duration_s=_micros(duration_s),
                tenant=record.tenant,
                key=record.key,
                client_id=record.client_id,
                stream=record.stream,
                backend="" if last is None else last.backend,
                target="" if last is None else shown(last.model),
                attempts=len(record.attempts),
                first_content_s=None if first_at is None else _micros(first_at - record.started_at),
                limit_wait_s=_micros(record.limit_wait_s) if record.limit_wait_s else None,
                overhead_s=_micros(duration_s - record.waited_s) if record.attempts else 0.0,
                input_tokens=None if usage is None else usage.input,
                output_tokens=None if usage is None else usage.output,
                cached_tokens=0 if usage is None else usage.cached,
                cache_write_tokens=0 if usage is None else usage.cache_write,
                reasoning_tokens=0 if usage is None else usage.reasoning,
                cost_usd=cost,
                sent_bytes=record.sent_bytes,
                cache=record.cache,
                cache_key=record.cache_key,
                code=None if code is None else code.value,
                origin=None if code is None else SITUATIONS[code].origin.value,
                config=record.config,
            )
        )


def _taken(charged: Sequence[Charge]) -> tuple[Usage | None, float | None]:
    """What an exchange's attempts took together. Without any price known, there is none."""
    used = [charge.usage for charge in charged if charge.usage is not None]
    prices = [charge.usd for charge in charged if charge.usd is not None]
    names = Usage.__struct_fields__
    sums = {name: sum(getattr(usage, name) for usage in used) for name in names}
    return Usage(**sums) if used else None, float(f"{sum(prices):.9g}") if prices else None


def _micros(seconds: float) -> float:
    """Seconds to the microsecond; round() would spell the number out to do so."""
    return int(seconds * 1e6) / 1e6
