"""One connection: what an answer is, what is none, and that nothing of one reaches another."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator

import pytest

from gateway.errors import Code
from gateway.upstream.connection import MAX_BARE, MAX_INTERIM, MAX_LINES, Connection
from gateway.upstream.pool import WireRequest
from gateway.upstream.reply import MAX_HELD, Reply, UpstreamDown
from tests.unit.upstream.far import HI, PATIENT, REQUEST, Far, looped, settled

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
LIMIT = 1 << 20


async def failure_of(far: Far, *parts: bytes, hang_up: bool = False) -> Code:
    """How the answer that comes so fails, head or body; the connection goes with it."""
    asking = far.asks()
    line = await far.line()
    await line.request()
    await line.say(*parts)
    if hang_up:
        await line.hang_up()
    with pytest.raises(UpstreamDown) as down:
        await (await asking).read(LIMIT)
    await line.left()
    assert len(far.sweep) == 0
    return down.value.code


# ---- answers


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (HI, b"hi"),
        (OK + b"content-length: 0\r\n\r\n", b""),
        (CHUNKED + b"2\r\nhi\r\n1;ext=1\r\n!\r\n0\r\nx-trailer: y\r\n\r\n", b"hi!"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n" + HI, b"hi"),
        (OK + b"content-encoding: identity\r\ncontent-length: 2\r\n\r\nhi", b"hi"),
        (OK + b"Transfer-Encoding: Chunked \r\n\r\n0\r\n\r\n", b""),
    ],
)
@looped
async def test_an_answer_is_the_same_however_it_is_cut(answer: bytes, body: bytes) -> None:
    for parts in ([answer], [answer[at : at + 1] for at in range(len(answer))]):
        async with Far() as far:
            reply = await far.answered(*parts)
            assert (reply.status, await reply.read(LIMIT)) == (200, body)
            again = await far.answered(HI)  # on the same connection
            assert await again.read(LIMIT) == b"hi"
            assert len(far.lines) == 1


@looped
async def test_names_are_lower_case_and_keep_their_order() -> None:
    async with Far() as far:
        reply = await far.answered(OK + b"X-B: 1\r\nx-a:  2\r\nX-B: 3\r\ncontent-length: 0\r\n\r\n")
        pairs = [(b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"3"), (b"content-length", b"0")]
        assert reply.headers == pairs
        assert reply.header(b"x-b") == b"1"


@pytest.mark.parametrize("status", [204, 304])
@looped
async def test_an_answer_without_a_body_is_complete_with_its_head(status: int) -> None:
    async with Far() as far:
        reply = await far.answered(b"HTTP/1.1 %d Such\r\n\r\n" % status)
        assert (reply.status, reply.complete) == (status, True)
        assert (await far.answered(HI)).status == 200
        assert len(far.lines) == 1


@looped
async def test_a_body_may_end_with_the_connection() -> None:
    async with Far() as far:
        asking = far.asks()
        line = await far.line()
        await line.request()
        await line.say(OK + b"\r\nto the ", b"end")
        reply = await asking
        assert not reply.complete
        await line.hang_up()
        assert await reply.read(LIMIT) == b"to the end"
        assert len(far.sweep) == 0


@pytest.mark.parametrize("line", [b"connection: close", b"connection: Close, x"])
@looped
async def test_a_connection_that_is_to_close_is_closed(line: bytes) -> None:
    async with Far() as far:
        reply = await far.answered(OK + line + b"\r\ncontent-length: 2\r\n\r\nhi")
        assert await reply.read(LIMIT) == b"hi"
        await far.lines[0].left()
        assert len(far.sweep) == 0


# ---- what is none

BAD_HEADS = [
    b"SSH-2.0-x\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/0.9 200 OK\r\n\r\n",
    b"HTTP/1.1 99 Odd\r\n\r\n",
    b"HTTP/1.1 000 Odd\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 600 Odd\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\nhi",
    OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\nhi",
    OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
    OK + b"transfer-encoding: gzip, chunked\r\n\r\n",
    OK + b"x: a\rb\r\n\r\n",
    OK + b"x: a\0b\r\n\r\n",
    OK + b"x: y\r\n" * (MAX_LINES + 1) + b"\r\n",
    CHUNKED + b"zz\r\n",
    CHUNKED + b"fffffffffffffffff\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n" * (MAX_INTERIM + 1) + HI,
]


@pytest.mark.parametrize("answer", BAD_HEADS)
@looped
async def test_what_is_no_proper_http_is_a_protocol_error(answer: bytes) -> None:
    async with Far() as far:
        assert await failure_of(far, answer) is Code.PROTOCOL_ERROR


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"identity, gzip"])
@looped
async def test_an_encoded_answer_is_not_read(encoding: bytes) -> None:
    async with Far() as far:
        answer = OK + b"content-encoding: %b\r\ncontent-length: 2\r\n\r\nhi" % encoding
        assert await failure_of(far, answer) is Code.BAD_RESPONSE


@pytest.mark.parametrize(
    "start",
    [OK + b"x: ", OK + b"x: y\r\nx2: ", CHUNKED + b"1\r\nx\r\n0\r\nx: ",
     CHUNKED + b"1\r\nx\r\n5;", b"HTTP/1.1 100 Continue\r\nx: "],
)  # fmt: skip
@looped
async def test_what_is_no_body_has_its_limit(start: bytes) -> None:
    async with Far() as far:
        parts = [b"y" * 8192] * (MAX_BARE // 8192 + 2)
        assert await failure_of(far, start, *parts) is Code.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "part", [b"", b"HTTP/1.1 200", HI[:-1], CHUNKED, CHUNKED + b"2\r\nhi\r\n", CHUNKED + b"0\r\n"]
)
@looped
async def test_an_end_before_the_answer_s_is_a_reset(part: bytes) -> None:
    async with Far() as far:
        assert await failure_of(far, part, hang_up=True) is Code.UPSTREAM_RESET


@looped
async def test_a_body_cut_hard_is_no_body_to_the_end() -> None:
    async with Far() as far:
        asking = far.asks()
        line = await far.line()
        await line.request()
        await line.say(OK + b"\r\nto the")
        reply = await asking
        await line.reset()
        with pytest.raises(UpstreamDown, match="upstream_reset"):
            await reply.read(LIMIT)


# ---- nothing of one answer in another


@pytest.mark.parametrize("extra", [HI, b"H", b"x", b"\0", HI * 3, b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("apart", [False, True])
@looped
async def test_what_nobody_asked_for_costs_the_connection(extra: bytes, apart: bool) -> None:
    async with Far() as far:
        reply = await far.answered(*([HI, extra] if apart else [HI + extra]))
        assert await reply.read(LIMIT) == b"hi"
        await far.lines[0].left()
        assert len(far.sweep) == 0
        assert await (await far.answered(HI, number=1)).read(LIMIT) == b"hi"


@looped
async def test_what_came_but_was_not_read_yet_is_seen_before_the_next_request() -> None:
    """Both are in the socket's buffer when the next request looks for a connection."""
    async with Far() as far:
        await far.answered(HI)

        async def answer() -> None:
            line = await far.line(1)
            await line.request()
            await line.say(HI)

        answering = asyncio.create_task(answer())
        foreign = HI.replace(b"hi", b"no")
        os.write(far.lines[0].writer.get_extra_info("socket").fileno(), foreign)
        reply = await far.pool.send(
            REQUEST, PATIENT, time.monotonic() + 5
        )  # without a turn between
        assert await reply.read(LIMIT) == b"hi"
        await answering


