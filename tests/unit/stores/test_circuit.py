"""A connection is opened when it is needed; while that fails, nobody waits for it."""

import asyncio

import pytest

from gateway.stores.base import StoreError
from gateway.stores.circuit import TRIPS, Circuit
from tests.vendors.looped import looped


class Connection:
    closed = False

    def close(self) -> None:
        self.closed = True


@looped
async def test_one_connection_serves_all_and_another_follows_it() -> None:
    made: list[Connection] = []

    async def open() -> Connection:
        made.append(Connection())
        await asyncio.sleep(0)
        return made[-1]

    circuit = Circuit(open)
    rows = await asyncio.gather(*[circuit.row() for _ in range(5)])
    assert rows == made * 5
    made[0].closed = True
    assert await circuit.row() is made[1]
    circuit.close()
    assert made[1].closed
    assert not circuit.usable


@looped
async def test_after_some_failures_it_is_open() -> None:
    async def fail() -> Connection:
        raise StoreError("connect")

    circuit = Circuit(fail)
    for _ in range(TRIPS):
        with pytest.raises(StoreError, match="connect"):
            await circuit.row()
    with pytest.raises(StoreError, match="open"):
        await circuit.row()
