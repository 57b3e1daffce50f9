"""Order by tier and weight; which route a name leads to. More in tests/laws/test_routing.py."""

from dataclasses import dataclass

import pytest

from gateway.policy.routing import order, resolve


@dataclass(frozen=True)
class Target:
    name: str
    weight: int = 1
    tier: int = 1


A, B, C = Target("a", 2), Target("b", 1), Target("c", 1)


@pytest.mark.parametrize(
    ("draw", "names"),
    [(0.0, "abc"), (0.49, "acb"), (0.5, "bac"), (0.74, "bca"), (0.75, "cab"), (0.999, "cba")],
)
def test_the_draw_decides(draw: float, names: str) -> None:
    assert "".join(target.name for target in order([A, B, C], draw)) == names


def test_one_target_needs_no_draw() -> None:
    assert order([A], 0.5) == [A]
    assert order([], 0.5) == []


def test_a_lower_tier_comes_first_wherever_it_stands() -> None:
    last, first = Target("last", 100, tier=2), Target("first", 1, tier=-1)
    for draw in (0.0, 0.3, 0.999):
        assert [target.tier for target in order([last, A, first], draw)] == [-1, 1, 2]


def test_without_weight_a_target_waits_for_the_others_of_its_tier() -> None:
    spare, other, worse = Target("spare", 0), Target("other", 0), Target("worse", 9, tier=2)
    for draw in (0.0, 0.5, 0.999999):
        ordered = order([spare, worse, A, other, B], draw)
        assert set(ordered[:2]) == {A, B}
        assert ordered[2:] == [spare, other, worse]


def test_without_any_weight_the_order_is_that_of_the_config() -> None:
    spares = [Target(name, 0) for name in "abc"]
    for draw in (0.0, 0.5, 0.999999):
        assert order(spares, draw) == spares


def test_targets_alike_are_each_there() -> None:
    assert order([A, A, A], 0.7) == [A, A, A]


def test_weights_beyond_a_floats_reach_still_give_all() -> None:
    huge = [Target("a", 10**18), Target("b", 1), Target("c", 10**18)]
    for draw in (0.0, 0.5, 1 - 2**-53):
        assert sorted(target.name for target in order(huge, draw)) == ["a", "b", "c"]


WILDCARDS = [("lab/deep/", "deep"), ("lab/", "lab"), ("", "rest")]


@pytest.mark.parametrize(
    ("model", "route"),
    [
        ("fast", "own"),
        ("lab/x", "lab"),
        ("lab/deep/x", "deep"),
        ("lab/deep/", "lab"),
        ("lab/fast", "own too"),
        ("lab/", "rest"),
        ("Fast", "rest"),
        ("", None),
    ],
)
def test_a_name_leads_to_its_own_route_else_to_the_longest_beginning(
    model: str, route: str | None
) -> None:
    assert resolve(model, {"fast": "own", "lab/fast": "own too"}, WILDCARDS) == route


def test_a_name_without_a_route_leads_nowhere() -> None:
    assert resolve("x", {}, []) is None
    assert resolve("lab/", {}, [("lab/", "lab")]) is None
