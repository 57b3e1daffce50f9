"""What a limit lets through in the long run, on either store, with a clock of the test's own."""

import math
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final

import pytest

from gateway.policy.limits import Claim
from gateway.stores.address import parsed
from gateway.stores.base import Ledger
from gateway.stores.memory import MemoryStore
from gateway.stores.redis import RedisStore
from tests.stores.valkey import patient, serving
from tests.vendors.looped import looped

PER_MINUTE: Final = 100
MINUTES: Final = 10
REQUEST: Final = Claim("requests", 1, PER_MINUTE, PER_MINUTE / 60, 0, leased=False)
STORES: Final = ("memory", "redis")
USED_UP: Final = 4  # minutes at 130 %, until only what comes free passes
NO_JUMPS: Final = MappingProxyType[int, float]({})


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def ledger(kind: str) -> AsyncIterator[tuple[Ledger, Clock]]:
    clock = Clock()
    if kind == "memory":
        yield MemoryStore(clock=clock), clock
        return
    with serving() as server, patient():
        store = RedisStore(parsed(server.url), clock=clock)
        await store.renew([])
        yield store, clock
        await store.aclose()


async def asked(
    store: Ledger, clock: Clock, share: float, jumps_s: Mapping[int, float] = NO_JUMPS
) -> list[int]:
    """How many pass in each of the minutes, when that share of the limit asks, at odd moments.

    jumps_s: by how much the clock is wrong from the beginning of a minute.
    """
    dice, began, wrong_s = random.Random(7), clock.now, 0.0
    number = round(PER_MINUTE * MINUTES * share)
    passed = [0] * MINUTES
    for one in range(number):
        at_s = (one + dice.random()) * 60 * MINUTES / number
        minute = int(at_s / 60)
        wrong_s = jumps_s.get(minute, wrong_s)
        clock.now = began + at_s + wrong_s
        passed[minute] += (await store.claim(str(one), [REQUEST])).granted
    return passed


@pytest.mark.parametrize("kind", STORES)
@looped
async def test_of_ten_minutes_at_130_percent_a_limits_worth_passes(kind: str) -> None:
    """And at the beginning, from rest, the whole amount besides."""
    async with ledger(kind) as (store, clock):
        passed = await asked(store, clock, 1.3)
        assert PER_MINUTE * (MINUTES + 0.98) <= sum(passed) <= PER_MINUTE * (MINUTES + 1)
        for each in passed[USED_UP:]:
            assert 0.98 * PER_MINUTE <= each <= PER_MINUTE + 1  # one that came free just before


@pytest.mark.parametrize("kind", STORES)
@looped
async def test_of_ten_minutes_at_95_percent_none_is_refused(kind: str) -> None:
    async with ledger(kind) as (store, clock):
        assert sum(await asked(store, clock, 0.95)) == round(0.95 * PER_MINUTE * MINUTES)


@pytest.mark.parametrize("wrong_s", [3600.0, 45.0, -45.0, -3600.0])
@looped
async def test_a_clock_that_jumps_opens_or_locks_for_one_window_at_most(wrong_s: float) -> None:
    """The server's, which is another one's after a failover."""
    async with ledger("redis") as (store, clock):
        passed = await asked(store, clock, 1.3, {USED_UP: wrong_s})
        usual = PER_MINUTE * (MINUTES + 1)
        opened = sum(passed) - usual
        if wrong_s > 0:
            assert 0 <= opened <= PER_MINUTE
        else:
            assert -PER_MINUTE - 1 <= opened <= 0
        assert abs(passed[-1] - PER_MINUTE) <= 1, passed


@pytest.mark.parametrize("kind", STORES)
@looped
async def test_tokens_that_are_reserved_and_not_spent_are_used_by_others(kind: str) -> None:
    """At 130 % of a token limit, each reserving three times what it takes, all of it is used."""
    per_minute, reserved, spent, takes_s = 12_000.0, 300.0, 100.0, 2.0
    claim = Claim("tokens", reserved, per_minute, per_minute / 60, 0)
    slot = Claim("slots", 1, 1000, 0, 0)
    async with ledger(kind) as (store, clock):
        began, dice, under_way = clock.now, random.Random(7), deque[tuple[float, str]]()
        used = 0.0

        async def end(until_s: float) -> None:
            while under_way and under_way[0][0] <= until_s:
                at_s, lease = under_way.popleft()
                clock.now = began + at_s
                await store.settle(lease, [claim, slot], [spent, 0])

        number = round(1.3 * per_minute / spent * MINUTES)
        for one, at_s in enumerate(sorted(dice.uniform(0, 60 * MINUTES) for _ in range(number))):
            await end(at_s)
            clock.now = began + at_s
            if (await store.claim(str(one), [claim, slot])).granted:
                under_way.append((at_s + takes_s, str(one)))
                used += spent
        await end(math.inf)
        assert 0.98 * per_minute * MINUTES <= used - per_minute <= per_minute * MINUTES
        everything = Claim("tokens", per_minute, per_minute, per_minute / 60, 0)
        clock.now += 60
        assert (await store.claim("rest", [everything, Claim("slots", 1000, 1000, 0, 0)])).granted
