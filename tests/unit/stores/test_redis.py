"""The shared store, over a real server: what it remembers, and what odd things there do."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from gateway.policy.limits import Claim
from gateway.stores.address import parsed
from gateway.stores.base import LEASE_S, StoreError
from gateway.stores.redis import RedisStore, slot
from tests.stores.slow import slowly
from tests.stores.valkey import Server, patient, serving
from tests.vendors.looped import looped


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


SLOT = Claim("slots", 1, 1, 0, 0)
TOKENS = Claim("tenant/ä b/tokens", 60, 100, 1, 0)


async def answering(redis: RedisStore) -> None:
    """A first connection may take longer than a call may."""
    while True:
        try:
            await redis.get(b"")
        except StoreError:
            await asyncio.sleep(0.01)
        else:
            return


@asynccontextmanager
async def store(*more: str) -> AsyncGenerator[tuple[RedisStore, Server, Clock]]:
    with serving(*more) as server:
        clock = Clock()
        redis = RedisStore(parsed(server.url), clock=clock)
        try:
            await answering(redis)
            yield redis, server, clock
        finally:
            await redis.aclose()


@looped
async def test_many_at_once_take_exactly_what_there_is() -> None:
    with patient():
        await many_at_once()


async def many_at_once() -> None:
    async with store() as (redis, server, _):
        other = RedisStore(parsed(server.url))
        await answering(other)
        claim = Claim("requests", 1, 100, 0, 0, leased=False)
        verdicts = await asyncio.gather(
            *[
                (redis, other)[number % 2].claim(f"{number}", [claim]) for number in range(200)
            ]  # what a loaded machine does in time
        )
        await other.aclose()
        assert sum(verdict.granted for verdict in verdicts) == 100


@looped
async def test_a_refusal_changes_nothing_there() -> None:
    async with store() as (redis, server, _):
        assert (await redis.claim("a", [TOKENS])).granted
        before = server.asked("GET", "gw1{limits}:level:" + TOKENS.key)
        assert not (await redis.claim("b", [SLOT, TOKENS])).granted
        assert server.asked("GET", "gw1{limits}:level:" + TOKENS.key) == before
        assert server.asked("EXISTS", "gw1{limits}:level:slots") == b":0\r\n"


@looped
async def test_all_is_gone_once_all_is_settled() -> None:
    async with store() as (redis, server, _):
        await redis.claim("a", [SLOT, TOKENS])
        await redis.settle("a", [SLOT, TOKENS], [0, 30])
        await redis.settle("a", [SLOT, TOKENS], [0, 30])
        assert (await redis.claim("b", [Claim(TOKENS.key, 70, 100, 1, 0)])).granted
        await redis.settle("b", [TOKENS], [0])
        await redis.settle("never claimed", [SLOT], [0])
        assert server.asked("ZCARD", "gw1{limits}:leases") == b":0\r\n"
        assert server.asked("HLEN", "gw1{limits}:held") == b":0\r\n"


@looped
async def test_leases_of_a_dead_worker_return_within_the_lease() -> None:
    async with store() as (redis, _, clock):
        await redis.claim("dead", [SLOT, TOKENS])
        clock.now += LEASE_S - 1
        assert not (await redis.claim("b", [SLOT])).granted
        clock.now += 2
        assert (await redis.claim("c", [SLOT])).granted


@looped
async def test_a_clock_that_was_set_back_locks_no_dead_workers_lease_for_longer() -> None:
    async with store() as (redis, _, clock):
        await redis.claim("dead", [SLOT])
        await redis.renew(["dead"])
        clock.now -= 3600
        assert await redis.renew([]) == 1
        clock.now += LEASE_S - 1
        assert not (await redis.claim("b", [SLOT])).granted
        clock.now += 2
        assert (await redis.claim("c", [SLOT])).granted


@looped
async def test_who_says_it_shares_the_store_is_counted() -> None:
    async with store() as (redis, server, clock):
        other = RedisStore(parsed(server.url), clock=clock)
        assert await redis.renew([]) == 1
        assert await other.renew(["nobody's"]) == 2
        clock.now += LEASE_S + 1
        assert await redis.renew([]) == 1
        await other.aclose()


@looped
async def test_odd_values_at_our_keys_lock_nobody_out() -> None:
    async with store() as (redis, server, _):
        server.asked("LPUSH", "gw1{limits}:level:slots", "x")
        server.asked("SET", "gw1{limits}:level:" + TOKENS.key, "\0garbage")
        for key in ("leases", "held", "members"):
            server.asked("SET", "gw1{limits}:" + key, "x")
        assert await redis.renew(["0"]) == 1
        server.asked("SET", "gw1{limits}:leases", "x")
        for number in range(2):
            assert (await redis.claim(str(number), [SLOT, TOKENS])).granted
            await redis.settle(str(number), [SLOT, TOKENS], [0, 10])


@looped
async def test_a_full_server_is_an_error_with_its_own_word() -> None:
    async with store("--maxmemory", "1", "--maxmemory-policy", "noeviction") as (redis, _, _):
        with pytest.raises(StoreError) as error:
            await redis.put(b"k", b"v", 10)
        assert error.value.kind == "oom"
        with pytest.raises(StoreError) as error:
            await redis.claim("a", [SLOT])
        assert error.value.kind == "oom"


@looped
async def test_a_server_that_evicts_is_told_on() -> None:
    async with store("--maxmemory", "64mb") as (redis, server, _):
        assert await redis.forgets() == ""
        server.asked("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        assert await redis.forgets() == "allkeys-lru"
        server.asked("CONFIG", "SET", "maxmemory", "0")
        assert await redis.forgets() == ""
        server.asked("ACL", "SETUSER", "default", "-info")
        assert await redis.forgets() == ""


class Old(asyncio.Protocol):
    """A server of long ago: it says so, and agrees to everything else."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        told = b"# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\n"
        for call in data.split(b"*")[1:]:
            info = b"INFO" in call
            self.transport.write(b"$%d\r\n%b\r\n" % (len(told), told) if info else b"+PONG\r\n")


