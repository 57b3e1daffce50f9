"""One server: its line is opened again, its circuit spares callers, scripts survive a flush."""

import asyncio
import time

import pytest

from gateway.stores.address import parsed
from gateway.stores.base import StoreError
from gateway.stores.circuit import TRIPS
from gateway.stores.node import Node
from gateway.stores.scripts import HOLD
from tests.stores.valkey import Server, serving
from tests.vendors.looped import looped


def node_of(server: Server) -> Node:
    return Node("127.0.0.1", server.port, parsed(server.url), None)


async def answers_again(node: Node) -> float:
    """Seconds until it does."""
    began = time.monotonic()
    while True:
        try:
            await node.call("PING")
        except StoreError:
            await asyncio.sleep(0.02)
        else:
            return time.monotonic() - began


@looped
async def test_a_flush_of_scripts_is_not_noticed() -> None:
    with serving() as server:
        node = node_of(server)
        for _ in range(3):
            assert await node.run(HOLD, [b"k"], ["", b"me", 1000]) == 1
            server.asked("SCRIPT", "FLUSH")
        node.close()


@looped
async def test_after_some_failures_nobody_waits_and_soon_after_its_return_it_answers() -> None:
    with serving() as server:
        node = node_of(server)
        await node.call("PING")
        server.stop()
        for _ in range(TRIPS):
            with pytest.raises(StoreError):
                await node.call("PING")
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(StoreError, match="open"):
                await node.call("PING")
        assert time.monotonic() - began < 0.5
        server.go_on()
        assert await answers_again(node) < 5  # 1 s, on a machine with nothing else to do
        node.close()


@looped
async def test_a_server_that_was_killed_is_found_again() -> None:
    with serving() as server:
        node = node_of(server)
        await node.call("PING")
        server.kill()
        with pytest.raises(StoreError):
            await node.call("PING")
        server.start_again()
        assert await answers_again(node) < 5
        node.close()
