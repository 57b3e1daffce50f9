"""Order by tier and weight; which route a name leads to. More in tests/laws/test_routing.py."""

from collections import Counter
from dataclasses import dataclass

import pytest

from gateway.policy import routing
from gateway.policy.routing import Candidate, resolve


@dataclass(frozen=True)
class Target:
    name: str
    weight: int = 1
    tier: int = 1


A, B, C = Target("a", 2), Target("b", 1), Target("c", 1)


def order(targets: list[Target], draw: float) -> list[Target]:
    """By weight, all of them usable."""
    candidates = [Candidate(t, t.weight, t.tier, t.name.encode()) for t in targets]
    return [one.target for one in routing.order("weighted", candidates, draw)]


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


# ---- strategies


def one(name: str, **facts: object) -> Candidate[str]:
    known = {"weight": 1, "tier": 1, "identity": name.encode(), **facts}
    return Candidate(name, **known)  # type: ignore[arg-type]


def names(
    strategy: str, *candidates: Candidate[str], draw: float = 0.0, session: bytes = b""
) -> str:
    return "".join(c.target for c in routing.order(strategy, candidates, draw, session))


STRATEGIES = ("weighted", "least_busy", "fastest", "cheapest", "sticky")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_cannot_be_used_stands_behind_all_that_can(strategy: str) -> None:
    candidates = [
        one("a", usable=False, wait_s=9.0),
        one("b", usable=False, wait_s=2.0),
        one("c", tier=2),
        one("d", tier=1),
    ]
    assert names(strategy, *candidates, session=b"s") == "dcba"


def test_the_less_busy_of_two_is_taken() -> None:
    assert names("least_busy", one("a", in_flight=7), one("b", in_flight=3)) == "ba"
    assert names("least_busy", one("a", in_flight=7, weight=9), one("b", in_flight=3)) == "ab"


def test_of_many_only_two_that_are_drawn_are_compared() -> None:
    idle = [one(name, in_flight=0 if name == "h" else 5) for name in "abcdefgh"]
    firsts = {names("least_busy", *idle, draw=draw / 97)[0] for draw in range(97)}
    assert len(firsts) > 3


def test_the_fastest_is_taken_and_one_that_was_never_tried_before_it() -> None:
    slow, fast, new = one("s", score=2.0), one("f", score=0.5), one("n")
    assert names("fastest", slow, fast) == "fs"
    assert names("fastest", slow, fast, new) == "nfs"


def test_the_cheapest_is_taken_and_what_has_no_price_last() -> None:
    assert names("cheapest", one("a", price=2.0), one("b"), one("c", price=0.5)) == "cab"


def test_a_session_stays_where_it_is() -> None:
    fleet = [one(name) for name in "abcd"]
    for number in range(50):
        session = b"session-%d" % number
        home = names("sticky", *fleet, session=session)[0]
        for draw in (0.0, 0.4, 0.9):
            assert names("sticky", *reversed(fleet), draw=draw, session=session)[0] == home


def test_a_session_leaves_only_a_target_that_is_too_busy() -> None:
    fleet = [one(name, in_flight=2) for name in "abc"]
    home = names("sticky", *fleet, session=b"s")[0]
    busy = [one(c.target, in_flight=30 if c.target == home else 2) for c in fleet]
    assert names("sticky", *busy, session=b"s")[0] != home
    assert names("sticky", *busy, session=b"s")[-1] == home


def test_without_a_session_the_less_busy_is_taken() -> None:
    assert names("sticky", one("a", in_flight=7), one("b", in_flight=3)) == "ba"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_weight_a_target_waits_whatever_speaks_for_it(strategy: str) -> None:
    busy = [one(name, in_flight=9, score=9.0, price=9.0) for name in "ab"]
    spare = one("s", weight=0, score=0.1, price=0.1)
    for draw in (0.0, 0.5, 0.999999):
        for session in (b"", b"s"):
            assert names(strategy, spare, *busy, draw=draw, session=session)[-1] == "s"


