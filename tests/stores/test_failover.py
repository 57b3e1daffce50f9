"""A replica takes over: what it knows still holds, and its address is found again by itself."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.policy.limits import Claim
from gateway.stores.address import parsed
from gateway.stores.base import StoreError
from gateway.stores.redis import RedisStore
from tests.stores.relay import Relay
from tests.stores.valkey import Server, serving
from tests.vendors.looped import looped

REQUEST = Claim("requests", 1, 10, 0, 0, leased=False)
SLOT = Claim("slots", 1, 10, 0, 0)
FOLLOWS_S = 10.0
BACK_S = 5.0


@contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    """The first one's replica is the second."""
    now = ("--repl-diskless-sync-delay", "0")
    with (
        serving(*now) as first,
        serving("--replicaof", "127.0.0.1", str(first.port), *now) as other,
    ):
        soon("it follows", lambda: b"master_link_status:up" in other.asked("INFO", "replication"))
        yield first, other


def soon(what: str, true: Callable[[], bool]) -> None:
    until = time.monotonic() + FOLLOWS_S
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.01)


def copied(first: Server, other: Server) -> None:
    assert first.asked("WAIT", "1", "5000") == b":1\r\n", "the replica is behind"
    assert other.asked("EXISTS", "gw1{limits}:held") == b":1\r\n"


async def granted(store: RedisStore, first: int, number: int) -> int:
    """How many of so many pass, as soon as the store answers again."""
    until, passed = time.monotonic() + BACK_S, 0
    for one in range(first, first + number):
        while True:
            try:
                passed += (await store.claim(str(one), [REQUEST, SLOT])).granted
            except StoreError:
                assert time.monotonic() < until, "it is not back"
                await asyncio.sleep(0.02)
            else:
                break
    return passed


@looped
async def test_a_replica_that_takes_over_knows_what_is_used() -> None:
    with pair() as (first, other), Relay(first.port) as relay:
        store = RedisStore(parsed(relay.url))
        assert await granted(store, 0, 6) == 6
        copied(first, other)
        first.kill()
        other.asked("REPLICAOF", "NO", "ONE")
        relay.lead(other.port)
        assert await granted(store, 6, 6) == 4
        for one in range(10):
            await store.settle(str(one), [REQUEST, SLOT], [1, 0])
        assert other.asked("ZCARD", "gw1{limits}:leases") == b":0\r\n"
        assert other.asked("EXISTS", "gw1{limits}:level:slots") == b":0\r\n"
        await store.aclose()


@looped
async def test_a_master_that_became_a_replica_is_asked_no_more() -> None:
    """It answers, but may not write; its address leads to the new one by then."""
    with pair() as (first, other), Relay(first.port) as relay:
        store = RedisStore(parsed(relay.url))
        assert await granted(store, 0, 6) == 6
        copied(first, other)
        other.asked("REPLICAOF", "NO", "ONE")
        first.asked("REPLICAOF", "127.0.0.1", str(other.port))
        relay.to = other.port  # new connections only: the one that is open still leads to the first
        assert (await store.claim("same call", [REQUEST])).granted
        assert await granted(store, 6, 6) == 3
        await store.aclose()
