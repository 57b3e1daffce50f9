"""The series that exchanges feed: found by what an exchange is, made once."""

from typing import Final

from gateway.errors import SITUATIONS
from gateway.telemetry.metrics import Histogram, Metrics, Number
from gateway.telemetry.record import OTHER, Attempt, Outcome, Record
from gateway.telemetry.usual import Series

MAX_KEYS: Final = 200  # with series of their own; further ones share OTHER
_STATUS_CLASSES: Final = {2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}


class Requests:
    """The series of one operation and model."""

    __slots__ = ("classes", "duration")

    def __init__(self, metrics: Metrics, operation: str, model: str) -> None:
        self.duration = metrics.histogram("gateway_request_duration_seconds", operation, model)
        self.classes: dict[str, Number] = {}


class Attempts:
    """The series of one operation, backend and model."""

    __slots__ = ("complete", "duration", "first", "gap", "input", "output")

    def __init__(
        self, metrics: Metrics, operation: str, provider: str, backend: str, model: str
    ) -> None:
        labels = (operation, provider, model)
        self.complete = metrics.number("gateway_upstream_attempts_total", backend, "complete")
        self.duration = metrics.histogram("gen_ai_client_operation_duration_seconds", *labels, "")
        self.first = metrics.histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds", *labels
        )
        self.gap = metrics.histogram(
            "gen_ai_client_operation_time_per_output_chunk_seconds", *labels
        )
        self.input = metrics.histogram("gen_ai_client_token_usage", *labels, "input")
        self.output = metrics.histogram("gen_ai_client_token_usage", *labels, "output")


class KeyUsage:
    """The series of one key."""

    __slots__ = ("cost", "input", "output")

    def __init__(self, metrics: Metrics, key: str) -> None:
        self.cost = metrics.number("gateway_usage_cost_usd_total", key)
        self.input = metrics.number("gateway_usage_tokens_total", key, "input")
        self.output = metrics.number("gateway_usage_tokens_total", key, "output")


class AllSeries:
    """Those of one process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._requests: dict[tuple[str, str], Requests] = {}
        self._attempts: dict[tuple[str, str, str, str], Attempts] = {}
        self._keys: dict[str, KeyUsage] = {}
        self.overhead: Histogram = metrics.histogram("gateway_overhead_seconds", "total")

    def of_requests(self, record: Record, operation: str) -> tuple[Number, Histogram]:
        key = (operation, record.model)
        series = self._requests.get(key)
        if series is None:
            series = self._requests[key] = Requests(self._metrics, operation, record.model)
        status_class = _status_class(record)
        number = series.classes.get(status_class)
        if number is None:
            number = series.classes[status_class] = self._metrics.number(
                "gateway_requests_total", operation, record.model, status_class
            )
        return number, series.duration

    def of_key(self, key: str) -> KeyUsage:
        known = self._keys.get(key)
        if known is None:
            name = key if len(self._keys) < MAX_KEYS else OTHER
            known = self._keys[name] = self._keys.get(name) or KeyUsage(self._metrics, name)
        return known

    def of_attempt(self, attempt: Attempt, record: Record, operation: str) -> Attempts:
        key = (operation, attempt.provider, attempt.backend, record.model)
        series = self._attempts.get(key)
        if series is None:
            series = self._attempts[key] = Attempts(
                self._metrics, operation, attempt.provider, attempt.backend, record.model
            )
        return series

    def of_usual(self, record: Record, attempt: Attempt) -> Series:
        operation = record.asked_for
        attempts = self.of_attempt(attempt, record, operation)
        usage = self.of_key(record.key)
        priced, costs = attempt.price is not None, (record.model, attempt.provider)
        requests, duration = self.of_requests(record, operation)
        return Series(
            requests=requests,
            complete=attempts.complete,
            input_tokens=usage.input,
            output_tokens=usage.output,
            cost=self._metrics.number("gateway_cost_usd_total", *costs) if priced else None,
            key_cost=usage.cost,
            unpriced=None if priced else self._metrics.number("gateway_unpriced_total", *costs),
            duration=duration,
            overhead=self.overhead,
            attempt=attempts.duration,
            first=attempts.first,
            gap=attempts.gap,
            input=attempts.input,
            output=attempts.output,
        )


def _status_class(record: Record) -> str:
    """An answer that failed behind its head counts as what went wrong, not as the 200 it began."""
    if record.outcome is Outcome.CANCELLED:
        return "cancelled"
    status = record.status
    if record.outcome is Outcome.ERROR and record.code is not None and status < 400:
        status = SITUATIONS[record.code].status
    if status == 429:
        return "429"
    return _STATUS_CLASSES.get(status // 100, "5xx")