@looped
async def test_a_server_that_is_too_old_is_told_by_its_version() -> None:
    server = await asyncio.get_running_loop().create_server(Old, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    old = RedisStore(parsed(f"redis://127.0.0.1:{port}"))
    assert await old.too_old() == "6.2.14"
    await old.aclose()
    server.close()
    async with store() as (redis, now, _):
        assert await redis.too_old() == ""
        now.asked("ACL", "SETUSER", "default", "-info")
        assert await redis.too_old() == ""


@looped
async def test_values_are_kept_purged_and_forgotten() -> None:
    async with store() as (redis, _, _):
        for key in (b"t1/m/a", b"t1/n/b", b"t2/m/c", b"t1[m]d"):
            await redis.put(key, b"v" * 1000, 10)
        assert await redis.get(b"t1/m/a") == b"v" * 1000
        assert await redis.purge(b"t1/*") == 2
        assert await redis.purge(b"t1[m]*") == 1
        await redis.delete(b"t2/m/c")
        assert await redis.get(b"t2/m/c") is None
        await redis.put(b"short", b"v", 0.001)
        await asyncio.sleep(0.02)
        assert await redis.get(b"short") is None


@looped
async def test_one_is_at_work_on_a_key() -> None:
    async with store() as (redis, _, _):
        assert await redis.hold(b"k", b"a", 5)
        assert not await redis.hold(b"k", b"b", 5)
        await redis.release(b"k", b"b")
        assert not await redis.hold(b"k", b"b", 5)
        await redis.release(b"k", b"a")
        assert await redis.hold(b"k", b"b", 5)


def test_slots_are_those_of_the_cluster_specification() -> None:
    assert slot(b"123456789") == 0x31C3
    assert slot(b"a{user1000}b") == slot(b"user1000")


@looped
async def test_of_ten_thousand_cancelled_under_a_slow_store_none_gets_another_s_answer() -> None:
    dice = random.Random(11)
    with serving() as server:
        direct = RedisStore(parsed(server.url))
        await answering(direct)
        values = {b"k%d" % number: b"%d " % number * dice.randint(1, 400) for number in range(50)}
        for key, value in values.items():
            await direct.put(key, value, 600)
        await direct.aclose()
        async with slowly(server.port, dice) as slow:
            store, told = RedisStore(parsed(f"redis://127.0.0.1:{slow.port}/0")), Counter[str]()
            for number in range(100):
                await answering(store)
                slow.pause_s = 0.5 if number == 50 else 0.002  # once, longer than a call may take
                asked = [dice.choice(list(values)) for _ in range(100)]
                calls = [asyncio.ensure_future(store.get(key)) for key in asked]
                for call in dice.sample(calls, 40):
                    asyncio.get_running_loop().call_later(dice.uniform(0, 0.012), call.cancel)
                answers = await asyncio.gather(*calls, return_exceptions=True)
                slow.pause_s = 0.002
                told.update(map(outcome, answers, [values[key] for key in asked]))
            await store.aclose()
    assert told["another's"] == 0
    assert told["its own"] > 3000
    assert told["cancelled"] > 500
    assert told["no answer"] > 0  # it was too late for some


def outcome(answer: object, own: bytes) -> str:
    match answer:
        case asyncio.CancelledError():
            return "cancelled"
        case StoreError():
            return "no answer"
        case _:
            return "its own" if answer == own else "another's"
