"""Where the road claims and settles: a store, and what happens while it is slow or gone.

A claim always has an answer. A settling is never waited for: what the store does not take now it
gets later, once, by the lease's id. Values have a door of their own, which raises.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec

from gateway.policy.limits import Claim, Standing, Verdict
from gateway.stores.base import RENEW_S, Ledger, StoreError
from gateway.stores.memory import MemoryStore

PROBE_S: Final = 0.5  # between two looks at a store that is away
SOON_S: Final = 2 * PROBE_S  # after its return all others have said that they live, too
GREET_S: Final = 1.0  # for a store to answer before the first request
MAX_OWED: Final = 100_000  # settlings that wait for the store; beyond that the oldest is lost
AT_ONCE: Final = 256  # settlings on their way
Owed = tuple[str, Sequence[Claim], Sequence[float]]  # a settling
NOBODY_SAYS: Final = Verdict(False)  # refused, because the store is away
_MAYBE_DONE: Final = frozenset({"timeout", "closed", "protocol"})  # errors of calls that were sent


class Away(msgspec.Struct, frozen=True):
    """What holds while the store cannot be asked."""

    limits: str = "local"  # or allow, deny
    budgets: str = "deny"  # or allow, local


class Witness(Protocol):
    def called(self, operation: str, result: str, seconds: float) -> None:
        """result: ok, or the kind of error."""

    def changed(self, degraded: bool, kind: str) -> None: ...


class Desk(Protocol):
    @property
    def degraded(self) -> str:
        """Why the store is not what decides now; empty while it does."""

    async def claim(self, lease: str, claims: Sequence[Claim]) -> Verdict: ...
    def settle(self, lease: str, claims: Sequence[Claim], spent: Sequence[float]) -> None: ...
    async def greet(self) -> str:
        """Before the first request: why the store does not work, if it does not."""

    async def watch(self) -> None:
        """What is to be done beside the traffic, for ever."""

    async def aclose(self) -> None:
        """Behind the last exchange; what is owed is paid if the store takes it at once."""


def _leased(claims: Iterable[Claim]) -> bool:
    """Whether there will be something to settle."""
    return any(claim.leased for claim in claims)


class OwnDesk:
    """The store of this one process, which is never away."""

    degraded = ""

    def __init__(self, store: MemoryStore) -> None:
        self.claim = store.claim
        self.settle = store.settle_now

    async def greet(self) -> str:
        return ""

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        pass


class SharedDesk:
    """A store that others use, too. `processes`: how many they are until it says so itself."""

    def __init__(
        self, store: Ledger, away: Callable[[], Away], witness: Witness, processes: int = 1
    ) -> None:
        self._store = store
        self._away = away
        self._witness = witness
        self._processes = max(1, processes)
        self._least = max(1, processes)
        self._local = MemoryStore(lease_s=math.inf)
        self._open: dict[str, None] = {}  # leases that the store holds for us
        self._instead: dict[str, list[Claim]] = {}  # by lease: what the local store holds
        self._paying: set[asyncio.Task[None]] = set()
        self._owed: deque[Owed] = deque()  # what the store could not take
        self._wake = asyncio.Event()
        self.degraded = ""

    async def claim(self, lease: str, claims: Sequence[Claim]) -> Verdict:
        began = time.monotonic()
        try:
            verdict = await self._store.claim(lease, claims)
        except StoreError as error:
            self._failed("claim", error, began)
            verdict = await self._without(lease, claims)
            if not verdict.granted and error.kind in _MAYBE_DONE:
                self.settle(lease, claims, [0.0] * len(claims))
            return verdict
        except BaseException:  # nobody will know whether it was granted
            self.settle(lease, claims, [0.0] * len(claims))
            raise
        self._witness.called("claim", "ok", time.monotonic() - began)
        if verdict.granted and _leased(claims):
            self._open[lease] = None
        return verdict

    def settle(self, lease: str, claims: Sequence[Claim], spent: Sequence[float]) -> None:
        """Also what was claimed while the store was away: it then learns what was spent."""
        self._open.pop(lease, None)
        scaled = self._instead.pop(lease, None)
        if scaled is not None:
            by_key = {claim.key: units for claim, units in zip(claims, spent, strict=True)}
            self._local.settle_now(lease, scaled, [by_key[claim.key] for claim in scaled])
        if not _leased(claims):
            return
        # It is on its way before the client can ask again: what was held is free by then. So too
        # while the store is away: a claim that was late may have been granted there after all.
        paying = asyncio.get_running_loop().create_task(self._pay((lease, claims, spent)))
        self._paying.add(paying)
        paying.add_done_callback(self._paying.discard)

    def _owe(self, owed: Owed) -> None:
        if len(self._owed) >= MAX_OWED:
            self._owed.popleft()
            self._witness.called("settle", "lost", 0.0)
        self._owed.append(owed)
        self._wake.set()

    async def _pay(self, owed: Owed) -> None:
        began = time.monotonic()
        try:
            await self._store.settle(*owed)
        except StoreError as error:
            self._owe(owed)
            self._failed("settle", error, began)
        else:
            self._witness.called("settle", "ok", time.monotonic() - began)

    # ---- while it is away

    async def _without(self, lease: str, claims: Sequence[Claim]) -> Verdict:
        """By the stated policy: refuse, let pass, or hold a local share of each limit."""
        away = self._away()
        asked: list[Claim] = []
        for claim in claims:
            policy = away.budgets if claim.money else away.limits
            if policy == "deny" and not claim.shadow:
                return NOBODY_SAYS
            if policy == "local":
                asked.append(self._scaled(claim))
        verdict = await self._local.claim(lease, asked)
        if verdict.granted and _leased(asked):
            self._instead[lease] = asked
        known = dict(zip([claim.key for claim in asked], verdict.standings, strict=True))
        standings = [known.get(one.key) or Standing(one.capacity, 0.0, 0.0) for one in claims]
        return Verdict(verdict.granted, tuple(standings))

    def _scaled(self, claim: Claim) -> Claim:
        share = 1.0 / self._processes
        capacity = claim.capacity * share
        if claim.cost <= claim.capacity:  # what could pass at all still can, by itself
            capacity = max(capacity, min(claim.cost, claim.capacity))
        return msgspec.structs.replace(claim, capacity=capacity, rate=claim.rate * share)

    def _failed(self, operation: str, error: StoreError, began: float) -> None:
        self._witness.called(operation, error.kind, time.monotonic() - began)
        if not self.degraded:
            self.degraded = error.kind
            self._witness.changed(True, error.kind)
            self._wake.set()

    # ---- beside the traffic

    async def aclose(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GREET_S):
                await asyncio.gather(*self._paying)
                await self._pay_all()
        await self._store.aclose()

    async def greet(self) -> str:
        until = time.monotonic() + GREET_S
        while not await self._renew() and self.degraded != "auth":
            if time.monotonic() > until:
                break
            await asyncio.sleep(0.05)
        return self.degraded

    async def watch(self) -> None:
        renew_at = time.monotonic()
        while True:
            if self.degraded:
                await asyncio.sleep(PROBE_S)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, renew_at - time.monotonic())):
                        await self._wake.wait()
            self._wake.clear()
            away = bool(self.degraded)
            if away or time.monotonic() >= renew_at:
                await self._renew()
                renew_at = time.monotonic() + (SOON_S if away else RENEW_S)
            await self._pay_all()

    async def _renew(self) -> bool:
        """Says that we live; and whether the store does."""
        began = time.monotonic()
        try:
            processes = await self._store.renew(list(self._open))
        except StoreError as error:
            self._failed("renew", error, began)
            return False
        self._witness.called("renew", "ok", time.monotonic() - began)
        self._processes = max(self._least, processes)
        if self.degraded:
            self.degraded = ""
            self._witness.changed(False, "")
        return True

    async def _pay_all(self) -> None:
        """What is owed to the store; what it does not take stays owed."""
        while self._owed and not self.degraded:
            some = [self._owed.popleft() for _ in range(min(AT_ONCE, len(self._owed)))]
            await asyncio.gather(*[self._pay(one) for one in some])
