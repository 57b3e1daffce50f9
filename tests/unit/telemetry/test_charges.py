"""Who is charged for what: every way in which an attempt can end."""

import pytest

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.config import written
from gateway.config.prices import filled
from gateway.errors import Code
from gateway.telemetry.charges import charges, usd
from gateway.telemetry.record import Attempt, Outcome, Record

PRICE = filled(written.Price(input_usd_per_mtok=1.0, output_usd_per_mtok=2.0))


def attempt(
    status: int | None = 200,
    failure: Code | None = None,
    *,
    asked: int | None = 40,
    tokens: int = 0,
) -> Attempt:
    made = Attempt("b", "p", "x", status=status, failure=failure, price=PRICE)
    made.asked_bytes, made.tokens = asked, tokens
    return made


def record(
    *attempts: Attempt, operation: Operation = Operation.CHAT, stream: bool = True
) -> Record:
    made = Record(operation, stream=stream, attempts=list(attempts))
    made.outcome = Outcome.COMPLETE
    return made


def taken(made: Record) -> list[tuple[int, Usage | None, bool]]:
    return [(one.number, one.usage, one.estimated) for one in charges(made)]


def test_what_the_backend_says_counts() -> None:
    one = attempt(tokens=5)
    one.usage = Usage(7, 3)
    (charge,) = charges(record(one))
    assert (charge.usage, charge.estimated) == (Usage(7, 3), False)
    assert charge.usd == pytest.approx(13e-6)


def test_zero_is_a_count() -> None:
    one = attempt(tokens=5)
    one.usage = Usage(0, 0)
    (charge,) = charges(record(one))
    assert (charge.usage, charge.usd) == (Usage(0, 0), 0.0)


@pytest.mark.parametrize("tokens", [0, 1, 9])
@pytest.mark.parametrize("failure", [Code.CLIENT_CLOSED, Code.STREAM_INTERRUPTED, None])
def test_a_stream_without_usage_costs_what_was_counted(tokens: int, failure: Code | None) -> None:
    assert taken(record(attempt(200, failure, tokens=tokens))) == [(1, Usage(10, tokens), True)]


def test_usage_that_was_said_before_the_cut_is_no_ceiling() -> None:
    one = attempt(200, Code.CLIENT_CLOSED, tokens=9)
    one.usage = Usage(7, 3)
    assert taken(record(one)) == [(1, Usage(7, 9), False)]


def test_a_client_that_leaves_before_the_answer_has_asked_all_the_same() -> None:
    assert taken(record(attempt(None, Code.CLIENT_CLOSED))) == [(1, Usage(10, 0), True)]


@pytest.mark.parametrize(
    "free",
    [
        attempt(None, Code.CLIENT_CLOSED, asked=None),
        attempt(None, Code.CONNECT_FAILED),
        attempt(None, Code.UPSTREAM_RESET),
        attempt(429, Code.UPSTREAM_RATE_LIMITED),
        attempt(500, Code.UPSTREAM_ERROR),
    ],
)
def test_what_no_backend_has_worked_for_is_free(free: Attempt) -> None:
    assert taken(record(free)) == []


def test_a_failed_attempt_is_charged_beside_the_one_that_answered() -> None:
    broken, good = attempt(200, Code.STREAM_INTERRUPTED, tokens=2), attempt()
    made = record(broken, good)
    made.usage = Usage(10, 4)
    assert taken(made) == [(1, Usage(10, 2), True), (2, Usage(10, 4), False)]


def test_a_whole_answer_without_usage_is_counted_by_its_bytes() -> None:
    one = attempt()
    one.first_at = 1.0
    made = record(one, stream=False)
    made.sent_bytes = 400
    assert taken(made) == [(1, Usage(10, 100), True)]
    made.operation = Operation.EMBEDDINGS
    assert taken(made) == [(1, Usage(10, 0), True)]


def test_the_bytes_of_an_answer_in_parts_are_counted_once() -> None:
    parts = [attempt() for _ in range(4)]
    for part in parts:
        part.first_at = 1.0
    made = record(*parts, stream=False)
    made.sent_bytes = 400
    assert [usage for _, usage, _ in taken(made)] == [Usage(10, 25)] * 4


def test_who_reads_a_stream_whole_pays_for_what_came_of_it() -> None:
    one = attempt(tokens=8, failure=Code.CLIENT_CLOSED)
    one.first_at = 1.0
    assert taken(record(one, stream=False)) == [(1, Usage(10, 8), True)]


def test_of_what_is_not_understood_nothing_is_counted() -> None:
    one = attempt()
    assert taken(record(one, operation=Operation.IMAGES)) == [(1, None, False)]
    assert usd(one, None) is None
    one.price = filled(written.Price(request_usd=0.04))
    (charge,) = charges(record(one, operation=Operation.IMAGES))
    assert charge.usd == 0.04


def test_no_price_is_no_failure() -> None:
    one = attempt()
    one.price = None
    assert usd(one, Usage(1, 1)) is None


def test_a_price_that_is_none_is_not_believed() -> None:
    one = attempt()
    one.price = filled(written.Price(input_usd_per_mtok=float("inf")))
    assert usd(one, Usage(1, 1)) is None
