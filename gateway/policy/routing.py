"""Which targets to try, in which order; which route a model's name leads to.

Tiers never mix: a usable target of a lower tier always stands before one of a higher. Within a tier
the strategy decides, and the draw is the only chance in it. What cannot be used stands behind all
that can, the one soonest usable first.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")
R = TypeVar("R")
Cost = float | tuple[float, int]
FEW: Final = 3  # so many are all compared; of more, two that are drawn


class Candidate(msgspec.Struct, Generic[T], eq=False, frozen=True):
    """A target, and what is known of it at this moment."""

    target: T
    weight: int  # 0: only when the others of its tier cannot
    tier: int
    identity: bytes  # the same for as long as the target is
    wait_s: float = 0.0  # until it may be asked again; 0.0 for now
    usable: bool = True
    in_flight: int = 0
    score: float = 0.0  # seconds that the next request has to expect; 0.0: not known
    price: float = math.inf  # dollars for a million tokens


class Place(msgspec.Struct, Generic[T], eq=False, frozen=True):
    candidate: Candidate[T]
    why: str  # it stands here, in the facts that decided


def order(
    strategy: str,
    candidates: Sequence[Candidate[T]],
    draw: float,
    session: bytes = b"",
    load_bound: float = 1.25,
) -> list[Candidate[T]]:
    """All of them, best first. draw in [0, 1) is the only chance in it.

    session: what `sticky` keeps together; b"" for none. load_bound: how many times as busy as the
    average of its tier a target may be and still take a session.
    """
    if len(candidates) < 2:  # nothing to be decided
        return list(candidates)
    usable = [one for one in candidates if one.usable]
    ordered: list[Candidate[T]] = []
    for here in _tiers(usable):
        ordered += here if len(here) < 2 else _decided(strategy, here, draw, session, load_bound)
    if len(usable) < len(candidates):
        unusable = [one for one in candidates if not one.usable]
        ordered += sorted(unusable, key=lambda one: (one.wait_s, one.tier))
    return ordered


def _tiers(usable: list[Candidate[T]]) -> list[list[Candidate[T]]]:
    tiers = {one.tier for one in usable}
    if len(tiers) == 1:
        return [usable]
    return [[one for one in usable if one.tier == tier] for tier in sorted(tiers)]


def _decided(
    strategy: str, here: list[Candidate[T]], draw: float, session: bytes, load_bound: float
) -> list[Candidate[T]]:
    match strategy:
        case "sticky" if session:
            return _by_session(here, session, load_bound)
        case "least_busy" | "sticky":
            drawn = _by_weight(here, draw)
            return _by_cost(drawn, _load, _compared(drawn))
        case "fastest":
            drawn = _by_weight(here, draw)
            return _by_cost(drawn, _expectation, _compared(drawn))
        case "cheapest":
            return _by_cost(_by_weight(here, draw), _price, len(here))
        case _:
            return _by_weight(here, draw)


# ---- by weight


def _by_weight(here: list[Candidate[T]], draw: float) -> list[Candidate[T]]:
    """Each next one drawn by its share of the weight that is left; without weight, last."""
    left = [one for one in here if one.weight > 0]
    last = [one for one in here if one.weight <= 0] if len(left) < len(here) else []
    weight = sum([one.weight for one in left])
    ordered: list[Candidate[T]] = []
    while len(left) > 1:
        point = draw * weight
        for one in left:
            if point < one.weight:
                break
            point -= one.weight
        else:
            point = 0.0  # a rounding error past the end: the last one
        draw = point / one.weight  # what is left of the draw is again even in [0, 1)
        weight -= one.weight
        left.remove(one)
        ordered.append(one)
    return ordered + left + last


# ---- by what a target costs: time, money, or its neighbours' patience


def _compared(drawn: list[Candidate[T]]) -> int:
    """How many of the first drawn are compared: all if they are few, else two.

    Comparing all of many would send every request that decides on the same news to the same one.
    Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001).
    """
    weighted = sum([one.weight > 0 for one in drawn])
    return weighted if weighted <= FEW else 2


def _by_cost(
    drawn: list[Candidate[T]], cost: Callable[[Candidate[T]], Cost], compared: int
) -> list[Candidate[T]]:
    """The best of the first ones, then the others by cost; those without weight stay last."""
    weighted = [one for one in drawn if one.weight > 0]
    ordered = sorted(weighted[:compared], key=cost) + sorted(weighted[compared:], key=cost)
    if len(weighted) < len(drawn):
        ordered += sorted([one for one in drawn if one.weight <= 0], key=cost)
    return ordered


def _load(one: Candidate[T]) -> Cost:
    return one.in_flight / max(one.weight, 1)


def _expectation(one: Candidate[T]) -> Cost:
    """An untried one is tried at once, but by one request: until that is answered it waits behind
    all that are known (as in Finagle's peak EWMA), or it would draw everything that comes.
    """
    return one.score or (math.inf if one.in_flight else 0.0), one.in_flight


def _price(one: Candidate[T]) -> Cost:
    return one.price


# ---- by session


def _by_session(here: list[Candidate[T]], session: bytes, load_bound: float) -> list[Candidate[T]]:
    """Rendezvous hashing: a target that comes or goes moves no session but its own.

    Those too busy for their share stand behind the others. One with weight never is: the least
    busy is not above the average. Sources: Schindelhauer and Schomaker, "Weighted Distributed Hash
    Tables" (2005); Mirrokni et al., "Consistent Hashing with Bounded Loads" (2018).
    """
    room = _room(here, load_bound)
    return sorted(
        here,
        key=lambda one: (one.weight <= 0, _crowded(one, room), _distance(one, session)),
    )


def _room(here: list[Candidate[T]], load_bound: float) -> float:
    """Requests under way that a weight of 1 may have."""
    weight = sum([one.weight for one in here]) or len(here)
    return load_bound * (sum([one.in_flight for one in here]) + 1) / weight


def _crowded(one: Candidate[T], room: float) -> bool:
    return one.in_flight >= room * max(one.weight, 1) + 1


def _distance(one: Candidate[T], session: bytes) -> float:
    """From the session; the smallest of a tier falls to each by its share of the weight."""
    digest = hashlib.blake2b(b"%b\0%b" % (one.identity, session), digest_size=8).digest()
    point = ((int.from_bytes(digest, "big") >> 12) + 0.5) / 2**52  # exact, and within (0, 1)
    return -math.log(point) / max(one.weight, 1)


# ---- explained


def explain(
    strategy: str,
    candidates: Sequence[Candidate[T]],
    draw: float,
    session: bytes = b"",
    load_bound: float = 1.25,
) -> list[Place[T]]:
    """The same decision, and the reason for each place in it."""
    ordered = order(strategy, candidates, draw, session, load_bound)
    places: list[Place[T]] = []
    for here in _tiers([one for one in ordered if one.usable]):
        places += [
            Place(one, _why(strategy, here, at, session, load_bound)) for at, one in enumerate(here)
        ]
    return places + [
        Place(one, f"left alone for {one.wait_s:.1f} s" if one.wait_s else "left alone for now")
        for one in ordered
        if not one.usable
    ]


def _why(
    strategy: str, here: list[Candidate[T]], at: int, session: bytes, load_bound: float
) -> str:
    """Why one stands at its place in its tier."""
    one = here[at]
    if len(here) == 1:
        return "the only usable one of its tier"
    if one.weight <= 0 < here[0].weight:
        return "weight 0: only when the others of its tier cannot"
    place = "first" if at == 0 else f"place {at + 1}"
    compared = _compared(here)
    among = f"{place} of {compared} compared" if at < compared else "not compared"
    match strategy:
        case "sticky" if session:
            return _why_by_session(here, one, session, load_bound)
        case "least_busy" | "sticky":
            return f"{among}: {one.in_flight} under way, weight {one.weight}"
        case "fastest":
            return f"{among}: {_expected(one)}, {one.in_flight} under way"
        case "cheapest" if math.isinf(one.price):
            return f"{place} by price: none known"
        case "cheapest":
            return f"{place} by price: {one.price:g} USD for a million tokens"
        case _ if one.weight <= 0:
            return f"{place} of those with weight 0"
        case _:
            left = sum([each.weight for each in here[at:]])
            return f"drawn by weight {one.weight} of {left}"


def _expected(one: Candidate[T]) -> str:
    return f"{one.score:.3f} s expected" if one.score else "not tried yet"


def _why_by_session(
    here: list[Candidate[T]], one: Candidate[T], session: bytes, load_bound: float
) -> str:
    room = _room(here, load_bound)
    if _crowded(one, room):
        most = math.ceil(room * max(one.weight, 1) + 1)
        return f"too busy for its sessions: {one.in_flight} under way, {most} are too many"
    nearest = min(here, key=lambda each: (each.weight <= 0, _distance(each, session)))
    if one is nearest:
        return f"the session's own, {one.in_flight} under way"
    return f"next for the session, {one.in_flight} under way"


def resolve(model: str, exact: Mapping[str, R], wildcards: Sequence[tuple[str, R]]) -> R | None:
    """The route for a name: its own, else the wildcard with the longest matching beginning.

    wildcards: (beginning, route), longest first.
    """
    route = exact.get(model)
    if route is not None:
        return route
    for beginning, wildcard in wildcards:
        if model.startswith(beginning) and len(model) > len(beginning):
            return wildcard
    return None
