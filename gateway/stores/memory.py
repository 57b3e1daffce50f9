"""A store in one process: exact, bounded, gone with it.

No call awaits anything, so that each is one step.
"""

import math
import random
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

import msgspec

from gateway.policy.limits import SLACK, Claim, Standing, Verdict, standing
from gateway.stores.base import LEASE_S

MAX_BYTES: Final = 256 << 20  # of values, what keeping them costs included
ENTRY_BYTES: Final = 690  # what CPython spends on an entry beside its key and value, measured
SHARE: Final = 0.5  # of the room that one owner may take while others have values
JITTER: Final = 0.1  # of a time to live, so that what came together does not go together
SETTLED: Final = 16_384  # leases of which it is known that they have been settled
_SWEEP_EVERY: Final = 1024  # claims between two looks for levels that are empty


class _Level:
    """A Level that changes in place, with what its last claim said of it."""

    __slots__ = ("at", "capacity", "keep_s", "rate", "units")

    def __init__(self, at: float) -> None:
        self.units = 0.0
        self.at = at
        self.capacity = self.rate = self.keep_s = 0.0

    def drain(self, now: float) -> float:
        at = self.at
        if now >= at:
            if self.rate:
                self.units = max(0.0, self.units - (now - at) * self.rate)
            self.at = now
        elif not self.units or (at - now) * self.rate > self.capacity:
            self.at = now
        return self.units

    def idle(self, now: float) -> bool:
        idle_s = now - self.at
        if self.keep_s and idle_s > self.keep_s:
            return True
        return self.units - idle_s * self.rate <= 0


class _Lease:
    __slots__ = ("taken", "until")

    def __init__(self, until: float, taken: dict[str, float]) -> None:
        self.until = until
        self.taken = taken  # units by key


class _Entry(msgspec.Struct, frozen=True, gc=False):
    value: bytes
    until: float
    owner: bytes
    bytes: int
    number: int


