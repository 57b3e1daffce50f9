"""A body on its way: what is fed comes out, and little is held in between."""

import asyncio
from contextlib import aclosing

import pytest

from gateway.errors import Code, GatewayError
from gateway.server.body import HIGH_WATER, Body, client_gone
from tests.vendors.looped import looped


class Flow:
    """Whether the client is being read."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.body = Body(lambda: self.calls.append("pause"), lambda: self.calls.append("resume"))


async def read(body: Body) -> bytes:
    return b"".join([data async for data in body.chunks()])


@looped
async def test_all_that_is_fed_is_read_in_its_order() -> None:
    body = Flow().body
    reading = asyncio.create_task(read(body))
    for number in range(5):
        body.feed(b"%d" % number)
        await asyncio.sleep(0)
    body.feed(b"5")
    body.feed(b"6")
    body.end()
    assert await reading == b"0123456"


@looped
async def test_small_parts_are_handed_on_together() -> None:
    body = Flow().body
    for _ in range(1000):
        body.feed(b"x")
    body.end()
    assert [data async for data in body.chunks()] == [b"x" * 1000]


@looped
async def test_a_body_without_a_byte_ends() -> None:
    body = Flow().body
    body.end()
    assert await read(body) == b""


@looped
async def test_the_client_waits_while_too_much_is_held() -> None:
    flow = Flow()
    flow.body.feed(b"x" * HIGH_WATER)
    assert flow.calls == []
    flow.body.feed(b"x")
    flow.body.feed(b"x")
    assert flow.calls == ["pause"]
    async with aclosing(flow.body.chunks()) as chunks:
        assert len(await anext(chunks)) == HIGH_WATER + 2
    assert flow.calls == ["pause", "resume"]


@looped
async def test_nobody_is_resumed_who_was_not_paused() -> None:
    flow = Flow()
    flow.body.feed(b"x")
    flow.body.end()
    assert await read(flow.body) == b"x"
    assert flow.calls == []


@looped
async def test_a_failure_reaches_who_waits_for_more() -> None:
    body = Flow().body
    reading = asyncio.create_task(read(body))
    await asyncio.sleep(0)
    body.fail(client_gone())
    with pytest.raises(GatewayError) as caught:
        await reading
    assert caught.value.code is Code.CLIENT_CLOSED


@looped
async def test_a_body_that_failed_is_never_taken_for_whole() -> None:
    body = Flow().body
    body.feed(b"half")
    body.fail(client_gone())
    with pytest.raises(GatewayError):
        await read(body)


@looped
async def test_a_reader_that_gave_up_is_not_woken() -> None:
    body = Flow().body
    reading = asyncio.create_task(read(body))
    await asyncio.sleep(0)
    reading.cancel()
    body.feed(b"x")
    body.end()
    with pytest.raises(asyncio.CancelledError):
        await reading
