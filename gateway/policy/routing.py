"""Which targets to try, in which order; which route a model's name leads to.

Within a tier each next target is drawn by weight from those that are left, so that the first is
hit by its share and the later ones stand in for it in proportion. Tiers never mix.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar


class Choice(Protocol):
    @property
    def weight(self) -> int: ...  # 0: only when the others of its tier cannot
    @property
    def tier(self) -> int: ...


C = TypeVar("C", bound=Choice)
R = TypeVar("R")


def order(targets: Sequence[C], draw: float) -> list[C]:
    """All targets, best first. draw in [0, 1) is the only chance in it."""
    if len(targets) == 1:
        return list(targets)
    ordered: list[C] = []
    for tier in sorted({target.tier for target in targets}):
        here = [target for target in targets if target.tier == tier]
        left = [target for target in here if target.weight > 0]
        while left:
            chosen, draw = _drawn(left, draw)
            left.remove(chosen)
            ordered.append(chosen)
        ordered += [target for target in here if target.weight <= 0]
    return ordered


def _drawn(left: list[C], draw: float) -> tuple[C, float]:
    """One of left, by weight, and what is left of the draw: that is again even in [0, 1)."""
    point = draw * sum(target.weight for target in left)
    for target in left:
        if point < target.weight:
            return target, point / target.weight
        point -= target.weight
    return left[-1], 0.0  # a rounding error past the end


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