@looped
async def test_an_early_answer_to_an_upload_ends_the_connection() -> None:
    async with Far() as far:
        more = asyncio.Event()

        async def body() -> AsyncGenerator[bytes, None]:
            yield b"first"
            await more.wait()
            yield b"never"

        asking = far.asks(WireRequest(b"POST / HTTP/1.1\r\n\r\n", body(), chunked=True))
        line = await far.line()
        await line.request()
        await line.say(HI)
        assert await (await asking).read(LIMIT) == b"hi"
        more.set()
        assert await line.left() == b"5\r\nfirst\r\n"
        assert len(far.sweep) == 0


# ---- pace


@looped
async def test_a_body_that_nobody_takes_is_held_back() -> None:
    async with Far() as far:
        asking = far.asks()
        line = await far.line()
        await line.request()
        await line.say(OK + b"content-length: 9000000\r\n\r\n")
        reply = await asking
        line.writer.write(bytes(9_000_000))
        await settled()
        assert MAX_HELD <= reply.held < 2 * MAX_HELD
        assert len(await reply.read(10_000_000)) == 9_000_000


@looped
async def test_an_upload_waits_for_a_slow_backend() -> None:
    async with Far() as far:
        given = 0

        async def body() -> AsyncGenerator[bytes, None]:
            nonlocal given
            for _ in range(400):
                given += 1
                yield bytes(64 * 1024)

        line_of = far.asks(WireRequest(b"POST / HTTP/1.1\r\n\r\n", body()))
        line = await far.line()
        await settled()
        assert given < 200  # what the kernel's buffers hold, and no more of 26 MB
        await line.request()
        await line.read(400 * 64 * 1024)
        assert given == 400
        await line.say(HI)
        assert (await line_of).status == 200


@looped
async def test_a_connection_lost_before_its_use_is_a_reset() -> None:
    async with Far() as far:
        connection = Connection(far.pool)
        reply = Reply(time.monotonic() + 5)
        connection.send(reply, b"x", time.monotonic() + 5)
        with pytest.raises(UpstreamDown, match="upstream_reset"):
            await reply.head()
