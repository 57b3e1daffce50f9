"""Whose turn it is among those that wait for the same: by class, then fairly between tenants.

Pure. Within a class each tenant has a line of its own, and gets as much of what comes free as its
weight says, while it has somebody waiting; what it leaves goes to the others. Who has not waited
lately has no credit, and who has left no debt.
Source: Goyal, Vin, Cheng, "Start-time Fair Queuing", 1996.
"""

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

import msgspec

CLASSES: Final = ("high", "normal", "low")  # the first goes first
_LEAST: Final = 1e-9  # units that a turn takes
_KEPT: Final = 64  # lines, before those are looked for that mean nothing any more

T = TypeVar("T")


class Place(msgspec.Struct, frozen=True):
    """Where somebody stands who has to wait."""

    tenant: str
    weight: float = 1.0
    rank: int = 1  # of CLASSES


class _Line(Generic[T]):
    """One tenant's, in one class."""

    __slots__ = ("start", "waiting", "weight")

    def __init__(self, start: float) -> None:
        self.start = start  # when its next turn begins, in units for a weight of one
        self.weight = 1.0
        self.waiting: dict[T, float] = {}  # and units that each will take

    @property
    def length(self) -> float:
        return len(self.waiting) / self.weight


class _Class(Generic[T]):
    __slots__ = ("lines", "now")

    def __init__(self) -> None:
        self.now = 0.0  # when the latest turn began
        self.lines: dict[str, _Line[T]] = {}

    def line(self, tenant: str) -> _Line[T]:
        line = self.lines.get(tenant)
        if line is None:
            if len(self.lines) % _KEPT == _KEPT - 1:
                kept = {one: line for one, line in self.lines.items() if self._matters(line)}
                self.lines = kept
            line = self.lines[tenant] = _Line(self.now)
        if not line.waiting:
            line.start = max(line.start, self.now)
        return line

    def _matters(self, line: _Line[T]) -> bool:
        return bool(line.waiting) or line.start > self.now

    def settle(self) -> None:
        """Where nobody waits any more, nobody is behind or ahead."""
        if not any(self.busy()):
            self.lines.clear()
            self.now = 0.0

    def busy(self) -> Iterator[_Line[T]]:
        return (line for line in self.lines.values() if line.waiting)


class Turns(Generic[T]):
    """T is compared by identity."""

    def __init__(self) -> None:
        self._classes: tuple[_Class[T], ...] = tuple(_Class[T]() for _ in CLASSES)
        self._places: dict[T, Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, one: T) -> bool:
        return one in self._places

    def __iter__(self) -> Iterator[T]:
        return iter(self._places)

    def add(self, one: T, place: Place, units: float) -> None:
        line = self._classes[place.rank].line(place.tenant)
        line.weight = place.weight
        line.waiting[one] = max(units, _LEAST)
        self._places[one] = place

    def first(self) -> T | None:
        for one in self._classes:
            line = min(one.busy(), key=lambda line: line.start, default=None)
            if line is not None:
                return next(iter(line.waiting))
        return None

    def served(self, one: T) -> None:
        """It has had its turn."""
        place = self._places.pop(one)
        among = self._classes[place.rank]
        line = among.lines[place.tenant]
        among.now = max(among.now, line.start)
        line.start += line.waiting.pop(one) / line.weight
        among.settle()

    def left(self, one: T) -> None:
        """It waits no more; its tenant owes nothing for it."""
        place = self._places.pop(one, None)
        if place is not None:
            among = self._classes[place.rank]
            del among.lines[place.tenant].waiting[one]
            among.settle()

    def yielding(self, place: Place) -> T | None:
        """Who has to go where nobody more fits, for one at this place; None: that one itself.

        The last class first; in it, the newest of the tenant that has most waiting for its weight.
        """
        for rank in range(len(CLASSES) - 1, place.rank, -1):
            line = max(self._classes[rank].busy(), key=lambda line: line.length, default=None)
            if line is not None:
                return next(reversed(line.waiting))
        own = self._classes[place.rank].line(place.tenant)
        with_it = (len(own.waiting) + 1) / place.weight
        longest = max(self._classes[place.rank].busy(), key=lambda line: line.length, default=own)
        if longest is own or longest.length <= with_it:
            return None
        return next(reversed(longest.waiting))
