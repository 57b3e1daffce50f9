"""Told to stop: nothing new begins, what is under way ends whole, and then the process goes."""

import asyncio
import signal
import socket
import subprocess
import time

import pytest

from tests.harness import Gateway, config_for, until
from tests.journeys.traffic import Client, Cut, chat, connected, many, paced, post, words
from tests.vendors.looped import looped
from tests.vendors.scripted import Forever, Script, Send, Vendor, chunk, stream_head

STREAMS = 50
GET = (
    b"GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer sk-test-0123456789abcdef\r\n\r\n"
)
ENDLESS = (Send(stream_head()), Forever(chunk(words(1)[1]), gap_s=0.05))


def stop(gateway: Gateway) -> None:
    gateway.process.send_signal(signal.SIGTERM)


async def gone(gateway: Gateway, within_s: float) -> int:
    """The exit code."""
    return await asyncio.to_thread(gateway.process.wait, within_s)


async def streaming(client: Client) -> None:
    """A stream has begun on client."""
    client.writer.write(chat(stream=True))
    await client.head()
    assert client.status == 200


@looped
async def test_fifty_streams_end_whole_and_nothing_new_begins() -> None:
    events = words(20)
    with (
        Vendor(paced(events, 0.1)) as vendor,
        Gateway(config_for(vendor.url)) as gateway,
    ):
        async with many(gateway, STREAMS) as clients:
            await asyncio.gather(*map(streaming, clients))
            stop(gateway)
            until(lambda: gateway.get("/readyz", admin=True)[0] == 503, 1, "it is still ready")
            assert gateway.get("/healthz", admin=True)[0] == 200
            with pytest.raises(ConnectionRefusedError):
                gateway.connect()
            answers = await asyncio.gather(*[client.rest() for client in clients])
            assert all([await client.closed() for client in clients])
            code = await gone(gateway, 3)
        lines = gateway.lines()
    assert [answer.body for answer in answers] == [b"".join(events)] * STREAMS
    assert all(answer.whole_stream for answer in answers)
    assert code == 0
    exchanges = [line["outcome"] for line in lines if line["event"] == "exchange"]
    assert exchanges == ["complete"] * STREAMS
    assert [line["cut"] for line in lines if line["event"] == "stopped"] == [0]


@looped
async def test_what_is_not_over_when_the_time_is_up_ends_with_an_error() -> None:
    config = config_for("{url}", more="server: {drain_timeout_s: 0.5}")
    with Vendor(ENDLESS) as vendor, Gateway(config.replace("{url}", vendor.url)) as gateway:
        async with connected(gateway) as client:
            await streaming(client)
            stop(gateway)
            answer = await client.rest()
            assert answer.code == "draining"
            assert b"[DONE]" not in answer.body
            assert await client.closed()
        assert await gone(gateway, 2) == 0
        (line,) = gateway.lines("exchange")
        assert (line["outcome"], line["code"], line["origin"]) == ("error", "draining", "gateway")
        assert [line["cut"] for line in gateway.lines("stopped")] == [1]
        until(lambda: vendor.open_connections == 0, 2, "the backend still generates")


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
@looped
async def test_told_twice_it_goes_at_once_and_says_so(second: signal.Signals) -> None:
    with Vendor(ENDLESS) as vendor, Gateway(config_for(vendor.url)) as gateway:
        async with connected(gateway) as client:
            await streaming(client)
            stop(gateway)
            until(lambda: bool(gateway.lines("draining")), 2, "it does not drain")
            told_at = time.monotonic()
            gateway.process.send_signal(second)
            assert (await client.rest()).code == "draining"
            assert await gone(gateway, 5) == 0
            assert time.monotonic() - told_at < 1.5
        assert [line["code"] for line in gateway.lines("exchange")] == ["draining"]


@looped
async def test_told_twice_it_does_not_wait_for_who_does_not_read() -> None:
    loud: Script = [Send(stream_head()), Forever(chunk(words(1)[1] * 500))]
    with Vendor(loud) as vendor, Gateway(config_for(vendor.url)) as gateway:
        async with connected(gateway, buffer=4096) as deaf:
            deaf.writer.write(chat(stream=True))
            await asyncio.sleep(0.5)  # for all buffers on the way to fill
            assert len(vendor.journal) == 1
            stop(gateway)
            until(lambda: bool(gateway.lines("draining")), 2, "it does not drain")
            told_at = time.monotonic()
            stop(gateway)
            assert await gone(gateway, 5) == 0
            assert time.monotonic() - told_at < 1.5


