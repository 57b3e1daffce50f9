"""A worker and its supervisor, at the two ends of a socket pair."""

import asyncio
import socket

from gateway.telemetry.link import Beat, Link, Message, Numbers, Started
from gateway.telemetry.metrics import Metrics, exposition
from tests.vendors.looped import looped


async def both_ends() -> tuple[Link, Link]:
    ours, theirs = socket.socketpair()
    return await Link.on(ours), await Link.on(theirs)


def counted() -> Metrics:
    metrics = Metrics()
    metrics.number("gateway_requests_total", "chat", "m", "2xx").value = 3
    metrics.histogram("gateway_request_duration_seconds", "chat", "m").observe(0.3)
    return metrics


@looped
async def test_what_a_worker_tells_arrives_in_order() -> None:
    worker, supervisor = await both_ends()
    told: list[Message] = [Started("http://127.0.0.1:1"), Beat("abc", 0.25, 7)]
    for message in told:
        worker.tell(message)
    worker.close()
    assert [message async for message in supervisor] == told
    supervisor.close()


@looped
async def test_numbers_are_the_same_at_the_other_end() -> None:
    worker, supervisor = await both_ends()
    worker.tell(Numbers.of(counted()))
    worker.close()
    [numbers] = [message async for message in supervisor]
    supervisor.close()
    assert isinstance(numbers, Numbers)
    mine = [line for line in exposition([counted()]).splitlines() if b"gateway_" in line]
    others = [line for line in exposition([numbers.metrics()]).splitlines() if b"gateway_" in line]
    assert others == mine


@looped
async def test_a_worker_learns_that_it_is_asked_and_that_nobody_is_left() -> None:
    worker, supervisor = await both_ends()
    supervisor.ask()
    async with asyncio.timeout(5):
        assert await worker.asked()
        supervisor.close()
        assert not await worker.asked()
    worker.close()


@looped
async def test_nonsense_ends_the_conversation_and_nothing_else() -> None:
    ours, theirs = socket.socketpair()
    supervisor = await Link.on(ours)
    theirs.sendall(b'{"type":"Beat"}\n{"type":"Nothing"}\n')
    theirs.close()
    assert [message async for message in supervisor] == [Beat()]
    supervisor.close()
