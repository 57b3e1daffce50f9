"""Near first, then far; what is found far is near afterwards, for a while."""

import asyncio

from gateway.stores.base import StoreError
from gateway.stores.memory import MemoryStore
from gateway.stores.tiered import NEAR_S, Tiered, forget
from tests.unit.exchange.serving import until
from tests.vendors.looped import looped


def owner_of(key: bytes) -> bytes:
    return key.partition(b"/")[0]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@looped
async def test_what_others_have_kept_is_found_and_then_near() -> None:
    clock = Clock()
    near, far = (MemoryStore(clock=clock, draw=lambda: 0.0) for _ in range(2))
    values = Tiered(near, far, owner_of)
    await far.put(b"a/1", b"x", 3600, owner=b"a")
    assert await values.get(b"a/1") == b"x"
    assert near._owned.keys() == {b"a"}  # whose share of the room it takes
    await far.delete(b"a/1")
    assert await values.get(b"a/1") == b"x"
    clock.now += NEAR_S + 1
    assert await values.get(b"a/1") is None


@looped
async def test_what_is_kept_is_everybody_s_and_what_is_purged_is_nobody_s() -> None:
    near, far = MemoryStore(), MemoryStore()
    values = Tiered(near, far, owner_of)
    await values.put(b"a/1", b"x", 3600, owner=b"t")
    assert await far.get(b"a/1") == await near.get(b"a/1") == b"x"
    assert await values.purge(b"a/*") == 1
    assert await values.get(b"a/1") is None
    await values.put(b"a/2", b"y", 3600)
    await values.delete(b"a/2")
    assert await far.get(b"a/2") is None


@looped
async def test_what_one_has_forgotten_the_others_forget_soon() -> None:
    far, nears = MemoryStore(), [MemoryStore() for _ in range(3)]
    values = [Tiered(near, far, owner_of) for near in nears]
    watching = [asyncio.ensure_future(one.watch()) for one in values]
    await values[0].put(b"a/1", b"x", 3600)
    await values[0].put(b"b/1", b"y", 3600)
    for one in values:
        assert await one.get(b"a/1") == b"x"
    assert await values[0].purge(b"a/*") == 1
    await until(lambda: not any(near.bytes for near in nears))
    assert await values[2].get(b"a/1") is None
    for one in values:
        assert await one.get(b"b/1") == b"y"
    assert await forget(far, b"b/*") == 1
    await until(lambda: not any(near.bytes for near in nears))
    assert await values[1].get(b"b/1") is None
    for task in watching:
        task.cancel()


class Away(MemoryStore):
    """A store that cannot be asked at first."""

    asked = 0

    async def get(self, key: bytes) -> bytes | None:
        self.asked += 1
        if self.asked == 1:
            raise StoreError("timeout")
        return await super().get(key)


@looped
async def test_a_store_that_is_away_is_looked_at_again() -> None:
    near, far = MemoryStore(), Away()
    await forget(far, b"*")
    await near.put(b"a/1", b"x", 60)
    watching = asyncio.ensure_future(Tiered(near, far, owner_of).watch())
    await until(lambda: not near.bytes)
    assert far.asked == 2
    watching.cancel()


@looped
async def test_who_is_at_work_is_known_to_all() -> None:
    far = MemoryStore()
    one, other = Tiered(MemoryStore(), far, owner_of), Tiered(MemoryStore(), far, owner_of)
    assert await one.hold(b"k", b"1", 5)
    assert not await other.hold(b"k", b"2", 5)
    await one.release(b"k", b"1")
    assert await other.hold(b"k", b"2", 5)
