"""A name is looked up by one at a time, seldom, and never at the cost of an address we know."""

import asyncio
import socket
import time

import pytest

from gateway.sweep import Sweep
from gateway.upstream import names
from gateway.upstream.names import Name, system
from gateway.upstream.pool import Pool, tcp
from tests.unit.upstream.far import HI, PATIENT, REQUEST, looped
from tests.vendors.scripted import Send, Vendor


class Resolver:
    """What names lead to, in the test's own hands."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        await self.answers.wait()
        if not self.addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return list(self.addresses)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known is due at once."""
    monkeypatch.setattr(names, "TTL_S", 0.0)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@looped
async def test_many_at_once_ask_once_and_no_more_for_a_while() -> None:
    resolver = Resolver("192.0.2.1")
    name = Name("far.test", 80, resolver)
    found = await asyncio.gather(*[name.addresses() for _ in range(20)])
    assert found == [["192.0.2.1"]] * 20
    await name.addresses()
    assert resolver.asked == 1


@looped
async def test_who_leaves_does_not_end_the_lookup_of_others() -> None:
    resolver = Resolver("192.0.2.1")
    resolver.answers.clear()
    name = Name("far.test", 80, resolver)
    first, second = (asyncio.create_task(name.addresses()) for _ in range(2))
    await settled()
    first.cancel()
    await settled()
    resolver.answers.set()
    assert await second == ["192.0.2.1"]
    assert resolver.asked == 1


@pytest.mark.usefixtures("at_once")
@looped
async def test_a_silent_resolver_stops_nobody_who_knows_the_address() -> None:
    resolver = Resolver("192.0.2.1")
    name = Name("far.test", 80, resolver)
    await name.addresses()
    resolver.answers.clear()
    for _ in range(5):
        async with asyncio.timeout(0.1):
            assert await name.addresses() == ["192.0.2.1"]
        await settled()
    assert resolver.asked == 2  # one thread at the most waits for it
    resolver.answers.set()
    await settled()


@pytest.mark.usefixtures("at_once")
@looped
async def test_a_failed_lookup_is_counted_and_the_old_address_stays() -> None:
    resolver = Resolver("192.0.2.1")
    name = Name("far.test", 80, resolver)
    await name.addresses()
    resolver.addresses = []
    await name.addresses()
    await settled()
    assert await name.addresses() == ["192.0.2.1"]
    assert name.errors == 1
    await settled()


@looped
async def test_without_any_address_the_failure_is_the_caller_s() -> None:
    resolver = Resolver()
    name = Name("far.test", 80, resolver)
    with pytest.raises(OSError, match="no answer"):
        await name.addresses()
    await settled()
    resolver.addresses = ["192.0.2.1"]
    assert await name.addresses() == ["192.0.2.1"]  # asked again at once
    assert name.errors == 1


@pytest.mark.usefixtures("at_once")
@looped
async def test_an_address_that_changes_is_used_by_the_next_connection_but_one() -> None:
    async with Vendor([Send(HI)]) as vendor:
        resolver = Resolver("192.0.2.1")
        name = Name("far.test", vendor.port, resolver)
        await name.addresses()
        resolver.addresses = ["127.0.0.1"]
        assert await name.addresses() == ["192.0.2.1"]
        await settled()
        pool = Pool(tcp(name, None), max_in_flight=1, sweep=Sweep())
        reply = await pool.send(REQUEST, PATIENT, time.monotonic() + 5)
        assert await reply.read(99) == b"hi"
        pool.close()


@looped
async def test_an_address_that_does_not_answer_goes_behind_the_others() -> None:
    async with Vendor([Send(HI)]) as vendor:
        name = Name("far.test", vendor.port, Resolver("127.0.0.2", "127.0.0.1"))
        pool = Pool(tcp(name, None), max_in_flight=1, sweep=Sweep())
        reply = await pool.send(REQUEST, PATIENT, time.monotonic() + 5)
        assert await reply.read(99) == b"hi"
        assert await name.addresses() == ["127.0.0.1", "127.0.0.2"]
        pool.close()


@looped
async def test_an_address_is_no_name() -> None:
    resolver = Resolver()
    for literal in ("192.0.2.1", "2001:db8::1"):
        assert await Name(literal, 80, resolver).addresses() == [literal]
    assert resolver.asked == 0


@looped
async def test_the_system_knows_its_own() -> None:
    assert "127.0.0.1" in await system("localhost", 80)
