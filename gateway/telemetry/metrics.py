"""Every metric with its labels and buckets, as plain numbers until somebody scrapes.

A series is a slot or a list of buckets that the hot path adds to; exposition is made at scrape
time. Labels are configured names or closed vocabularies: nothing that a caller writes becomes one.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()
    joined: Literal["sum", "max", "min"] = "sum"  # how several processes' gauges become one


def _powers(first: float, factor: float, number: int) -> tuple[float, ...]:
    return tuple(first * factor**step for step in range(number))


_SECONDS: Final = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
    163.84,
    327.68,
    655.36,
)
_FIRST: Final = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    30.0,
    60.0,
)
_GAPS: Final = (
    0.001,
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    2.5,
)
_OVERHEAD: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
_SHARES: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_TOKENS: Final = _powers(1, 4, 13)

# gen_ai_*: OpenTelemetry's GenAI names (status: development), all in this one table.
METRICS: Final[dict[str, Definition]] = {
    "gen_ai_client_operation_duration_seconds": Definition(
        "histogram",
        "One attempt at a backend.",
        ("operation", "provider", "model", "error_type"),
        _SECONDS,
    ),
    "gen_ai_client_token_usage": Definition(
        "histogram",
        "Tokens of one answer.",
        ("operation", "provider", "model", "token_type"),
        _TOKENS,
    ),
    "gen_ai_client_operation_time_to_first_chunk_seconds": Definition(
        "histogram",
        "From the attempt to its first content.",
        ("operation", "provider", "model"),
        _FIRST,
    ),
    "gen_ai_client_operation_time_per_output_chunk_seconds": Definition(
        "histogram",
        "The mean gap between the chunks of one answer.",
        ("operation", "provider", "model"),
        _GAPS,
    ),
    "gateway_requests_total": Definition(
        "counter", "Exchanges that have ended.", ("operation", "model", "status_class")
    ),
    "gateway_request_duration_seconds": Definition(
        "histogram",
        "From the request read to its answer's last byte.",
        ("operation", "model"),
        _SECONDS,
    ),
    "gateway_overhead_seconds": Definition(
        "histogram",
        "The duration less the time spent waiting for backends, and for room in limits.",
        ("phase",),
        _OVERHEAD,
    ),
    "gateway_errors_total": Definition("counter", "Errors told to clients.", ("code", "origin")),
    "gateway_upstream_attempts_total": Definition(
        "counter", "Attempts at backends.", ("backend", "outcome")
    ),
    "gateway_retries_total": Definition(
        "counter", "Attempts that followed a failed one at the same target.", ("model", "reason")
    ),
    "gateway_fallbacks_total": Definition(
        "counter", "Attempts that followed a failed one at another target.", ("from", "to")
    ),
    "gateway_hedges_total": Definition(
        "counter", "Second targets asked because the first took long.", ("model", "outcome")
    ),
    "gateway_continuations_total": Definition(
        "counter", "Broken streams that another target was to continue.", ("model", "outcome")
    ),
    "gateway_cache_requests_total": Definition(
        "counter", "Requests of models that remember, by what came of it.", ("model", "result")
    ),
    "gateway_cache_bypass_total": Definition(
        "counter", "Requests that could not be remembered, by why.", ("model", "reason")
    ),
    "gateway_cache_saved_tokens_total": Definition(
        "counter", "Tokens that hits and shared calls did not cost.", ("model", "type")
    ),
    "gateway_cache_saved_usd_total": Definition(
        "counter", "Dollars that hits and shared calls did not cost.", ("model",)
    ),
    "gateway_cache_bytes": Definition("gauge", "What this process remembers."),
    "gateway_cache_faults_total": Definition(
        "counter", "Values that were odd, not found in time, or not kept.", ("kind",)
    ),
    "gateway_cache_verifications_total": Definition(
        "counter", "Hits that were asked again, by how equal the answer was.", ("model", "result")
    ),
    "gateway_cache_verification_agreement": Definition(
        "histogram",
        "Of answers that were not the same again: how much of them was, from the beginning.",
        ("model",),
        _SHARES,
    ),
    "gateway_cache_fingerprint_changes_total": Definition(
        "counter", "Hits whose backend has another system_fingerprint by now.", ("model",)
    ),
    "gateway_shadows_total": Definition(
        "counter", "Copies of requests for another target.", ("model", "outcome")
    ),
    "gateway_shed_total": Definition(
        "counter", "Requests and connections refused for lack of room.", ("reason",)
    ),
    "gateway_streams_interrupted_total": Definition(
        "counter", "Streams that ended without being complete.", ("backend", "cause")
    ),
    "gateway_usage_tokens_total": Definition("counter", "Tokens used.", ("key", "token_type")),
    "gateway_backend_inflight": Definition("gauge", "Requests at a backend.", ("backend",)),
    "gateway_backend_queue_depth": Definition(
        "gauge", "Requests waiting for a place at a backend.", ("backend",)
    ),
    "gateway_backend_up": Definition(
        "gauge", "0 for a backend that active checks find down.", ("backend",), joined="min"
    ),
    "gateway_backend_credential_refused": Definition(
        "gauge", "1 while a backend refuses our credential.", ("backend",), joined="max"
    ),
    "gateway_circuit_state": Definition(
        "gauge",
        "0 for a closed circuit, 1 for a half-open, 2 for an open one.",
        ("backend", "target"),
        joined="max",
    ),
    "gateway_upstream_hold_seconds": Definition(
        "gauge",
        "How long a target is still left alone because a limit of its is reached.",
        ("backend", "target"),
        joined="max",
    ),
    "gateway_usage_cost_usd_total": Definition("counter", "Dollars of a key.", ("key",)),
    "gateway_cost_usd_total": Definition(
        "counter", "What backends' answers cost by our prices, in dollars.", ("model", "provider")
    ),
    "gateway_usage_estimated_total": Definition(
        "counter", "Answers whose tokens we counted, since the backend did not say.", ("model",)
    ),
    "gateway_unpriced_total": Definition(
        "counter", "Answers whose price is not known.", ("model", "provider")
    ),
    "gateway_price_table_age_seconds": Definition(
        "gauge", "How long ago the built-in prices were collected.", joined="max"
    ),
    "gateway_dns_errors_total": Definition(
        "counter", "Lookups of a backend's host name that failed.", ("backend",)
    ),
    "gateway_upstream_stale_total": Definition(
        "counter", "Requests repeated because an idle connection had died.", ("backend",)
    ),
    "gateway_open_exchanges": Definition("gauge", "Exchanges under way."),
    "gateway_open_streams": Definition("gauge", "Streamed answers under way."),
    "gateway_open_connections": Definition("gauge", "Client connections."),
    "gateway_ratelimit_decisions_total": Definition(
        "counter", "What limits have said to exchanges, by whose limits.", ("scope", "result")
    ),
    "gateway_limit_waiting": Definition(
        "gauge", "Requests waiting for room in a limit, by their class.", ("class",)
    ),
    "gateway_limit_waits_total": Definition(
        "counter",
        "Requests that have waited for room in a limit: granted, refused, or left by the client.",
        ("class", "result"),
    ),
    "gateway_limit_wait_seconds": Definition(
        "histogram", "How long they waited, whatever came of it.", ("class",), _SECONDS
    ),
    "gateway_store_degraded": Definition(
        "gauge", "1 while the shared store is away and its stand-in decides.", joined="max"
    ),
    "gateway_store_operation_seconds": Definition(
        "histogram", "Calls of the shared store.", ("op", "result"), _OVERHEAD
    ),
    "gateway_store_errors_total": Definition(
        "counter", "Calls that the shared store did not answer as it should.", ("op", "kind")
    ),
    "gateway_draining": Definition("gauge", "1 while the gateway is about to stop.", joined="max"),
    "gateway_config_info": Definition(
        "gauge", "1 for the config in force.", ("hash",), joined="max"
    ),
    "gateway_config_last_reload_successful": Definition(
        "gauge", "0 after a config was rejected.", joined="min"
    ),
    "gateway_config_last_reload_timestamp_seconds": Definition(
        "gauge", "When a config came into force.", joined="max"
    ),
    "gateway_config_reloads_total": Definition(
        "counter", "Changes of the config file seen.", ("result",)
    ),
    "gateway_keys": Definition("gauge", "Keys of the keys file that are good.", joined="max"),
    "gateway_keys_reloads_total": Definition("counter", "Changes of the keys file.", ("result",)),
    "gateway_ledger_dropped_total": Definition(
        "counter", "Ledger entries lost because the file could not be written for too long."
    ),
    "gateway_ledger_waiting": Definition("gauge", "Ledger entries that are not in the file yet."),
    "gateway_log_dropped_total": Definition("counter", "Log lines lost because nobody took them."),
    "gateway_event_loop_lag_seconds": Definition(
        "gauge", "How late the event loop last woke.", joined="max"
    ),
    "gateway_workers_live": Definition("gauge", "Workers that serve, under a supervisor."),
    "gateway_worker_restarts_total": Definition("counter", "Workers that died and were replaced."),
    "gateway_build_info": Definition(
        "gauge", "1 for this version.", ("version", "python"), joined="max"
    ),
}


_JOINS: Final[dict[str, Callable[[list[float]], float]]] = {"sum": sum, "max": max, "min": min}


class Number:
    """One series of a counter or gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0