class MemoryStore:
    """clock: seconds that never go back."""

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0  # of values now
        self._lease_s = lease_s  # inf where nobody else can die
        self._mortal = lease_s < math.inf
        self._clock = clock
        self._draw = draw
        self._levels: dict[str, _Level] = {}
        self._leases: OrderedDict[str, _Lease] = OrderedDict()  # the next to run out first
        self._settled: set[str] = set()
        self._settled_first: deque[str] = deque()  # the same, the first settled first
        self._until_sweep = _SWEEP_EVERY
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()  # the least used first
        self._owners: dict[bytes, OrderedDict[bytes, None]] = {}
        self._owned: dict[bytes, int] = {}  # bytes by owner
        self._holds: dict[bytes, tuple[bytes, float]] = {}
        self._numbers = count()

    async def aclose(self) -> None:
        pass

    # ---- limits

    async def claim(self, lease: str, claims: Sequence[Claim]) -> Verdict:
        now = self._clock()
        self._tidy(now)
        if lease in self._settled:  # given up before its claim came through
            return Verdict(False)
        levels = [self._level(claim, now) for claim in claims]
        granted = True
        for claim, level in zip(claims, levels, strict=True):
            if level.units + claim.cost > claim.capacity + SLACK and not claim.shadow:
                granted = False
                break
        standings: list[Standing] = []
        leased: dict[str, float] = {}
        for claim, level in zip(claims, levels, strict=True):
            units, cost = level.units, claim.cost
            taken = granted and units + cost <= claim.capacity + SLACK
            standings.append(standing(units, claim, taken=taken))
            if taken:
                level.units = units + cost
                if claim.leased:
                    leased[claim.key] = cost
        if leased:
            self._leases[lease] = _Lease(now + self._lease_s, leased)
        return Verdict(granted, tuple(standings))

    async def settle(self, lease: str, claims: Sequence[Claim], spent: Sequence[float]) -> None:
        self.settle_now(lease, claims, spent)

    def settle_now(self, lease: str, claims: Sequence[Claim], spent: Sequence[float]) -> None:
        now = self._clock()
        if lease in self._settled:
            return
        self._settled.add(lease)
        self._settled_first.append(lease)
        if len(self._settled_first) > SETTLED:
            self._settled.remove(self._settled_first.popleft())
        known = self._leases.pop(lease, None)
        taken = {} if known is None else known.taken
        for claim, units in zip(claims, spent, strict=True):
            if claim.leased:
                difference = units - taken.get(claim.key, 0.0)
                if difference:
                    level = self._level(claim, now)
                    left = level.units + difference
                    level.units = left if left > 0.0 else 0.0

    async def renew(self, leases: Sequence[str]) -> int:
        until = self._clock() + self._lease_s
        for lease in leases:
            known = self._leases.get(lease)
            if known is not None:
                known.until = until
                self._leases.move_to_end(lease)
        return 1

    def in_use(self, key: str) -> float:
        """The units in use now."""
        level = self._levels.get(key)
        return 0.0 if level is None else level.drain(self._clock())

    def _level(self, claim: Claim, now: float) -> _Level:
        level = self._levels.get(claim.key)
        if level is None:
            level = self._levels[claim.key] = _Level(now)
        level.capacity, level.keep_s = claim.capacity, claim.keep_s
        level.rate = rate = claim.rate
        at = level.at
        if now >= at:  # as drain() has it
            if rate:
                left = level.units - (now - at) * rate
                level.units = left if left > 0.0 else 0.0
            level.at = now
        else:
            level.drain(now)
        return level

    def _tidy(self, now: float) -> None:
        """Leases that have run out come back; now and then, empty levels are forgotten."""
        leases = self._leases
        while leases and self._mortal:
            lease, first = next(iter(leases.items()))
            if first.until > now:
                break
            del leases[lease]
            for key, units in first.taken.items():
                level = self._levels.get(key)
                if level is not None:
                    level.units = max(0.0, level.drain(now) - units)
        self._until_sweep -= 1
        if self._until_sweep < 0:
            self._until_sweep = max(_SWEEP_EVERY, len(self._levels))
            for key in [key for key, one in self._levels.items() if one.idle(now)]:
                del self._levels[key]

    # ---- values

    async def get(self, key: bytes) -> bytes | None:
        entry = self._used(key)
        return None if entry is None else entry.value

    def number(self, key: bytes) -> int | None:
        """Which value is kept here now: no other one ever has its number."""
        entry = self._used(key)
        return None if entry is None else entry.number

    def _used(self, key: bytes) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until <= self._clock():
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        self._owners[entry.owner].move_to_end(key)
        return entry

    async def put(self, key: bytes, value: bytes, ttl_s: float, *, owner: bytes = b"") -> None:
        size = len(key) + len(value) + ENTRY_BYTES
        if key in self._entries:
            self._forget(key)
        if size > self.max_bytes * SHARE:
            return
        until = self._clock() + ttl_s * (1.0 - JITTER * self._draw())
        self._entries[key] = _Entry(value, until, owner, size, next(self._numbers))
        self._owners.setdefault(owner, OrderedDict())[key] = None
        self._owned[owner] = self._owned.get(owner, 0) + size
        self.bytes += size
        while self.bytes > self.max_bytes:
            self._forget(self._least(owner))

    def _least(self, owner: bytes) -> bytes:
        """The least used value: of the owner that has more than its share, else of all."""
        if len(self._owned) > 1 and self._owned[owner] > self.max_bytes * SHARE:
            return next(iter(self._owners[owner]))
        return next(iter(self._entries))

    def _forget(self, key: bytes) -> None:
        entry = self._entries.pop(key)
        owner = entry.owner
        self.bytes -= entry.bytes
        self._owned[owner] -= entry.bytes
        del self._owners[owner][key]
        if not self._owners[owner]:
            del self._owners[owner], self._owned[owner]

    async def delete(self, key: bytes) -> None:
        if key in self._entries:
            self._forget(key)

    async def purge(self, pattern: bytes) -> int:
        glob = re.compile(b".*".join(re.escape(part) for part in pattern.split(b"*")), re.S)
        found = [key for key in self._entries if glob.fullmatch(key)]
        for key in found:
            self._forget(key)
        return len(found)

    # ---- who is at work

    async def hold(self, key: bytes, holder: bytes, ttl_s: float) -> bool:
        now = self._clock()
        held = self._holds.get(key)
        if held is not None and held[0] != holder and held[1] > now:
            return False
        if len(self._holds) >= _SWEEP_EVERY:
            self._holds = {key: held for key, held in self._holds.items() if held[1] > now}
        self._holds[key] = holder, now + ttl_s
        return True

    async def release(self, key: bytes, holder: bytes) -> None:
        held = self._holds.get(key)
        if held is not None and held[0] == holder:
            del self._holds[key]
