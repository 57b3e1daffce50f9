"""What workers share is one store: exact among them, and what a dead one held comes back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from gateway.policy.limits import Claim
from gateway.stores.base import LEASE_S, StoreError
from gateway.stores.memory import MemoryStore
from gateway.stores.owner import Owner
from gateway.stores.shared import SharedStore
from tests.vendors.looped import looped


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


SLOT = Claim("slots", 1, 1, 0, 0)
REQUEST = Claim("requests", 1, 100, 0, 0, leased=False)


@asynccontextmanager
async def workers(number: int = 2) -> AsyncGenerator[tuple[list[SharedStore], Owner, Clock]]:
    clock = Clock()
    owner = Owner(MemoryStore(clock=clock))
    owner.start()
    stores = [SharedStore(owner.path) for _ in range(number)]
    try:
        for store in stores:
            while True:
                try:
                    await store.renew([])
                except StoreError:
                    await asyncio.sleep(0.01)
                else:
                    break
        yield stores, owner, clock
    finally:
        for store in stores:
            await store.aclose()
        owner.stop()


@looped
async def test_many_at_once_take_exactly_what_there_is() -> None:
    async with workers() as (stores, _, _):
        verdicts = await asyncio.gather(
            *[stores[number % 2].claim(f"{number}", [REQUEST]) for number in range(400)]
        )
        assert sum(verdict.granted for verdict in verdicts) == 100


@looped
async def test_what_a_dead_worker_held_comes_back() -> None:
    async with workers() as ((one, other), _, clock):
        assert (await one.claim("a", [SLOT])).granted
        await one.aclose()
        assert not (await other.claim("b", [SLOT])).granted
        clock.now += LEASE_S
        assert (await other.claim("c", [SLOT])).granted
        await other.settle("c", [SLOT], [0])
        assert (await other.claim("d", [SLOT])).granted


@looped
async def test_values_and_work_are_shared() -> None:
    async with workers() as ((one, other), _, _):
        await one.put(b"t/k", b"v", 10, owner=b"t")
        assert await other.get(b"t/k") == b"v"
        assert await other.purge(b"t/*") == 1
        assert await one.get(b"t/k") is None
        await one.put(b"t/k", b"v", 10)
        await other.delete(b"t/k")
        assert await one.get(b"t/k") is None
        assert await one.hold(b"k", b"one", 5)
        assert not await other.hold(b"k", b"other", 5)
        await one.release(b"k", b"one")
        assert await other.hold(b"k", b"other", 5)


@looped
async def test_how_many_share_it_is_known() -> None:
    async with workers(3) as (stores, _, _):
        assert await stores[0].renew([]) == 3


@looped
async def test_an_owner_that_is_gone_is_an_error_at_once() -> None:
    async with workers() as ((one, _), owner, _):
        owner.stop()
        with pytest.raises(StoreError):
            await one.claim("a", [SLOT])
