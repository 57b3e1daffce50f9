"""Pauses that spread, waits that are bearable, and a budget that failures cannot exceed."""

import pytest

from gateway.policy.retries import Budget, backoff_s, bearable


@pytest.mark.parametrize(
    ("number", "draw", "wait_s"),
    [(1, 0.0, 0.0), (1, 1.0, 0.25), (2, 1.0, 0.5), (3, 0.5, 0.5), (6, 1.0, 8.0), (99, 1.0, 8.0)],
)
def test_a_pause_is_drawn_below_a_ceiling_that_doubles(
    number: int, draw: float, wait_s: float
) -> None:
    assert backoff_s(number, 0.25, 8.0, draw) == pytest.approx(wait_s)


def test_what_a_backend_asks_for_is_the_least() -> None:
    for draw in (0.0, 0.5, 1.0):
        assert 7.0 <= backoff_s(3, 0.25, 8.0, draw, 7.0) <= 7.25


def test_no_wait_is_borne_that_is_too_long_or_outlasts_the_exchange() -> None:
    assert bearable(5, 10, 120)
    assert not bearable(5, 5, 120)
    assert not bearable(121, 600, 120)


def test_a_few_retries_a_second_are_always_there() -> None:
    budget = Budget(0.0, 1.0)
    assert sum(budget.take(100.0) for _ in range(50)) == 10  # what it has saved up before
    assert not budget.take(100.1)
    assert budget.take(101.2)


def test_requests_earn_their_share() -> None:
    budget = Budget(0.2, 0.0)
    for _ in range(4):
        budget.requested(100.0)
    assert not budget.take(100.0)
    budget.requested(100.0)
    assert budget.take(100.0)
    assert not budget.take(100.0)


def test_what_is_not_used_expires() -> None:
    budget = Budget(0.2, 0.0)
    for _ in range(1000):
        budget.requested(100.0)
    assert not budget.take(111.0)


def test_time_alone_saves_up_ten_seconds_worth() -> None:
    budget = Budget(0.0, 1.0)
    for _ in range(50):
        budget.take(100.0)
    assert sum(budget.take(500.0) for _ in range(50)) == 10


def test_without_a_budget_nothing_is_repeated() -> None:
    budget = Budget(0.0, 0.0)
    budget.requested(100.0)
    assert not budget.take(200.0)
