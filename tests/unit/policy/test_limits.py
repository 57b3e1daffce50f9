"""Limit arithmetic: what a claim takes, what time gives back, what a caller is told."""

import math

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import limits
from gateway.policy.limits import NOTHING, Claim, Level, take

MINUTE = Claim("k", cost=1, capacity=100, rate=100 / 60, keep_s=0)


def claim(
    cost: float = 1, capacity: float = 10, rate: float = 1, *, shadow: bool = False, key: str = "k"
) -> Claim:
    return Claim(key, cost, capacity, rate, 0, shadow=shadow)


def test_from_rest_the_whole_capacity_is_granted_and_no_more() -> None:
    level: Level = NOTHING
    granted = 0
    for _ in range(150):
        (level,), verdict = take([level], [MINUTE], 1000.0)
        granted += verdict.granted
    assert granted == 100


def test_what_is_refused_is_granted_after_the_wait_that_was_told_and_not_before() -> None:
    full = Level(100, 1000.0)
    _, verdict = take([full], [MINUTE], 1000.0)
    assert not verdict.granted
    assert math.isclose(verdict.wait_s, 0.6)
    assert not take([full], [MINUTE], 1000.0 + verdict.wait_s * 0.99)[1].granted
    assert take([full], [MINUTE], 1000.0 + verdict.wait_s)[1].granted


def test_a_refused_claim_costs_nothing() -> None:
    levels = [Level(10, 5.0), Level(0, 5.0)]
    after, verdict = take(levels, [claim(), claim(key="other")], 5.0)
    assert not verdict.granted
    assert after == levels
    assert verdict.standings[1].remaining == 10  # the one that had room kept it


def test_a_clock_that_went_far_back_does_not_keep_what_is_refused_refused() -> None:
    levels, verdict = take([Level(10, 5000.0)], [claim()], 1000.0)
    assert not verdict.granted
    assert take(levels, [claim()], 1001.0)[1].granted


def test_a_claim_beyond_the_capacity_is_never_granted_and_says_so() -> None:
    _, verdict = take([NOTHING], [claim(cost=11)], 0.0)
    assert not verdict.granted
    assert verdict.wait_s == math.inf


def test_a_count_comes_free_by_settling_only() -> None:
    slots = claim(capacity=1, rate=0)
    (level,), _ = take([NOTHING], [slots], 0.0)
    _, verdict = take([level], [slots], 1e9)
    assert not verdict.granted
    assert verdict.wait_s == math.inf
    assert take([limits.corrected(level, slots, -1, 1e9)], [slots], 1e9)[1].granted


def test_an_overshoot_is_a_debt_that_later_claims_wait_for() -> None:
    tokens = claim(cost=10, capacity=10, rate=1)
    (level,), _ = take([NOTHING], [tokens], 0.0)
    level = limits.corrected(level, tokens, 25, 0.0)
    _, verdict = take([level], [tokens], 0.0)
    assert verdict.wait_s == 35
    assert verdict.standings[0].remaining == 0


def test_a_shadow_claim_refuses_nothing_and_takes_only_what_fits() -> None:
    levels = [Level(10, 0.0), NOTHING]
    after, verdict = take(levels, [claim(shadow=True), claim(key="other")], 0.0)
    assert verdict.granted
    assert verdict.standings[0].wait_s == 1
    assert after == [Level(10, 0.0), Level(1, 0.0)]


def test_a_clock_that_goes_back_gives_nothing_twice_and_freezes_no_longer_than_a_window() -> None:
    full = Level(10, 1000.0)
    assert not take([full], [claim()], 995.0)[1].granted
    (level,), _ = take([full], [claim(cost=0)], 100.0)  # an hour wrong, say
    assert level.at == 100.0
    assert take([level], [claim()], 101.0)[1].granted


def test_the_tightest_is_the_one_of_which_the_least_share_is_left() -> None:
    standings = [limits.Standing(50, 0, 1), limits.Standing(3, 0, 1), limits.Standing(900, 0, 1)]
    assert limits.tightest(standings, [100, 10, 1000]) == 1


@given(
    capacity=st.integers(1, 50),
    rate=st.floats(0.01, 20),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 60)), max_size=60),
)
def test_no_window_lets_through_more_than_the_capacity_and_what_came_free(
    capacity: int, rate: float, steps: list[tuple[float, int]]
) -> None:
    level, now = NOTHING, 0.0
    taken: list[tuple[float, int]] = []
    for pause_s, cost in steps:
        now += pause_s
        (level,), verdict = take([level], [claim(cost, capacity, rate)], now)
        if verdict.granted:
            taken.append((now, cost))
    for first, (began, _) in enumerate(taken):
        total = 0
        for at, cost in taken[first:]:
            total += cost
            assert total <= capacity + (at - began) * rate + len(taken) * limits.SLACK + 1e-6
