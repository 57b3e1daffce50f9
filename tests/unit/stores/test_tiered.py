"""Near first, then far; what is found far is near afterwards, for a while."""

from gateway.stores.memory import MemoryStore
from gateway.stores.tiered import NEAR_S, Tiered
from tests.vendors.looped import looped


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@looped
async def test_what_others_have_kept_is_found_and_then_near() -> None:
    clock = Clock()
    near, far = (MemoryStore(clock=clock, draw=lambda: 0.0) for _ in range(2))
    values = Tiered(near, far)
    await far.put(b"a/1", b"x", 3600)
    assert await values.get(b"a/1") == b"x"
    await far.delete(b"a/1")
    assert await values.get(b"a/1") == b"x"
    clock.now += NEAR_S + 1
    assert await values.get(b"a/1") is None


@looped
async def test_what_is_kept_is_everybody_s_and_what_is_purged_is_nobody_s() -> None:
    near, far = MemoryStore(), MemoryStore()
    values = Tiered(near, far)
    await values.put(b"a/1", b"x", 3600, owner=b"t")
    assert await far.get(b"a/1") == await near.get(b"a/1") == b"x"
    assert await values.purge(b"a/*") == 1
    assert await values.get(b"a/1") is None
    await values.put(b"a/2", b"y", 3600)
    await values.delete(b"a/2")
    assert await far.get(b"a/2") is None


@looped
async def test_who_is_at_work_is_known_to_all() -> None:
    far = MemoryStore()
    one, other = Tiered(MemoryStore(), far), Tiered(MemoryStore(), far)
    assert await one.hold(b"k", b"1", 5)
    assert not await other.hold(b"k", b"2", 5)
    await one.release(b"k", b"1")
    assert await other.hold(b"k", b"2", 5)
