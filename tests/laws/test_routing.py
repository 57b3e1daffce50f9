"""order() is a permutation, tiers never mix, weights hold; the draw is the only chance in it."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.routing import order


@dataclass(frozen=True)
class Target:
    name: int
    weight: int
    tier: int


DRAWS = st.floats(0, 1, exclude_max=True)
SHAPES = st.lists(st.tuples(st.integers(0, 1000), st.integers(-2, 3)), max_size=12)


def _targets(shape: list[tuple[int, int]]) -> list[Target]:
    return [Target(name, weight, tier) for name, (weight, tier) in enumerate(shape)]


@given(SHAPES, DRAWS)
def test_every_target_is_there_once(shape: list[tuple[int, int]], draw: float) -> None:
    targets = _targets(shape)
    assert sorted(order(targets, draw), key=targets.index) == targets


@given(SHAPES, DRAWS)
def test_tiers_never_mix(shape: list[tuple[int, int]], draw: float) -> None:
    assert all(a.tier <= b.tier for a, b in pairwise(order(_targets(shape), draw)))


@given(SHAPES, DRAWS)
def test_within_a_tier_what_has_no_weight_is_last(
    shape: list[tuple[int, int]], draw: float
) -> None:
    for a, b in pairwise(order(_targets(shape), draw)):
        assert a.tier < b.tier or a.weight > 0 or b.weight == 0


@given(SHAPES, DRAWS)
def test_the_same_draw_gives_the_same_order(shape: list[tuple[int, int]], draw: float) -> None:
    assert order(_targets(shape), draw) == order(_targets(shape), draw)


@given(SHAPES, DRAWS, DRAWS)
def test_what_lies_in_another_tier_changes_nothing_before_it(
    shape: list[tuple[int, int]], draw: float, other: float
) -> None:
    targets = [Target(t.name, t.weight, 0) for t in _targets(shape)]
    spare = [Target(100, 1, 1), Target(101, 2, 1)]
    assert order([*targets, *spare], draw)[: len(targets)] == order(targets, draw)


N = 4_000
WEIGHTS = st.lists(st.integers(1, 20), min_size=2, max_size=5)


@settings(max_examples=40)
@given(WEIGHTS)
def test_each_place_is_shared_out_by_weight(weights: list[int]) -> None:
    """Draws spread evenly over [0, 1) must give the shares, to within their own coarseness."""
    targets = [Target(name, weight, 1) for name, weight in enumerate(weights)]
    orders = [order(targets, (n + 0.5) / N) for n in range(N)]
    firsts = Counter(ordered[0] for ordered in orders)
    seconds = Counter((ordered[0], ordered[1]) for ordered in orders)
    total = sum(weights)
    for one in targets:
        assert firsts[one] / N == pytest.approx(one.weight / total, abs=2 / N)
        for two in targets:
            if one is not two:
                share = one.weight / total * two.weight / (total - one.weight)
                assert seconds[one, two] / N == pytest.approx(share, abs=4 / N)
