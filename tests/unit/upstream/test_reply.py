"""A body awaited whole, or pushed on; its waits, its pauses and its ends."""

import asyncio
import math
import time

import pytest

from gateway.errors import Code
from gateway.upstream.reply import MAX_HELD, Receiver, Reply, UpstreamDown
from tests.unit.upstream.far import HI, Far, Line, looped, settled

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n"


class Taken(Receiver):
    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.endings: list[Code | None] = []

    def received(self, data: bytes) -> None:
        assert not self.endings
        self.reads.append(data)

    def ended(self, failure: Code | None) -> None:
        self.endings.append(failure)


async def begun(far: Far, *more: bytes) -> tuple[Reply, Line]:
    reply = await far.answered(HEAD, *more)
    return reply, far.lines[0]


# ---- awaited


@looped
async def test_a_body_is_read_whole() -> None:
    async with Far() as far:
        reply, line = await begun(far, b"some ")
        reading = asyncio.create_task(reply.read(12))
        await line.say(b"more")
        assert not reading.done()
        await line.say(b"!!!")
        assert await reading == b"some more!!!"
        assert reply.carrier is None


@pytest.mark.parametrize("late", [False, True])
@looped
async def test_a_body_past_the_limit_is_too_large(late: bool) -> None:
    async with Far() as far:
        reply, line = await begun(far, b"some more" if late else b"some more!!!")
        with pytest.raises(UpstreamDown) as down:
            await reply.read(8)
        assert down.value.code is Code.RESPONSE_TOO_LARGE
        if late:
            await line.left()


@looped
async def test_a_failure_while_it_is_read_is_raised() -> None:
    async with Far() as far:
        reply, line = await begun(far, b"some")
        reading = asyncio.create_task(reply.read(99))
        await settled()
        await line.hang_up()
        with pytest.raises(UpstreamDown, match="upstream_reset"):
            await reading
        with pytest.raises(UpstreamDown, match="upstream_reset"):  # and again
            await reply.read(99)


# ---- pushed


@looped
async def test_what_has_come_is_pushed_at_once_and_then_each_read() -> None:
    async with Far() as far:
        reply, line = await begun(far, b"some ")
        taken = Taken()
        reply.push_to(taken)
        assert (taken.reads, taken.endings) == ([b"some "], [])
        await line.say(b"more", b"!!!")
        assert (taken.reads, taken.endings) == ([b"some ", b"more", b"!!!"], [None])


@looped
async def test_a_complete_body_is_pushed_with_its_end() -> None:
    async with Far() as far:
        taken = Taken()
        (await far.answered(HI)).push_to(taken)
        assert (taken.reads, taken.endings) == ([b"hi"], [None])


@looped
async def test_the_chunks_of_one_read_are_one_push() -> None:
    async with Far() as far:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        reply = await far.answered(head)
        taken = Taken()
        reply.push_to(taken)
        await far.lines[0].say(b"1\r\na\r\n2\r\nbc\r\n")
        assert taken.reads == [b"abc"]


@looped
async def test_a_failure_is_the_last_call() -> None:
    async with Far() as far:
        reply, line = await begun(far, b"some")
        taken = Taken()
        reply.push_to(taken)
        await line.hang_up()
        assert taken.endings == [Code.UPSTREAM_RESET]
        reply.fail(Code.IDLE_TIMEOUT)
        assert (taken.endings, reply.failure) == ([Code.UPSTREAM_RESET], Code.UPSTREAM_RESET)


@looped
async def test_nothing_is_pushed_behind_a_close() -> None:
    async with Far() as far:
        reply, line = await begun(far)
        taken = Taken()
        reply.push_to(taken)
        reply.close()
        await line.say(b"some more!!!")
        assert (taken.reads, taken.endings) == ([], [])
        await line.left()


@looped
async def test_a_receiver_may_close_within_a_push() -> None:
    async with Far() as far:
        reply, line = await begun(far)

        class Once(Taken):
            def received(self, data: bytes) -> None:
                super().received(data)
                reply.close()

        once = Once()
        reply.push_to(once)
        await line.say(b"some", b" more!!!")
        assert (once.reads, once.endings) == ([b"some"], [])
        await line.left()


# ---- time


@looped
async def test_a_missed_due_time_means_what_was_said_last() -> None:
    async with Far() as far:
        reply, _ = await begun(far, b"some")
        taken = Taken()
        reply.push_to(taken)
        reply.renew(0.03, Code.IDLE_TIMEOUT)
        await asyncio.sleep(0.2)
        assert taken.endings == [Code.IDLE_TIMEOUT]
        await far.lines[0].left()


@looped
async def test_the_deadline_is_never_renewed() -> None:
    async with Far() as far:
        reply, _ = await begun(far)
        reply.deadline_at = time.monotonic() + 0.03
        reply.renew(60, Code.IDLE_TIMEOUT)
        with pytest.raises(UpstreamDown, match="total_timeout"):
            await reply.read(99)


@looped
async def test_a_pause_is_not_the_backend_s_idleness() -> None:
    async with Far() as far:
        reply, line = await begun(far)
        taken = Taken()
        reply.push_to(taken)
        reply.renew(0.03, Code.IDLE_TIMEOUT)
        reply.pause()
        await asyncio.sleep(0.15)
        assert taken.endings == []
        reply.resume()
        await line.say(b"some more!!!")
        assert (taken.reads, taken.endings) == ([b"some more!!!"], [None])


@looped
async def test_after_a_pause_the_backend_has_as_long_as_before_it() -> None:
    async with Far() as far:
        reply, _ = await begun(far)
        taken = Taken()
        reply.push_to(taken)
        reply.renew(0.05, Code.IDLE_TIMEOUT)
        reply.pause()
        reply.resume()
        await asyncio.sleep(0.3)
        assert taken.endings == [Code.IDLE_TIMEOUT]


# ---- pace


@looped
async def test_a_paused_body_stays_at_the_backend() -> None:
    async with Far() as far:
        size = 20_000_000
        reply = await far.answered(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        taken = Taken()
        reply.push_to(taken)
        reply.pause()
        far.lines[0].writer.write(bytes(size))
        await settled()
        assert taken.reads == []
        reply.resume()
        await far.lines[0].writer.drain()
        while not taken.endings:
            await settled()
        assert sum(map(len, taken.reads)) == size


@looped
async def test_what_was_held_back_flows_once_it_is_pushed() -> None:
    async with Far() as far:
        size = 4 * MAX_HELD
        reply = await far.answered(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        far.lines[0].writer.write(bytes(size))
        await settled()
        assert reply.held < 3 * MAX_HELD
        taken = Taken()
        reply.push_to(taken)
        while not taken.endings:
            await settled()
        assert (sum(map(len, taken.reads)), taken.endings) == (size, [None])


def test_a_reply_without_a_connection_minds_nothing() -> None:
    reply = Reply(math.inf)
    for act in (reply.pause, reply.resume, reply.close):
        act()
    reply.renew(1, Code.IDLE_TIMEOUT)
    reply.fail(Code.UPSTREAM_RESET)
    assert reply.failure is Code.UPSTREAM_RESET