@looped
async def test_idle_connections_close_at_once_and_others_behind_their_answer() -> None:
    with Vendor(paced(words(8), 0.1)) as vendor, Gateway(config_for(vendor.url)) as gateway:
        async with connected(gateway) as idle, connected(gateway) as fresh:
            assert (await idle.ask(GET)).status == 200
            async with connected(gateway) as busy:
                await streaming(busy)
                stop(gateway)
                assert await idle.closed()
                assert await fresh.closed()
                # A request behind the one under way: it comes too late, and is not answered.
                busy.writer.write(GET)
                assert (await busy.rest()).whole_stream
                with pytest.raises(Cut):
                    await busy.head()
        assert await gone(gateway, 3) == 0


@looped
async def test_an_answer_that_begins_while_it_drains_says_that_the_connection_closes() -> None:
    with Vendor(paced(words(8), 0.1)) as vendor, Gateway(config_for(vendor.url)) as gateway:
        async with connected(gateway) as busy, connected(gateway) as late:
            await streaming(busy)
            request = chat(stream=True)
            late.writer.write(request[:-10])  # not yet whole
            await asyncio.sleep(0.1)
            stop(gateway)
            until(lambda: bool(gateway.lines("draining")), 2, "it does not drain")
            late.writer.write(request[-10:])
            answer = await late.answer()
            assert answer.whole_stream
            assert answer.headers["connection"] == "close"
            assert (await busy.rest()).whole_stream
        assert await gone(gateway, 3) == 0


@looped
async def test_a_request_that_is_still_coming_is_answered_though_nothing_else_goes_on() -> None:
    with Vendor(paced(words(2), 0)) as vendor, Gateway(config_for(vendor.url)) as gateway:
        async with connected(gateway) as late:
            request = chat(stream=True)
            late.writer.write(request[:-10])
            await asyncio.sleep(0.1)
            stop(gateway)
            await asyncio.sleep(1)
            late.writer.write(request[-10:])
            assert (await late.answer()).whole_stream
        assert await gone(gateway, 3) == 0


@looped
async def test_with_nothing_to_do_it_is_gone_at_once() -> None:
    with Vendor(paced(words(2), 0)) as vendor, Gateway(config_for(vendor.url)) as gateway:
        async with connected(gateway) as client:
            assert (await client.ask(chat(stream=True))).whole_stream
            told_at = time.monotonic()
            stop(gateway)
            assert await gone(gateway, 5) == 0
            assert time.monotonic() - told_at < 1.5


@looped
async def test_an_open_scrape_does_not_hold_it_back() -> None:
    with Vendor(paced(words(2), 0)) as vendor, Gateway(config_for(vendor.url)) as gateway:
        port = int(gateway.admin.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as half:
            half.sendall(b"GET /metrics HTTP/1.1\r\nhost: a\r\n")  # the head does not end
            with socket.create_connection(("127.0.0.1", port)) as kept:
                kept.sendall(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n")
                assert kept.recv(100).startswith(b"HTTP/1.1 200 ")
                stop(gateway)
                try:
                    assert await gone(gateway, 3) == 0
                except subprocess.TimeoutExpired:
                    pytest.fail("it waits for its keeper")


@looped
async def test_an_upload_under_way_ends_whole() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    with Vendor([Send(answer)]) as vendor, Gateway(config_for(vendor.url)) as gateway:
        head = b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--x\r\n'
        part = head + b'content-disposition: form-data; name="file"; filename="a"\r\n\r\n'
        body = part + b"s" * 200_000 + b"\r\n--x--\r\n"
        upload = post("/v1/audio/transcriptions", body, kind="multipart/form-data; boundary=x")
        async with connected(gateway) as client:
            client.writer.write(upload[:100_000])
            await asyncio.sleep(0.1)
            stop(gateway)
            until(lambda: bool(gateway.lines("draining")), 2, "it does not drain")
            client.writer.write(upload[100_000:])
            assert (await client.answer()).status == 200
        assert await gone(gateway, 3) == 0
        assert vendor.journal[0].body.count(b"s" * 200_000) == 1
