"""Numbers added up, told in Prometheus's own words: names, labels and buckets as promised."""

import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from gateway.telemetry.metrics import METRICS, Metrics, exposition

HISTOGRAMS = {name: one for name, one in METRICS.items() if one.kind == "histogram"}

# Name, labels, first and last bucket, as the design has them.
PROMISED = [
    (
        "gen_ai_client_operation_duration_seconds",
        ("operation", "provider", "model", "error_type"),
        (0.01, 655.36),
    ),
    (
        "gen_ai_client_token_usage",
        ("operation", "provider", "model", "token_type"),
        (1, 16_777_216),
    ),
    (
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        ("operation", "provider", "model"),
        (0.001, 60),
    ),
    (
        "gen_ai_client_operation_time_per_output_chunk_seconds",
        ("operation", "provider", "model"),
        (0.001, 2.5),
    ),
    ("gateway_request_duration_seconds", ("operation", "model"), (0.01, 655.36)),
    ("gateway_overhead_seconds", ("phase",), (0.0001, 0.25)),
    ("gateway_requests_total", ("operation", "model", "status_class"), ()),
    ("gateway_errors_total", ("code", "origin"), ()),
    ("gateway_upstream_attempts_total", ("backend", "outcome"), ()),
    ("gateway_fallbacks_total", ("from", "to"), ()),
    ("gateway_streams_interrupted_total", ("backend", "cause"), ()),
    ("gateway_usage_tokens_total", ("key", "token_type"), ()),
    ("gateway_backend_inflight", ("backend",), ()),
    ("gateway_backend_queue_depth", ("backend",), ()),
    ("gateway_config_info", ("hash",), ()),
    ("gateway_config_last_reload_successful", (), ()),
    ("gateway_config_last_reload_timestamp_seconds", (), ()),
    ("gateway_config_reloads_total", ("result",), ()),
    ("gateway_draining", (), ()),
    ("gateway_open_streams", (), ()),
    ("gateway_event_loop_lag_seconds", (), ()),
    ("gateway_log_dropped_total", (), ()),
]


def samples(*metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(exposition(metrics).decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(("name", "labels", "ends"), PROMISED, ids=[row[0] for row in PROMISED])
def test_a_metric_is_named_labelled_and_cut_as_promised(
    name: str, labels: tuple[str, ...], ends: tuple[float, ...]
) -> None:
    definition = METRICS[name]
    assert definition.labels == labels
    assert definition.buckets[:1] + definition.buckets[-1:] == pytest.approx(ends)


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_a_histogram_has_rising_buckets_and_no_label_that_grows(name: str) -> None:
    buckets = HISTOGRAMS[name].buckets
    assert list(buckets) == sorted(set(buckets))
    assert not {"key", "tenant", "user", "id", "hash"} & set(HISTOGRAMS[name].labels)


def test_counters_are_named_as_counters() -> None:
    assert all((one.kind == "counter") == name.endswith("_total") for name, one in METRICS.items())


def test_a_series_is_one_slot() -> None:
    metrics = Metrics()
    metrics.number("gateway_config_reloads_total", "applied").value += 1
    metrics.number("gateway_config_reloads_total", "applied").value += 1
    metrics.number("gateway_config_reloads_total", "rejected").value += 5
    told = samples(metrics)
    assert told["gateway_config_reloads_total", frozenset({("result", "applied")})] == 2
    assert told["gateway_config_reloads_total", frozenset({("result", "rejected")})] == 5


def test_a_histogram_adds_up_its_buckets_and_a_bound_belongs_to_its_own() -> None:
    metrics = Metrics()
    for value in (0.0, 0.0001, 0.00011, 99.0):
        metrics.histogram("gateway_overhead_seconds", "total").observe(value)
    told = samples(metrics)

    def bucket(bound: str) -> float:
        labels = frozenset({("phase", "total"), ("le", bound)})
        return told["gateway_overhead_seconds_bucket", labels]

    assert [bucket(bound) for bound in ("0.0001", "0.00025", "0.25", "+Inf")] == [2, 3, 3, 4]
    total = frozenset({("phase", "total")})
    assert told["gateway_overhead_seconds_count", total] == 4
    assert told["gateway_overhead_seconds_sum", total] == pytest.approx(99.00021)


def test_several_processes_are_told_as_one() -> None:
    one, other = Metrics(), Metrics()
    for metrics, value in ((one, 2), (other, 3)):
        metrics.number("gateway_open_streams").value = value
        metrics.number("gateway_event_loop_lag_seconds").value = value
        metrics.number("gateway_config_last_reload_successful").value = value
        metrics.histogram("gateway_overhead_seconds", "total").observe(value)
    told = samples(one, other)
    assert told["gateway_open_streams", frozenset()] == 5
    assert told["gateway_event_loop_lag_seconds", frozenset()] == 3  # the worst of them
    assert told["gateway_config_last_reload_successful", frozenset()] == 2
    assert told["gateway_overhead_seconds_sum", frozenset({("phase", "total")})] == 5


def test_an_info_gauge_has_one_series() -> None:
    metrics = Metrics()
    metrics.only("gateway_config_info", "aaaa").value = 1
    metrics.only("gateway_config_info", "bbbb").value = 1
    hashes = [labels for name, labels in samples(metrics) if name == "gateway_config_info"]
    assert hashes == [frozenset({("hash", "bbbb")})]


def test_a_cleared_gauge_is_gone_until_it_is_measured_again() -> None:
    metrics = Metrics()
    metrics.number("gateway_backend_inflight", "old").value = 3
    metrics.clear("gateway_backend_inflight")
    metrics.number("gateway_backend_inflight", "new").value = 0
    backends = [labels for name, labels in samples(metrics) if name == "gateway_backend_inflight"]
    assert backends == [frozenset({("backend", "new")})]


def test_a_name_out_of_a_config_cannot_break_the_text() -> None:
    metrics = Metrics()
    odd = 'a"} 1\nforged{x="\\ü'
    metrics.number("gateway_backend_inflight", odd).value = 1
    assert samples(metrics)["gateway_backend_inflight", frozenset({("backend", odd)})] == 1


def test_series_may_appear_while_the_text_is_made() -> None:
    metrics = Metrics()
    failed: list[BaseException] = []

    def scrape() -> None:
        try:
            while adding.is_alive():
                exposition([metrics])
        except RuntimeError as error:  # "dictionary changed size during iteration"
            failed.append(error)

    def add() -> None:
        for number in range(6000):
            metrics.number("gateway_backend_inflight", f"b{number}").value = 1

    adding, scraping = threading.Thread(target=add), threading.Thread(target=scrape)
    adding.start()
    scraping.start()
    adding.join()
    scraping.join()
    assert failed == []


def test_the_process_itself_is_told_too() -> None:
    told = {name for name, _ in samples(Metrics())}
    assert {"process_resident_memory_bytes", "process_open_fds"} <= told


def test_what_a_dead_process_has_counted_stays_counted() -> None:
    dead, living = Metrics(), Metrics()
    for metrics in (dead, living):
        metrics.number("gateway_requests_total", "chat", "m", "2xx").value = 2
        metrics.number("gateway_open_streams").value = 1
        metrics.histogram("gateway_overhead_seconds", "total").observe(0.5)
    living.add_counts(dead)
    told = samples(living)
    labels = frozenset({("operation", "chat"), ("model", "m"), ("status_class", "2xx")})
    assert told["gateway_requests_total", labels] == 4
    assert told["gateway_overhead_seconds_count", frozenset({("phase", "total")})] == 2
    assert told["gateway_open_streams", frozenset()] == 1