class Histogram:
    """One series of a histogram: counts per bucket, not cumulated."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Metrics:
    """All series of one process. A series exists once it has been asked for."""

    def __init__(self) -> None:
        self.numbers: dict[str, dict[Labels, Number]] = {}
        self.histograms: dict[str, dict[Labels, Histogram]] = {}
        for name, definition in METRICS.items():
            if definition.kind == "histogram":
                self.histograms[name] = {}
            else:
                self.numbers[name] = {}

    def number(self, name: str, *labels: str) -> Number:
        series = self.numbers[name]
        found = series.get(labels)
        if found is None:
            found = series[labels] = Number()
        return found

    def histogram(self, name: str, *labels: str) -> Histogram:
        series = self.histograms[name]
        found = series.get(labels)
        if found is None:
            found = series[labels] = Histogram(METRICS[name].buckets)
        return found

    def only(self, name: str, *labels: str) -> Number:
        """The one series of an info gauge: earlier ones go."""
        self.clear(name)
        return self.number(name, *labels)

    def add_counts(self, other: "Metrics") -> None:
        """Takes over what another process counted that is no more; its gauges went with it."""
        for name, series in other.numbers.items():
            if METRICS[name].kind == "counter":
                for labels, number in series.items():
                    self.number(name, *labels).value += number.value
        for name, histograms in other.histograms.items():
            for labels, histogram in histograms.items():
                own = self.histogram(name, *labels)
                own.counts = [a + b for a, b in zip(own.counts, histogram.counts, strict=True)]
                own.sum += histogram.sum

    def clear(self, name: str) -> None:
        """Forgets a gauge's series: what is still there is about to be measured again."""
        self.numbers[name].clear()


