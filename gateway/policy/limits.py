"""Limit arithmetic: a level per key that claims raise and time lowers (GCRA, told in units).

Pure. Time comes in, a verdict goes out; who remembers the levels is a store's affair. A rate of
nought makes the same arithmetic a count: of open exchanges, of money spent in a period. The Redis
script repeats these functions line for line; tests/laws/test_limits.py holds both to them.
Source: ITU-T I.371, generic cell rate algorithm.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

SLACK: Final = 1e-6  # units: less than any claim, more than the rounding of a wait


class Claim(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What one exchange takes from one limit before it begins."""

    key: str  # whose level: "tenant/search/tokens_per_minute"
    cost: float  # units; 0 asks whether there is room at all
    capacity: float  # units that may be in use at once
    rate: float  # units a second that come free by themselves; 0: none
    keep_s: float  # how long the level matters once it is left alone; 0: until it is empty
    leased: bool = True  # what is not spent comes back when the exchange ends, or its worker dies
    shadow: bool = False  # tells only what it would refuse
    money: bool = False  # a budget's: other rules hold while the store is away


class Level(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of one key. The level may lie above the capacity: a debt."""

    units: float = 0.0  # in use at the moment `at`
    at: float = 0.0  # seconds, by the clock of whoever remembers


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How one limit stands after a claim, granted or not."""

    remaining: float  # units
    wait_s: float  # until the same claim would be granted; inf if only a settling can tell
    reset_s: float  # until all is free again, if nobody claims; inf as above


class Verdict(msgspec.Struct, frozen=True, gc=False):
    granted: bool
    standings: tuple[Standing, ...] = ()  # in the order of the claims; none: nobody could say

    @property
    def wait_s(self) -> float:
        """Until the same claims would be granted together, if nobody else comes."""
        return max((standing.wait_s for standing in self.standings), default=0.0)


NOTHING: Final = Level()


def drained(level: Level, claim: Claim, now: float) -> Level:
    """The level at this moment. While a clock that went back has not caught up nothing comes free,
    for the time of one whole level at most. An empty level has no time of its own.
    """
    rate, at = claim.rate, level.at
    if now >= at:
        return Level(max(0.0, level.units - (now - at) * rate), now)
    if not level.units or (at - now) * rate > claim.capacity:
        return Level(level.units, now)
    return level


def fits(units: float, claim: Claim) -> bool:
    return units + claim.cost <= claim.capacity + SLACK


def standing(units: float, claim: Claim, *, taken: bool) -> Standing:
    """units: in use before the claim; taken: whether it is in use now."""
    cost, capacity, rate = claim.cost, claim.capacity, claim.rate
    wait_s, after = 0.0, units
    if taken:
        after = units + cost
    elif units + cost - capacity > SLACK:
        over = units + cost - capacity
        wait_s = over / rate if rate > 0 and cost <= capacity else math.inf
    reset_s = 0.0
    if after > 0:
        reset_s = after / rate if rate > 0 else math.inf
    left = capacity - after
    return Standing(left if left > 0.0 else 0.0, wait_s, reset_s)


def take(
    levels: Sequence[Level], claims: Sequence[Claim], now: float
) -> tuple[Sequence[Level], Verdict]:
    """All of the claims or none; returns the next levels. A refusal leaves them as they were, but
    for the time of one whose clock went far back: what is refused would stay so until then.

    A shadow claim that does not fit is not taken, and refuses nothing.
    """
    before = [drained(level, claim, now) for level, claim in zip(levels, claims, strict=True)]
    fitting = [fits(level.units, claim) for level, claim in zip(before, claims, strict=True)]
    granted = all(fit or claim.shadow for fit, claim in zip(fitting, claims, strict=True))
    standings = tuple(
        standing(level.units, claim, taken=granted and fit)
        for level, claim, fit in zip(before, claims, fitting, strict=True)
    )
    if not granted:
        kept = [
            fresh if fresh.at < level.at else level
            for fresh, level in zip(before, levels, strict=True)
        ]
        return kept, Verdict(False, standings)
    after = [
        Level(level.units + claim.cost, level.at) if fit else level
        for level, claim, fit in zip(before, claims, fitting, strict=True)
    ]
    return after, Verdict(True, standings)


def corrected(level: Level, claim: Claim, difference: float, now: float) -> Level:
    """After settling: what was spent beyond the claim is added, what was not spent given back."""
    level = drained(level, claim, now)
    return Level(max(0.0, level.units + difference), level.at)


def tightest(standings: Iterable[Standing], capacities: Iterable[float]) -> int:
    """Which one a caller is told of: the one it meets first, by the share that is left."""
    shares = [
        (one.remaining / capacity if capacity > 0 else 0.0, -one.reset_s)
        for one, capacity in zip(standings, capacities, strict=True)
    ]
    return min(range(len(shares)), key=shares.__getitem__)
