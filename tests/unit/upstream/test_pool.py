"""Places, connections and their ends: what is taken comes back, wherever an exchange breaks off."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Callable

import pytest

from gateway.errors import Code, GatewayError
from gateway.sweep import Sweep
from gateway.upstream.connection import Connection
from gateway.upstream.names import Name
from gateway.upstream.pool import MAX_QUEUED, Pool, Timeouts, WireRequest, tcp
from gateway.upstream.reply import TAIL_S, Reply, UpstreamDown
from tests.unit.upstream.far import HI, PATIENT, REQUEST, Far, looped, settled

HEAD = b"POST / HTTP/1.1\r\nhost: far\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"


async def code_of(asking: "asyncio.Task[Reply]") -> Code:
    with pytest.raises(UpstreamDown) as down:
        await asking
    return down.value.code


async def whole(far: Far, number: int = 0) -> bytes:
    """One request through all its steps."""
    assert far.pool.enter()
    reply = await far.answered(HI, number=number)
    body = await reply.read(100)
    far.pool.leave(reply)
    return body


# ---- places


@looped
async def test_places_are_taken_while_there_are_any() -> None:
    async with Far(max_in_flight=2) as far:
        assert [far.pool.enter() for _ in range(3)] == [True, True, False]
        far.pool.leave(None)
        assert far.pool.enter()


@looped
async def test_who_waits_is_served_in_turn() -> None:
    async with Far(max_in_flight=1) as far:
        assert far.pool.enter()
        waiting = [asyncio.create_task(far.pool.queue()) for _ in range(3)]
        await settled()
        assert far.pool.queued == 3
        for done in range(1, 4):
            far.pool.leave(None)
            await settled()
            assert [one.done() for one in waiting].count(True) == done
            assert waiting[done - 1].done()
            assert far.pool.in_flight == 1
        far.pool.leave(None)
        await far.check_nothing_left()


@looped
async def test_nobody_waits_for_ever() -> None:
    async with Far(max_in_flight=1) as far:
        assert far.pool.enter()
        began = time.monotonic()
        with pytest.raises(UpstreamDown) as down:
            await far.pool.queue()
        assert down.value.code is Code.NO_UPSTREAM
        assert 0.9 < time.monotonic() - began < 3
        far.pool.leave(None)
        await far.check_nothing_left()


@looped
async def test_the_queue_has_an_end() -> None:
    async with Far(max_in_flight=1) as far:
        assert far.pool.enter()
        waiting = [asyncio.create_task(far.pool.queue()) for _ in range(MAX_QUEUED)]
        await settled()
        with pytest.raises(UpstreamDown):
            await asyncio.wait_for(far.pool.queue(), 0.1)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        far.pool.leave(None)
        await far.check_nothing_left()


@looped
async def test_who_stops_waiting_leaves_the_queue() -> None:
    async with Far(max_in_flight=1) as far:
        assert far.pool.enter()
        first, second = (asyncio.create_task(far.pool.queue()) for _ in range(2))
        await settled()
        first.cancel()
        await settled()
        assert far.pool.queued == 1
        far.pool.leave(None)
        await second
        far.pool.leave(None)
        await far.check_nothing_left()


@looped
async def test_a_place_that_comes_too_late_goes_to_the_next() -> None:
    async with Far(max_in_flight=1) as far:
        assert far.pool.enter()
        first, second = (asyncio.create_task(far.pool.queue()) for _ in range(2))
        await settled()
        far.pool.leave(None)  # first's, in this very moment
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        far.pool.leave(None)
        await far.check_nothing_left()


@looped
async def test_a_higher_limit_lets_the_queue_in_and_a_lower_one_holds() -> None:
    async with Far(max_in_flight=2) as far:
        for _ in range(2):
            assert far.pool.enter()
        waiting = [asyncio.create_task(far.pool.queue()) for _ in range(3)]
        await settled()
        far.pool.max_in_flight = 1
        far.pool.leave(None)
        await settled()
        assert (far.pool.in_flight, far.pool.queued) == (1, 3)
        far.pool.max_in_flight = 3
        far.pool.leave(None)
        await settled()
        assert (far.pool.in_flight, far.pool.queued) == (3, 0)
        await asyncio.gather(*waiting)


# ---- connections


@looped
async def test_requests_in_turn_share_a_connection() -> None:
    async with Far() as far:
        for _ in range(5):
            assert await whole(far) == b"hi"
        assert len(far.lines) == 1
        far.pool.close()
        await far.check_nothing_left()


@looped
async def test_the_connection_used_last_is_used_next() -> None:
    async with Far() as far:
        asking = [far.asks() for _ in range(3)]
        for number in (0, 2, 1):
            line = await far.line(number)
            await line.request()
        for number in (0, 2, 1):
            await far.lines[number].say(HI)
        await asyncio.gather(*asking)
        for _ in range(3):
            await far.answered(HI, number=1)
        assert len(far.lines) == 3


@looped
async def test_a_connection_idle_for_long_is_closed() -> None:
    async with Far() as far:
        await far.answered(HI)
        (connection,) = far.pool._idle  # fifty seconds are long: time is an argument
        connection.overdue(time.monotonic())
        await far.check_nothing_left()


@looped
async def test_a_closed_pool_keeps_no_connection_but_ends_what_goes_on() -> None:
    async with Far() as far:
        await far.answered(HI)
        asking = far.asks()
        await far.lines[0].request()
        far.pool.close()
        await far.lines[0].say(HI)
        assert await (await asking).read(9) == b"hi"
        await far.check_nothing_left()


@looped
async def test_a_stale_connection_is_replaced_once() -> None:
    async with Far() as far:
        await far.answered(HI)
        asking = far.asks()
        await far.lines[0].request()
        await far.lines[0].hang_up()
        line = await far.line(1)
        assert await line.request() == REQUEST.head
        await line.hang_up()
        assert await code_of(asking) is Code.UPSTREAM_RESET
        assert len(far.lines) == 2
        await far.check_nothing_left()


@looped
async def test_a_fresh_connection_that_dies_is_no_stale_one() -> None:
    async with Far() as far:
        asking = far.asks()
        line = await far.line()
        await line.request()
        await line.reset()
        assert await code_of(asking) is Code.UPSTREAM_RESET
        assert len(far.lines) == 1


@looped
async def test_a_connection_that_died_in_its_rest_is_not_tried() -> None:
    async with Far() as far:
        await far.answered(HI)
        await far.lines[0].hang_up()
        assert await (await far.answered(HI, number=1)).read(9) == b"hi"


@looped
async def test_an_upload_has_a_connection_of_its_own() -> None:
    async with Far() as far:
        await far.answered(HI)
        asking = far.asks(WireRequest(HEAD, parts(b"a", b"b"), chunked=True))
        line = await far.line(1)
        assert await line.request() == HEAD
        assert await line.read(17) == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
        await line.say(HI)
        assert await (await asking).read(9) == b"hi"
        far.pool.close()
        await far.check_nothing_left()


async def parts(*data: bytes) -> AsyncGenerator[bytes, None]:
    for part in data:
        yield part


# ---- the end of a stream's framing


@looped
async def test_a_last_chunk_spares_the_connection() -> None:
    async with Far() as far:
        assert far.pool.enter()
        reply = await far.answered(STREAM)
        reply.spent = True
        far.pool.leave(reply)
        assert far.pool.in_flight == 0
        await far.lines[0].say(b"0\r\n\r\n")
        assert await whole(far) == b"hi"
        assert len(far.lines) == 1


@pytest.mark.parametrize("more", [b"4\r\nlate\r\n", b"x", b""])
@looped
async def test_anything_else_or_nothing_costs_it(more: bytes) -> None:
    async with Far() as far:
        assert far.pool.enter()
        reply = await far.answered(STREAM)
        reply.spent = True
        far.pool.leave(reply)
        await far.lines[0].say(more)
        began = time.monotonic()
        await far.lines[0].left()
        assert time.monotonic() - began < TAIL_S + 1
        await far.check_nothing_left()


@looped
async def test_a_stream_left_half_way_is_hung_up_on() -> None:
    async with Far() as far:
        assert far.pool.enter()
        far.pool.leave(await far.answered(STREAM))
        await far.check_nothing_left()


# ---- time


@pytest.mark.parametrize(
    ("first_content_s", "within_s", "code"),
    [(0.05, 9, Code.FIRST_TOKEN_TIMEOUT), (9, 0.05, Code.TOTAL_TIMEOUT)],
)
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nx: y\r\n"])
@looped
async def test_a_head_must_come_in_time(
    first_content_s: float, within_s: float, code: Code, part: bytes
) -> None:
    async with Far() as far:
        asking = far.asks(REQUEST, Timeouts(9, first_content_s, 9, 9), within_s)
        line = await far.line()
        await line.say(part)
        assert await code_of(asking) is code
        await far.check_nothing_left()


@pytest.mark.parametrize(
    ("connect_s", "within_s", "code"),
    [(0.05, 9, Code.CONNECT_TIMEOUT), (9, 0.05, Code.TOTAL_TIMEOUT), (9, -1, Code.TOTAL_TIMEOUT)],
)
@looped
async def test_a_connection_must_be_made_in_time(
    connect_s: float, within_s: float, code: Code
) -> None:
    async def dial(factory: Callable[[], Connection]) -> object:
        return await asyncio.get_running_loop().create_future()

    pool = Pool(dial, max_in_flight=1, sweep=Sweep())
    asking = pool.send(REQUEST, Timeouts(connect_s, 9, 9, 9), time.monotonic() + within_s)
    assert await code_of(asyncio.create_task(asking)) is code


# ---- dialling


async def dialled(host: str, port: int, context: ssl.SSLContext | None = None) -> Code:
    pool = Pool(tcp(Name(host, port), context), max_in_flight=1, sweep=Sweep())
    asking = pool.send(REQUEST, PATIENT, time.monotonic() + 5)
    return await code_of(asyncio.create_task(asking))


@looped
async def test_a_port_where_nobody_listens_is_connect_failed() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert await dialled("127.0.0.1", taken.getsockname()[1]) is Code.CONNECT_FAILED


@looped
async def test_a_name_that_no_resolver_takes_is_connect_failed() -> None:
    assert await dialled("x" * 70 + ".invalid", 80) is Code.CONNECT_FAILED


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
@looped
async def test_a_handshake_that_fails_is_tls_error(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await dialled("127.0.0.1", port, ssl.create_default_context()) is Code.TLS_ERROR


# ---- broken off at every wait


async def broken_off(far: Far, asking: "asyncio.Task[Reply]") -> None:
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    far.pool.leave(None)
    await far.check_nothing_left()


@looped
async def test_broken_off_while_it_connects() -> None:
    async with Far() as far:
        going = asyncio.Event()

        async def dial(factory: Callable[[], Connection]) -> object:
            made = await far.dial(factory)  # it is there, but nobody knows yet
            going.set()
            await asyncio.get_running_loop().create_future()
            return made

        far.pool = Pool(dial, max_in_flight=1, sweep=far.sweep)
        assert far.pool.enter()
        asking = far.asks()
        await going.wait()
        await broken_off(far, asking)


@looped
async def test_a_connection_made_too_late_is_dropped() -> None:
    async with Far() as far:

        async def dial(factory: Callable[[], Connection]) -> object:
            await far.dial(factory)
            return await asyncio.get_running_loop().create_future()

        far.pool = Pool(dial, max_in_flight=1, sweep=far.sweep)
        asking = far.asks(REQUEST, Timeouts(0.05, 9, 9, 9))
        assert await code_of(asking) is Code.CONNECT_TIMEOUT
        await far.check_nothing_left()


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200"])
@looped
async def test_broken_off_before_the_head(part: bytes) -> None:
    async with Far() as far:
        assert far.pool.enter()
        asking = far.asks()
        line = await far.line()
        await line.request()
        await line.say(part)
        await broken_off(far, asking)


@looped
async def test_broken_off_on_a_warm_connection() -> None:
    async with Far() as far:
        await far.answered(HI)
        assert far.pool.enter()
        asking = far.asks()
        await far.lines[0].request()
        await broken_off(far, asking)


@pytest.mark.parametrize("stuck_at", ["the client", "the backend"])
@looped
async def test_broken_off_in_an_upload(stuck_at: str) -> None:
    async with Far() as far:
        ended = asyncio.Event()

        async def body() -> AsyncGenerator[bytes, None]:
            try:
                while True:
                    yield bytes(1 << 20)
                    if stuck_at == "the client":
                        await asyncio.get_running_loop().create_future()
            finally:
                ended.set()

        assert far.pool.enter()
        asking = far.asks(WireRequest(HEAD, body()))
        line = await far.line()
        await line.request()
        line.writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a socket's
        await settled()
        line.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await broken_off(far, asking)
        await ended.wait()


@looped
async def test_an_upload_whose_client_fails_says_so() -> None:
    async with Far() as far:

        async def body() -> AsyncGenerator[bytes, None]:
            yield b"some"
            raise GatewayError(Code.REQUEST_TIMEOUT, "too slow")

        with pytest.raises(GatewayError, match="too slow"):
            await far.asks(WireRequest(HEAD, body()))
        await far.check_nothing_left()


@looped
async def test_a_client_that_fails_and_leaves_has_left() -> None:
    """Its connection's end breaks the body and cancels the exchange in one moment."""
    async with Far() as far:
        failed = asyncio.Event()

        async def body() -> AsyncGenerator[bytes, None]:
            yield b"some"
            await failed.wait()
            raise GatewayError(Code.CLIENT_CLOSED, "gone")

        assert far.pool.enter()
        asking = far.asks(WireRequest(HEAD, body()))
        await (await far.line()).request()
        failed.set()
        await broken_off(far, asking)


@looped
async def test_an_upload_to_a_backend_that_hangs_up_is_a_reset() -> None:
    async with Far() as far:
        asking = far.asks(WireRequest(HEAD, parts(*[bytes(1 << 20)] * 50)))
        line = await far.line()
        await line.request()
        await line.reset()
        assert await code_of(asking) is Code.UPSTREAM_RESET
        await far.check_nothing_left()


@looped
async def test_a_silent_backend_ends_an_upload_in_time() -> None:
    async with Far() as far:
        asking = far.asks(WireRequest(HEAD, parts(b"all")), Timeouts(9, 0.05, 9, 9))
        assert await code_of(asking) is Code.FIRST_TOKEN_TIMEOUT
        await far.check_nothing_left()


@looped
async def test_broken_off_within_the_body() -> None:
    async with Far() as far:
        assert far.pool.enter()
        reply = await far.answered(STREAM)
        reading = asyncio.create_task(reply.read(100))
        await settled()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        far.pool.leave(reply)
        await far.check_nothing_left()