def test_one_too_busy_for_its_sessions_still_stands_before_one_without_weight() -> None:
    fleet = [one("a", in_flight=9), one("b"), one("s", weight=0)]
    assert names("sticky", *fleet, session=b"q") == "bas"


def test_those_that_were_not_compared_follow_by_cost() -> None:
    fleet = [one(name, in_flight=load) for name, load in zip("abcde", (5, 1, 9, 2, 7), strict=True)]
    assert names("least_busy", *fleet, draw=0.0) == "badec"


def test_where_nothing_has_weight_the_cost_still_decides() -> None:
    spares = [one("a", weight=0, in_flight=7), one("b", weight=0, in_flight=3)]
    assert names("least_busy", *spares) == "ba"


def test_an_untried_target_is_tried_by_one_request_until_that_is_answered() -> None:
    known, asked = one("k", score=2.0, in_flight=3), one("n", in_flight=1)
    assert names("fastest", one("n"), known) == "nk"
    assert names("fastest", asked, known) == "kn"
    assert names("fastest", asked, one("m", in_flight=4)) == "nm"


def test_targets_with_long_names_alike_at_their_beginning_share_the_sessions() -> None:
    fleet = [one(name, identity=b"x" * 100 + name.encode()) for name in "abc"]
    homes = Counter(names("sticky", *fleet, session=b"%d" % n)[0] for n in range(300))
    assert min(homes[name] for name in "abc") > 60


# ---- explained


def whys(
    strategy: str, *candidates: Candidate[str], draw: float = 0.0, session: bytes = b""
) -> list[str]:
    places = routing.explain(strategy, candidates, draw, session)
    return [f"{place.candidate.target}: {place.why}" for place in places]


def test_a_place_by_weight_says_of_how_much_it_was_drawn() -> None:
    candidates = [one("a", weight=9), one("b"), one("s", weight=0)]
    assert whys("weighted", *candidates) == [
        "a: drawn by weight 9 of 10",
        "b: drawn by weight 1 of 1",
        "s: weight 0: only when the others of its tier cannot",
    ]
    assert whys("weighted", one("s", weight=0), one("t", weight=0)) == [
        "s: first of those with weight 0",
        "t: place 2 of those with weight 0",
    ]


def test_a_place_by_cost_says_what_was_compared() -> None:
    loads = [one(name, in_flight=load) for name, load in zip("abcd", (7, 3, 9, 1), strict=True)]
    assert whys("least_busy", *loads) == [
        "b: first of 2 compared: 3 under way, weight 1",
        "a: place 2 of 2 compared: 7 under way, weight 1",
        "d: not compared: 1 under way, weight 1",
        "c: not compared: 9 under way, weight 1",
    ]
    assert whys("fastest", one("a", score=0.25, in_flight=1), one("b")) == [
        "b: first of 2 compared: not tried yet, 0 under way",
        "a: place 2 of 2 compared: 0.250 s expected, 1 under way",
    ]
    assert whys("cheapest", one("a"), one("b", price=0.6)) == [
        "b: first by price: 0.6 USD for a million tokens",
        "a: place 2 by price: none known",
    ]


def test_a_place_by_session_says_whose_it_is() -> None:
    fleet = [one(name, in_flight=1) for name in "abc"]
    home = names("sticky", *fleet, session=b"s")[0]
    assert whys("sticky", *fleet, session=b"s")[0] == f"{home}: the session's own, 1 under way"
    busy = [one(c.target, in_flight=30 if c.target == home else 1) for c in fleet]
    first, _, last = whys("sticky", *busy, session=b"s")
    assert first.endswith("next for the session, 1 under way")
    assert last == f"{home}: too busy for its sessions: 30 under way, 15 are too many"
    assert whys("sticky", *fleet)[0].endswith("first of 3 compared: 1 under way, weight 1")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_alone_or_left_alone_is_the_reason_whatever_the_strategy(strategy: str) -> None:
    candidates = [one("a", usable=False, wait_s=3.2), one("b"), one("c", usable=False)]
    assert whys(strategy, *candidates, session=b"s") == [
        "b: the only usable one of its tier",
        "c: left alone for now",
        "a: left alone for 3.2 s",
    ]
