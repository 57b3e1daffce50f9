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
        left = [target for target in targets if target.tier == tier]
        while left:
            total = sum(target.weight for target in left)
            point, chosen = draw * total, left[0]
            for target in left:
                chosen = target
                point -= target.weight
                if point < 0:
                    break
            # What is left of the draw after this choice is again even in [0, 1).
            draw = (
                min(max((point + chosen.weight) / chosen.weight, 0.0), 0.999999) if total else 0.0
            )
            left.remove(chosen)
            ordered.append(chosen)
    return ordered


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
