"""A peak counts at once and fades; a quantile is told once there is enough to say."""

import pytest

from gateway.policy.pulse import MIN_SAMPLES, Pulse

T = 100.0


def test_what_was_never_tried_is_tried_first() -> None:
    assert Pulse().score(T, 0) == 0.0


def test_a_peak_counts_at_once() -> None:
    pulse = Pulse()
    pulse.first_content(T, 0.1)
    pulse.first_content(T + 0.1, 5.0)
    assert pulse.score(T + 0.1, 0) == pytest.approx(5.0)


def test_a_peak_fades_with_time_and_better_news() -> None:
    pulse = Pulse()
    pulse.first_content(T, 5.0)
    pulse.first_content(T + 10, 0.1)
    assert pulse.score(T + 10, 0) == pytest.approx(0.1 + 4.9 / 2.718281828, rel=0.01)


def test_what_nobody_asks_gets_another_chance() -> None:
    pulse = Pulse()
    pulse.first_content(T, 5.0)
    assert pulse.score(T + 300, 0) < 0.05


def test_who_is_busy_is_expected_to_be_slow() -> None:
    pulse = Pulse()
    pulse.first_content(T, 0.5)
    assert pulse.score(T, 3) == pytest.approx(2.0)


def test_a_failure_is_as_bad_as_slow() -> None:
    pulse = Pulse()
    pulse.first_content(T, 1.0)
    pulse.failed(T, 0.01)
    assert pulse.score(T, 0) == pytest.approx(2.0)


def test_few_samples_make_no_quantile() -> None:
    pulse = Pulse()
    for _ in range(MIN_SAMPLES - 1):
        pulse.first_content(T, 0.1)
    assert pulse.quantile(0.95) is None
    pulse.first_content(T, 0.1)
    assert pulse.quantile(0.95) == pytest.approx(0.1, rel=0.3)


def test_a_quantile_is_that_of_what_was_seen() -> None:
    pulse = Pulse()
    for number in range(100):
        pulse.first_content(T, 0.1 if number < 90 else 2.0)
    assert pulse.quantile(0.5) == pytest.approx(0.1, rel=0.3)
    assert pulse.quantile(0.95) == pytest.approx(2.0, rel=0.3)


def test_old_news_count_for_less_and_less() -> None:
    pulse = Pulse()
    for _ in range(400):
        pulse.first_content(T, 2.0)
    for _ in range(5000):
        pulse.first_content(T, 0.1)
    assert pulse.quantile(0.95) == pytest.approx(0.1, rel=0.3)


def test_what_takes_longer_than_all_bounds_has_a_place() -> None:
    pulse = Pulse()
    for _ in range(30):
        pulse.first_content(T, 1e6)
    assert pulse.quantile(0.95) is not None
