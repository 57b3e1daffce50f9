"""The store in one process: exact levels, leases that return, values within their room."""

from gateway.policy.limits import Claim
from gateway.stores.base import LEASE_S
from gateway.stores.memory import ENTRY_BYTES, MemoryStore
from tests.vendors.looped import looped


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def store(max_bytes: int = 1 << 20) -> tuple[MemoryStore, Clock]:
    clock = Clock()
    return MemoryStore(max_bytes=max_bytes, clock=clock, draw=lambda: 0.0), clock


def tokens(cost: float, capacity: float = 100) -> Claim:
    return Claim("tokens", cost, capacity, rate=1, keep_s=0)


SLOT = Claim("slots", 1, 1, 0, 0)


@looped
async def test_what_was_not_spent_comes_back() -> None:
    memory, _ = store()
    assert (await memory.claim("a", [tokens(100)])).granted
    assert not (await memory.claim("b", [tokens(50)])).granted
    await memory.settle("a", [tokens(100)], [30])
    assert memory.in_use("tokens") == 30
    assert (await memory.claim("c", [tokens(70)])).granted


@looped
async def test_settling_twice_is_settling_once() -> None:
    memory, _ = store()
    await memory.claim("a", [tokens(50)])
    for _ in range(3):
        await memory.settle("a", [tokens(50)], [80])
    assert memory.in_use("tokens") == 80


@looped
async def test_a_claim_that_comes_after_its_settling_takes_nothing() -> None:
    memory, _ = store()
    await memory.settle("late", [SLOT], [0])
    assert not (await memory.claim("late", [SLOT])).granted
    assert memory.in_use("slots") == 0


@looped
async def test_leases_of_a_dead_worker_return_within_the_lease() -> None:
    memory, clock = store()
    assert (await memory.claim("dead", [SLOT])).granted
    clock.now += LEASE_S - 1
    assert not (await memory.claim("b", [SLOT])).granted
    clock.now += 1
    assert (await memory.claim("c", [SLOT])).granted


@looped
async def test_a_lease_that_is_renewed_stays() -> None:
    memory, clock = store()
    await memory.claim("a", [SLOT])
    for _ in range(5):
        clock.now += LEASE_S - 1
        await memory.renew(["a", "unknown"])
        assert not (await memory.claim("b", [SLOT])).granted
    await memory.settle("a", [SLOT], [0])
    assert (await memory.claim("c", [SLOT])).granted


@looped
async def test_what_ends_after_its_lease_owes_all_that_it_spent() -> None:
    memory, clock = store()
    await memory.claim("a", [tokens(60)])
    clock.now += 1000
    await memory.claim("b", [tokens(0)])
    await memory.settle("a", [tokens(60)], [40])
    assert memory.in_use("tokens") == 40


@looped
async def test_what_is_not_leased_stays_spent() -> None:
    memory, clock = store()
    request = Claim("requests", 1, 1, 0, 3600, leased=False)
    await memory.claim("a", [request])
    clock.now += LEASE_S * 2
    assert not (await memory.claim("b", [request])).granted


@looped
async def test_levels_that_nobody_asks_for_are_forgotten() -> None:
    memory, clock = store()
    for number in range(5000):
        await memory.claim(str(number), [Claim(f"k{number}", 1, 10, 10, 0, leased=False)])
        clock.now += 1
    assert len(memory._levels) < 2100


@looped
async def test_a_value_is_kept_until_it_is_old() -> None:
    memory, clock = store()
    await memory.put(b"k", b"v", 10)
    assert await memory.get(b"k") == b"v"
    clock.now += 10
    assert await memory.get(b"k") is None
    assert memory.bytes == 0


@looped
async def test_the_least_used_values_make_room() -> None:
    memory, _ = store(max_bytes=10 * (ENTRY_BYTES + 100))
    for number in range(10):
        await memory.put(b"%d" % number, b"x" * 99, 10)
    await memory.get(b"0")
    await memory.put(b"n", b"x" * 99, 10)
    assert await memory.get(b"0") is not None
    assert await memory.get(b"1") is None
    assert memory.bytes <= memory.max_bytes


@looped
async def test_one_owner_does_not_push_out_the_others() -> None:
    memory, _ = store(max_bytes=100 * (ENTRY_BYTES + 100))
    for number in range(10):
        await memory.put(b"small%d" % number, b"x" * 80, 10, owner=b"small")
    for number in range(1000):
        await memory.put(b"greedy%d" % number, b"x" * 80, 10, owner=b"greedy")
    kept = [await memory.get(b"small%d" % number) for number in range(10)]
    assert all(kept)


@looped
async def test_a_purge_forgets_what_its_glob_matches_and_nothing_else() -> None:
    memory, _ = store()
    for key in (b"t1/m/a", b"t1/n/b", b"t2/m/c", b"t1.m.d"):
        await memory.put(key, b"v", 10)
    assert await memory.purge(b"t1/*") == 2
    assert await memory.purge(b"*/m/*") == 1
    assert await memory.get(b"t1.m.d") == b"v"
    await memory.delete(b"t1.m.d")
    assert await memory.get(b"t1.m.d") is None


@looped
async def test_one_is_at_work_on_a_key_until_it_says_so_or_its_time_is_over() -> None:
    memory, clock = store()
    assert await memory.hold(b"k", b"a", 5)
    assert await memory.hold(b"k", b"a", 5)
    assert not await memory.hold(b"k", b"b", 5)
    await memory.release(b"k", b"b")
    assert not await memory.hold(b"k", b"b", 5)
    await memory.release(b"k", b"a")
    assert await memory.hold(b"k", b"b", 5)
    clock.now += 5
    assert await memory.hold(b"k", b"a", 5)