class _Exposition(Collector):
    """Works beside the loop: it copies each table of series, in one step, before it looks."""

    def __init__(self, metrics: Sequence[Metrics]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        for name, definition in METRICS.items():
            if definition.kind == "histogram":
                yield self._histograms(name, definition)
            else:
                yield self._numbers(name, definition)

    def _numbers(self, name: str, definition: Definition) -> Metric:
        counter = definition.kind == "counter"
        kind = CounterMetricFamily if counter else GaugeMetricFamily
        family = kind(name.removesuffix("_total"), definition.help, labels=definition.labels)
        values: dict[Labels, list[float]] = {}
        for metrics in self._metrics:
            for labels, number in metrics.numbers[name].copy().items():
                values.setdefault(labels, []).append(number.value)
        join = _JOINS[definition.joined]
        for labels, several in values.items():
            family.add_metric(labels, join(several))
        return family

    def _histograms(self, name: str, definition: Definition) -> Metric:
        family = HistogramMetricFamily(name, definition.help, labels=definition.labels)
        bounds = [*map(str, definition.buckets), "+Inf"]
        sums: dict[Labels, tuple[list[int], float]] = {}
        for metrics in self._metrics:
            for labels, histogram in metrics.histograms[name].copy().items():
                counts, total = sums.get(labels, ([0] * len(bounds), 0.0))
                added = [a + b for a, b in zip(counts, histogram.counts, strict=True)]
                sums[labels] = (added, total + histogram.sum)
        for labels, (counts, total) in sums.items():
            running, buckets = 0, []
            for bound, number in zip(bounds, counts, strict=True):
                running += number
                buckets.append((bound, float(running)))
            family.add_metric(labels, buckets, total)
        return family


def exposition(metrics: Sequence[Metrics]) -> bytes:
    """The text that Prometheus scrapes; several processes' series are added up."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Exposition(metrics))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
