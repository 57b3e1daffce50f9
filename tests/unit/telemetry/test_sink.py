"""What a finished record feeds: counters, histograms, gauges, its line. Times are set by hand."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.errors import SITUATIONS, Code
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.record import OTHER, Attempt, Outcome, Record
from gateway.telemetry.sink import Sink
from tests.unit.telemetry.written import Written


@dataclass
class Telling:
    written: Written = field(default_factory=Written)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.sink = Sink(self.metrics, self.written.log)

    def number(self, name: str, *labels: str) -> float:
        return self.metrics.number(name, *labels).value

    def seen(self, name: str, *labels: str) -> tuple[int, object]:
        """How often, and the sum."""
        histogram = self.metrics.histogram(name, *labels)
        return sum(histogram.counts), pytest.approx(histogram.sum)

    def series(self, name: str) -> set[tuple[str, ...]]:
        return {labels for labels, one in self.metrics.numbers[name].items() if one.value}

    def tell(self, record: Record) -> None:
        self.sink.started(record)
        if record.stream:
            record.stream = False
            self.sink.streaming(record)
        self.sink.finished(record)


@pytest.fixture
def telling() -> Iterator[Telling]:
    one = Telling()
    yield one
    one.written.close()


def attempt(at: float, seconds: float, *, backend: str = "up", model: str = "gpt-5") -> Attempt:
    one = Attempt(backend, "openai", model)
    one.started_at, one.ended_at, one.status = at, at + seconds, 200
    return one


def record(*attempts: Attempt, seconds: float = 2.0, stream: bool = False) -> Record:
    """A chat that was answered: 2 s from the request read at 100.0 on."""
    one = Record(Operation.CHAT)
    one.model, one.tenant, one.key, one.config = "fast", "search", "search-prod", "abc"
    one.started_at, one.ended_at = 100.0, 100.0 + seconds
    one.attempts = list(attempts)
    one.waited_s = sum(attempt.ended_at - attempt.started_at for attempt in attempts)
    one.status, one.outcome, one.stream = 200, Outcome.COMPLETE, stream
    return one


def test_gauges_rise_with_the_exchange_and_fall_back(telling: Telling) -> None:
    whole, stream = record(), record()
    telling.sink.started(whole)
    telling.sink.started(stream)
    telling.sink.streaming(stream)
    assert telling.sink.open_exchanges == 2
    assert telling.number("gateway_open_streams") == 1
    telling.sink.finished(stream)
    telling.sink.finished(whole)
    assert telling.sink.open_exchanges == 0
    assert telling.number("gateway_open_streams") == 0


def test_a_complete_exchange_is_one_of_2xx(telling: Telling) -> None:
    telling.tell(record(attempt(100.1, 1.5)))
    assert telling.series("gateway_requests_total") == {("chat", "fast", "2xx")}
    assert telling.seen("gateway_request_duration_seconds", "chat", "fast") == (1, 2.0)
    assert telling.series("gateway_errors_total") == set()
    assert telling.series("gateway_upstream_attempts_total") == {("up", "complete")}


def test_overhead_is_what_no_backend_was_waited_for(telling: Telling) -> None:
    failed = attempt(100.0, 0.5)
    failed.failure = Code.UPSTREAM_RESET
    telling.tell(record(failed, attempt(100.6, 1.3, backend="spare")))
    assert telling.seen("gateway_overhead_seconds", "total") == (1, 0.2)
    (line,) = telling.written.lines("exchange")
    assert line["overhead_s"] == pytest.approx(0.2)


def test_what_never_reached_a_backend_has_no_overhead(telling: Telling) -> None:
    refused = record()
    refused.failed(Code.MODEL_NOT_FOUND, 404)
    telling.tell(refused)
    assert telling.seen("gateway_overhead_seconds", "total") == (0, 0)


@pytest.mark.parametrize(
    ("status", "code", "counted"),
    [
        (400, Code.INVALID_VALUE, "4xx"),
        (404, Code.MODEL_NOT_FOUND, "4xx"),
        (429, Code.UPSTREAM_RATE_LIMITED, "429"),
        (500, Code.INTERNAL, "5xx"),
        (502, Code.UPSTREAM_ERROR, "5xx"),
        # The head was out, with a 200; the answer failed all the same.
        (200, Code.STREAM_INTERRUPTED, "5xx"),
        (200, Code.DRAINING, "5xx"),
        (200, Code.REQUEST_TIMEOUT, "4xx"),
    ],
)
def test_an_error_is_counted_by_its_class_code_and_origin(
    telling: Telling, status: int, code: Code, counted: str
) -> None:
    failed = record()
    failed.failed(code, status)
    telling.tell(failed)
    assert telling.series("gateway_requests_total") == {("chat", "fast", counted)}
    origin = SITUATIONS[code].origin.value
    assert telling.series("gateway_errors_total") == {(code.value, origin)}
    (line,) = telling.written.lines("exchange")
    assert (line["status"], line["outcome"]) == (status, "error")
    assert (line["code"], line["origin"]) == (code.value, origin)


def test_who_left_is_cancelled_and_no_failure_of_the_backend(telling: Telling) -> None:
    cut = attempt(100.0, 1.0)
    cut.first_at, cut.failure = 100.5, Code.CLIENT_CLOSED
    left = record(cut, stream=True)
    left.status, left.code, left.outcome = 499, Code.CLIENT_CLOSED, Outcome.CANCELLED
    telling.tell(left)
    assert telling.series("gateway_requests_total") == {("chat", "fast", "cancelled")}
    assert telling.series("gateway_streams_interrupted_total") == {("up", "client_closed_request")}
    assert [line["event"] for line in telling.written.lines()] == ["exchange"]


def test_a_drain_is_the_cause_of_the_streams_that_it_cuts(telling: Telling) -> None:
    cut = attempt(100.0, 1.0)
    cut.first_at, cut.failure = 100.5, Code.CLIENT_CLOSED
    drained = record(cut, stream=True)
    drained.failed(Code.DRAINING, 200)
    telling.tell(drained)
    assert telling.series("gateway_streams_interrupted_total") == {("up", "draining")}


def test_a_fallback_is_counted_whether_or_not_it_helps(telling: Telling) -> None:
    first, second = attempt(100.0, 0.1), attempt(100.1, 0.1, backend="spare")
    first.failure, first.status = Code.UPSTREAM_ERROR, 500
    telling.tell(record(first, second))
    assert telling.series("gateway_fallbacks_total") == {("up", "spare")}
    second.failure = Code.CONNECT_FAILED
    failed = record(first, second)
    failed.failed(Code.CONNECT_FAILED, 502)
    telling.tell(failed)
    assert telling.number("gateway_fallbacks_total", "up", "spare") == 2
    assert telling.series("gateway_upstream_attempts_total") == {
        ("up", "upstream_error"),
        ("spare", "complete"),
        ("spare", "connect_failed"),
    }


def test_a_failed_attempt_has_a_line_of_its_own_and_its_error_type(telling: Telling) -> None:
    first, second = attempt(100.0, 0.25), attempt(100.3, 1.0, backend="spare")
    first.failure, first.status = Code.UPSTREAM_ERROR, 500
    whole = record(first, second)
    telling.tell(whole)
    name = "gen_ai_client_operation_duration_seconds"
    assert telling.seen(name, "chat", "openai", "fast", "upstream_error") == (1, 0.25)
    assert telling.seen(name, "chat", "openai", "fast", "") == (1, 1.0)
    failed, exchange = telling.written.lines()
    del failed["ts"]
    assert failed == {
        "level": "warning",
        "event": "attempt_failed",
        "id": whole.id,
        "model": "fast",
        "backend": "up",
        "target": "gpt-5",
        "code": "upstream_error",
        "duration_s": 0.25,
        "status": 500,
    }
    assert (exchange["id"], exchange["attempts"], exchange["backend"]) == (whole.id, 2, "spare")


def test_the_line_of_an_exchange_has_all_its_facts(telling: Telling) -> None:
    one = attempt(100.5, 1.0)
    one.first_at, one.chunks = 100.75, 5
    streamed = record(one, stream=True)
    streamed.client_id, streamed.usage, streamed.sent_bytes = "trace-1", Usage(7, 3), 1234
    telling.tell(streamed)
    (line,) = telling.written.lines()
    del line["ts"]
    assert line == {
        "level": "info",
        "event": "exchange",
        "id": streamed.id,
        "operation": "chat",
        "model": "fast",
        "status": 200,
        "outcome": "complete",
        "duration_s": 2.0,
        "tenant": "search",
        "key": "search-prod",
        "client_id": "trace-1",
        "stream": True,
        "backend": "up",
        "target": "gpt-5",
        "attempts": 1,
        "first_content_s": 0.75,
        "overhead_s": 1.0,
        "input_tokens": 7,
        "output_tokens": 3,
        "sent_bytes": 1234,
        "config": "abc",
    }


def test_a_stream_tells_its_first_chunk_and_the_mean_gap(telling: Telling) -> None:
    one = attempt(100.0, 1.0)
    one.first_at, one.chunks = 100.25, 4
    telling.tell(record(one, stream=True))
    labels = ("chat", "openai", "fast")
    first = "gen_ai_client_operation_time_to_first_chunk_seconds"
    gap = "gen_ai_client_operation_time_per_output_chunk_seconds"
    assert telling.seen(first, *labels) == (1, 0.25)
    assert telling.seen(gap, *labels) == (1, 0.25)


def test_a_whole_answer_has_no_first_chunk(telling: Telling) -> None:
    one = attempt(100.0, 1.0)
    one.first_at = 101.0
    one.failure = Code.BAD_RESPONSE
    failed = record(one)
    failed.failed(Code.BAD_RESPONSE, 502)
    telling.tell(failed)
    first = "gen_ai_client_operation_time_to_first_chunk_seconds"
    assert telling.seen(first, "chat", "openai", "fast") == (0, 0)
    assert telling.series("gateway_streams_interrupted_total") == set()


def test_tokens_are_told_by_model_and_by_key(telling: Telling) -> None:
    for _ in range(2):
        used = record(attempt(100.0, 1.0))
        used.usage = Usage(7, 3)
        telling.tell(used)
    labels = ("chat", "openai", "fast")
    assert telling.seen("gen_ai_client_token_usage", *labels, "input") == (2, 14)
    assert telling.seen("gen_ai_client_token_usage", *labels, "output") == (2, 6)
    assert telling.number("gateway_usage_tokens_total", "search-prod", "input") == 14
    assert telling.number("gateway_usage_tokens_total", "search-prod", "output") == 6


def test_what_was_refused_before_it_was_understood_is_other(telling: Telling) -> None:
    refused = Record(None)
    refused.failed(Code.NOT_FOUND, 404)
    telling.sink.told(refused)
    assert telling.series("gateway_requests_total") == {("other", OTHER, "4xx")}
    assert telling.sink.open_exchanges == 0


def test_a_backends_model_that_a_client_wrote_is_cut_and_spelt_out(telling: Telling) -> None:
    one = attempt(100.0, 1.0, model="x\x1b[2J" + "y" * 5000)
    one.failure = Code.UPSTREAM_ERROR
    telling.tell(record(one))
    text = telling.written.text()
    assert len(text) < 2000
    assert all("\\x1b[2J" in json.loads(line)["target"] for line in text.splitlines())


def test_less_than_the_level_is_counted_all_the_same(telling: Telling) -> None:
    telling.written.log.configure("error", "json")
    one = attempt(100.0, 1.0)
    one.failure = Code.UPSTREAM_ERROR
    telling.tell(record(one, attempt(101.0, 0.5)))
    assert telling.series("gateway_requests_total") == {("chat", "fast", "2xx")}
    assert telling.written.text() == ""


def test_a_backend_that_moves_to_another_provider_is_told_under_that(telling: Telling) -> None:
    first, second = attempt(100.0, 1.0), attempt(100.0, 1.0)
    second.provider = "groq"
    telling.tell(record(first))
    telling.tell(record(second))
    name = "gen_ai_client_operation_duration_seconds"
    told: list[Any] = [telling.seen(name, "chat", p, "fast", "") for p in ("openai", "groq")]
    assert told == [(1, 1.0), (1, 1.0)]
