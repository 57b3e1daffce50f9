"""Whose turn is next: classes first, then tenants by their weight, then who came first."""

import random
from collections import Counter, deque

from gateway.policy import limits
from gateway.policy.limits import Claim, Level
from gateway.policy.turns import Place, Turns


class One:
    def __init__(self, tenant: str, came_at: float = 0.0) -> None:
        self.tenant = tenant
        self.came_at = came_at


def place(one: One, weight: float = 1.0, rank: int = 1) -> Place:
    return Place(one.tenant, weight, rank)


def served(turns: Turns[One], number: int) -> list[One]:
    found = []
    for _ in range(number):
        one = turns.first()
        assert one is not None
        turns.served(one)
        found.append(one)
    return found


def test_within_a_tenant_who_came_first_is_first() -> None:
    turns, ones = Turns[One](), [One("a") for _ in range(5)]
    for one in ones:
        turns.add(one, place(one), 1)
    assert served(turns, 5) == ones
    assert turns.first() is None
    assert len(turns) == 0


def test_tenants_get_what_their_weights_say() -> None:
    turns = Turns[One]()
    for tenant, weight in (("a", 1.0), ("b", 3.0)):
        for _ in range(100):
            one = One(tenant)
            turns.add(one, place(one, weight), 1)
    counts = Counter(one.tenant for one in served(turns, 40))
    assert counts == {"a": 10, "b": 30}


def test_large_turns_count_for_more() -> None:
    turns = Turns[One]()
    for tenant, units in (("a", 1.0), ("b", 4.0)):
        for _ in range(100):
            one = One(tenant)
            turns.add(one, place(one), units)
    counts = Counter(one.tenant for one in served(turns, 50))
    assert counts == {"a": 40, "b": 10}


def test_a_higher_class_goes_first_whoever_it_is() -> None:
    turns, low, high = Turns[One](), One("a"), One("a")
    turns.add(low, place(low, 1000, 2), 1)
    turns.add(high, place(high, 0.1, 0), 100)
    assert served(turns, 2) == [high, low]


def test_who_has_not_waited_has_no_credit_and_who_left_no_debt() -> None:
    turns = Turns[One]()
    busy = [One("a") for _ in range(50)]
    for one in busy:
        turns.add(one, place(one), 1)
    served(turns, 20)
    late = [One("b") for _ in range(20)]
    for one in late:
        turns.add(one, place(one), 1)
    assert Counter(one.tenant for one in served(turns, 10)) == {"a": 5, "b": 5}
    for one in busy:
        turns.left(one)
    again = One("a")
    turns.add(again, place(again), 1)
    assert again in served(turns, 2)


def test_who_has_left_is_passed_over_and_may_leave_twice() -> None:
    turns, first, second = Turns[One](), One("a"), One("a")
    for one in (first, second):
        turns.add(one, place(one), 1)
    turns.left(first)
    turns.left(first)
    assert first not in turns
    assert served(turns, 1) == [second]


def test_where_nobody_more_fits_the_newest_of_the_longest_line_goes() -> None:
    turns = Turns[One]()
    ones = [One("a") for _ in range(3)]
    for one in ones:
        turns.add(one, place(one), 1)
    assert turns.yielding(Place("a")) is None
    assert turns.yielding(Place("b")) is ones[-1]
    low = One("c")
    turns.add(low, place(low, rank=2), 1)
    assert turns.yielding(Place("a")) is low
    assert turns.yielding(Place("b", rank=2)) is None


def test_lines_of_nobody_are_forgotten() -> None:
    turns = Turns[One]()
    for _ in range(2000):
        turns.add(One("busy"), Place("busy"), 1)
    for number in range(1000):
        one = One(f"t{number}")
        turns.add(one, place(one), 1)
        if number % 2:
            served(turns, 3)
    assert len(turns._classes[1].lines) <= 128


SHARE = 5.0  # requests a second of a limit of ten, for each of two tenants


def arrivals(times_its_share: float, seconds: float) -> deque[One]:
    """Those of b at four fifths of its share, beside such an a."""
    draw, found = random.Random(7), []
    for tenant, rate in (("b", 0.8 * SHARE), ("a", times_its_share * SHARE)):
        at = 0.0
        while at < seconds:
            at += draw.expovariate(rate)
            found.append(One(tenant, at))
    return deque(sorted(found, key=lambda one: one.came_at))


def come(turns: Turns[One], one: One) -> None:
    """Into a room for a hundred."""
    if len(turns) >= 100:
        other = turns.yielding(place(one))
        if other is None:
            return
        turns.left(other)
    turns.add(one, place(one), 1)


def waits_of_b(times_its_share: float, seconds: float = 200.0) -> list[float]:
    """Seconds that each of b's requests waits, by rising length."""
    coming, turns = arrivals(times_its_share, seconds), Turns[One]()
    claim, level, now = Claim("everybody", 1, 1, 2 * SHARE, 0), Level(), 0.0
    waits: list[float] = []
    while coming or len(turns):
        if not len(turns):
            now = max(now, coming[0].came_at)
        while coming and coming[0].came_at <= now:
            come(turns, coming.popleft())
        first = turns.first()
        assert first is not None
        (level,), verdict = limits.take([level], [claim], now)
        if verdict.granted:
            turns.served(first)
            if first.tenant == "b":
                waits.append(now - first.came_at)
        now += verdict.wait_s
    return sorted(waits)


def test_one_at_a_hundred_times_its_share_does_not_make_another_wait() -> None:
    beside, flooded = waits_of_b(1.25), waits_of_b(100.0)  # both use all of it
    p95, p95_flooded = (one[int(len(one) * 0.95)] for one in (beside, flooded))
    assert len(flooded) == len(beside) > 700  # none of b's is refused, either
    assert p95_flooded < 1.1 * p95, (p95, p95_flooded)
