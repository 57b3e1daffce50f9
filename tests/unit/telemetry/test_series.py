"""Which series an exchange feeds, and that strangers' names make no more of them."""

import pytest

from gateway.chat.operation import Operation
from gateway.errors import Code
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.record import OTHER, Attempt, Outcome, Record
from gateway.telemetry.series import MAX_KEYS, AllSeries


def test_ever_more_keys_share_one_series() -> None:
    metrics = Metrics()
    series = AllSeries(metrics)
    for number in range(MAX_KEYS + 30):
        series.of_key(f"key-{number}").input.value += 1
        series.of_key(f"key-{number}").output.value += 1
    used = metrics.numbers["gateway_usage_tokens_total"]
    assert len({key for key, _ in used}) == MAX_KEYS + 1
    assert used[OTHER, "input"].value == used[OTHER, "output"].value == 30


@pytest.mark.parametrize(
    ("outcome", "code", "status", "told"),
    [
        (Outcome.COMPLETE, None, 200, "2xx"),
        (Outcome.CANCELLED, Code.CLIENT_CLOSED, 499, "cancelled"),
        (Outcome.ERROR, Code.REQUEST_LIMIT, 429, "429"),
        (Outcome.ERROR, Code.NOT_FOUND, 404, "4xx"),
        (Outcome.ERROR, Code.STREAM_INTERRUPTED, 200, "5xx"),  # behind the head that said 200
    ],
)
def test_an_answer_counts_as_what_became_of_it(
    outcome: Outcome, code: Code | None, status: int, told: str
) -> None:
    metrics = Metrics()
    record = Record(Operation.CHAT)
    record.model, record.outcome, record.code, record.status = "m", outcome, code, status
    number, _ = AllSeries(metrics).of_requests(record, "chat")
    number.value += 1
    assert metrics.number("gateway_requests_total", "chat", "m", told).value == 1


def test_what_is_alike_feeds_the_same() -> None:
    series, record = AllSeries(Metrics()), Record(Operation.CHAT)
    first, other = Attempt("b", "p", "x"), Attempt("b", "p", "y")
    assert series.of_attempt(first, record, "chat") is series.of_attempt(other, record, "chat")
    assert series.of_attempt(Attempt("c", "p", "x"), record, "chat") is not series.of_attempt(
        first, record, "chat"
    )
