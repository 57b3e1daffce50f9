"""While the store is away the stated policy holds, feature by feature, and nothing stays locked.

36 rows: four faults of the store, three policies for limits, three for budgets.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import pytest

from gateway.policy.limits import Claim
from gateway.stores.address import parsed
from gateway.stores.desk import Away, SharedDesk
from gateway.stores.redis import RedisStore
from tests.stores.relay import Relay
from tests.stores.valkey import Server, serving
from tests.vendors.looped import looped

POLICIES: Final = tuple(itertools.product(("local", "allow", "deny"), repeat=2))
ASKED: Final = 3  # claims of each kind while it is away
SHARE: Final = 2.0  # of each limit for each of the processes
SPENT: Final = 0.5
BACK_S: Final = 8.0
LATE_S: Final = 0.5  # 60 ms where nothing else runs
# How many of ASKED pass.
PASS: Final = {"local": int(SHARE), "allow": ASKED, "deny": 0}

# What is done to the store -> the kinds of error that may be told.
FAULTS: Final = {
    "cut": {"closed", "connect", "open"},
    "hung": {"timeout", "open"},
    "slow": {"timeout", "open", "connect"},
    "full": {"oom"},
}


@dataclass
class Seen:
    changes: list[tuple[bool, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def called(self, operation: str, result: str, seconds: float) -> None:
        self.calls.append(result)

    def changed(self, degraded: bool, kind: str) -> None:
        self.changes.append((degraded, kind))


@dataclass
class Process:
    """One gateway's desk, with a tenant of its own."""

    desk: SharedDesk
    seen: Seen
    limits: str
    budgets: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def claims(self) -> list[Claim]:
        """One for each of what is asked: a limit's, a budget's, and of both."""
        limit, budget = self.claim("open"), self.claim("spent", money=True)
        return [limit, budget, self.claim("both"), self.claim("paid", money=True)]

    def claim(self, what: str, *, money: bool = False) -> Claim:
        capacity = SHARE * len(POLICIES)
        return Claim(f"{self.limits}-{self.budgets}/{what}", 1, capacity, 0, 0, money=money)


def harm(fault: str, server: Server, relay: Relay) -> None:
    match fault:
        case "cut":
            relay.cut()
        case "hung":
            server.stop()
        case "slow":
            relay.slow(0.3)
        case "full":
            server.asked("CONFIG", "SET", "maxmemory", "1")


def heal(fault: str, server: Server, relay: Relay) -> None:
    match fault:
        case "cut" | "slow":
            relay.heal()
        case "hung":
            server.go_on()
        case "full":
            server.asked("CONFIG", "SET", "maxmemory", "0")


@asynccontextmanager
async def processes(url: str) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as stack:
        found = []
        for limits, budgets in POLICIES:
            seen = Seen()
            desk = SharedDesk(RedisStore(parsed(url)), partial(Away, limits, budgets), seen)
            assert await desk.greet() == ""
            stack.push_async_callback(desk.aclose)
            found.append(Process(desk, seen, limits, budgets))
        for one in found:  # now each knows of all
            assert await one.desk.greet() == ""
            watching = asyncio.create_task(one.desk.watch())
            stack.callback(watching.cancel)
            before = [one.claim("before")]  # it knows the scripts: what it is sent, it does
            assert (await one.desk.claim(f"{one.limits}-{one.budgets}", before)).granted
            one.desk.settle(f"{one.limits}-{one.budgets}", before, [0.0])
        yield found


async def soon(what: str, true: Callable[[], bool]) -> None:
    until = time.monotonic() + BACK_S
    while not true():
        assert time.monotonic() < until, what
        await asyncio.sleep(0.02)


def in_use(server: Server, claim: Claim) -> float:
    answer = server.asked("GET", f"gw1{{limits}}:level:{claim.key}")
    return 0.0 if answer == b"$-1\r\n" else float(answer.split(b"\r\n")[1].split()[0])


Granted = list[tuple[str, list[Claim]]]


async def holds(one: Process, fault: str) -> Granted:
    """Each feature by itself as it is said, and of a request that has both the stricter one."""
    limit, budget, *both = one.claims()
    stricter = min(one.limits, one.budgets, key=PASS.__getitem__)
    passed: Granted = []
    for claims, policy in (([limit], one.limits), ([budget], one.budgets), (both, stricter)):
        before = len(passed)
        for _ in range(ASKED):
            lease = f"{one.limits}-{one.budgets}-{next(one.numbers)}"
            began = time.monotonic()
            verdict = await one.desk.claim(lease, claims)
            assert time.monotonic() - began < LATE_S
            assert bool(verdict.standings) is (policy != "deny")
            if verdict.granted:
                passed.append((lease, claims))
        assert len(passed) - before == PASS[policy], (fault, one.limits, one.budgets, claims)
    return passed


@pytest.mark.parametrize("fault", FAULTS)
@looped
async def test_what_is_said_for_limits_and_for_budgets_holds(fault: str) -> None:
    with serving() as server, Relay(server.port) as relay:
        async with processes(relay.url) as found:
            harm(fault, server, relay)
            try:
                passed = await asyncio.gather(*[holds(one, fault) for one in found])
            finally:
                heal(fault, server, relay)
            for one, leases in zip(found, passed, strict=True):
                for lease, claims in leases:
                    one.desk.settle(lease, claims, [SPENT if c.money else 0.0 for c in claims])
            for one, leases in zip(found, passed, strict=True):
                await soon(f"{fault}: {one} is not back", partial(is_back, one))
                assert FAULTS[fault] & {kind for away, kind in one.seen.changes if away}
                for claim in one.claims():
                    spent = sum(claim in claims for _, claims in leases) * SPENT * claim.money
                    what = f"{fault}: {spent} of {claim} are not what is in use"
                    await soon(what, partial(is_in_use, server, claim, spent))


def is_back(one: Process) -> bool:
    return not one.desk.degraded and one.seen.changes[-1] == (False, "")


def is_in_use(server: Server, claim: Claim, units: float) -> bool:
    return in_use(server, claim) == units
