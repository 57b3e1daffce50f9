"""Answers in order, back-pressure, leaving, and every wait with its limit."""

import asyncio

import pytest

from gateway.errors import Code
from gateway.server.connection import Settings
from tests.http_answers import answers
from tests.unit.server.speaking import Served, chunked, get, looped, post, serving

HURRIED = Settings(header_timeout_s=0.3, body_timeout_s=0.3, keep_alive_s=0.3, write_timeout_s=0.3)


def statuses(data: bytes) -> list[int]:
    return [answer.status for answer in answers(data)]


# ---- one after the other


@looped
async def test_requests_sent_at_once_are_answered_in_their_order() -> None:
    async with serving() as served:
        sent = b"".join(post("/echo", b"%d" % number) for number in range(10))
        found = await served.ask(sent + get("/stream", b"connection: close\r\n"))
        assert [answer.body for answer in found] == [*(b"%d" % n for n in range(10)), b"one two"]


@looped
async def test_a_refusal_comes_behind_the_answer_that_is_owed_before_it() -> None:
    async with serving() as served:
        client = await served.connect(get("/slow") + b"garbage\r\n\r\n")
        await served.until(lambda: bool(served.door.heads))
        assert not served.door.refused
        served.door.go.set()
        assert [answer.status for answer in await client.rest()] == [200, 405]


@looped
async def test_after_garbage_nothing_more_is_understood() -> None:
    async with serving() as served:
        client = await served.connect(get("/slow") + b"garbage\r\n\r\n")
        await served.until(lambda: bool(served.door.heads))
        client.send(get("/echo") * 3)
        served.door.go.set()
        assert [answer.status for answer in await client.rest()] == [200, 405]
        assert len(served.door.heads) == 1


@looped
@pytest.mark.parametrize(
    "refused",
    [
        get("/echo", b"transfer-encoding: gzip, chunked\r\n", method="POST") + b"0\r\n\r\n",
        get("/echo", b"host: other\r\n"),
        get("http://gateway/echo"),
        chunked("/no", b"x"),
        chunked("/echo", *[b"x" * 65536] * 17),
    ],
    ids=["encoding", "hosts", "target", "chunks", "too long"],
)
async def test_nothing_behind_a_request_without_a_certain_end_is_a_request(refused: bytes) -> None:
    """Neither when it is refused at once, nor when that has to wait for its turn."""
    async with serving() as served:
        client = await served.connect(get("/slow") + refused + post("/echo", b"hidden"))
        await served.until(lambda: bool(served.door.heads))
        served.door.go.set()
        first, second = await client.rest()
        assert (first.status, second.closes) == (200, True)
        assert second.status >= 400
        assert served.door.answered == ["/slow"]


@looped
async def test_a_request_that_comes_while_another_is_about_to_begin_delays_nothing() -> None:
    """The begin of a third request must not make the second one wait for its end."""
    async with serving() as served:
        client = await served.connect(post("/echo", b"1") + post("/echo", b"2") + b"GET /ec")
        assert [(await client.answer()).body for _ in range(2)] == [b"1", b"2"]
        client.send(b"ho HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert [answer.status for answer in await client.rest()] == [200]


@looped
async def test_the_version_is_that_of_the_request_which_is_answered() -> None:
    """Not that of the one being read meanwhile."""
    async with serving() as served:
        last = get("/echo", b"connection: close\r\n", version="1.0")
        client = await served.connect(get("/slow") + get("/stream") + last)
        await served.until(lambda: len(served.door.heads) == 3)
        served.door.go.set()
        found = await client.rest()
        assert [answer.status for answer in found] == [200, 200, 200]
        assert found[1].headers["transfer-encoding"] == "chunked"


@looped
async def test_what_is_sent_far_ahead_is_read_later() -> None:
    async with serving() as served:
        client = await served.connect(get("/slow"))
        await served.until(lambda: bool(served.door.heads))
        for number in range(60):
            client.send(post("/echo", b"%d" % number))
            await asyncio.sleep(0.002)
        assert len(served.door.heads) < 50
        served.door.go.set()
        await client.answer()
        bodies = [(await client.answer()).body for _ in range(60)]
        assert bodies == [b"%d" % number for number in range(60)]


@looped
async def test_a_flood_of_requests_in_one_read_is_refused() -> None:
    async with serving() as served:
        client = await served.connect(get("/slow") + get("/echo") * 4000)
        await served.until(lambda: len(served.door.heads) > 100)
        assert len(served.door.heads) < 200
        served.door.go.set()
        found = await client.rest()
        assert [answer.status for answer in (found[0], found[-1])] == [200, 400]


# ---- keeping and closing


@looped
async def test_http_1_1_keeps_the_connection_and_says_nothing() -> None:
    async with serving() as served:
        client = await served.connect(get("/echo"))
        assert "connection" not in (await client.answer()).headers
        client.send(get("/stream"))
        assert "connection" not in (await client.answer()).headers


@looped
async def test_http_1_0_closes_unless_it_is_asked_to_keep() -> None:
    async with serving() as served:
        (found,) = await served.ask(get("/echo", version="1.0"))
        assert found.closes
        client = await served.connect(get("/echo", b"connection: keep-alive\r\n", version="1.0"))
        assert (await client.answer()).headers["connection"] == "keep-alive"
        client.send(get("/echo", version="1.0"))
        assert (await client.answer()).closes
        assert await client.closed() == b""


@looped
async def test_a_stream_of_http_1_0_ends_with_its_connection() -> None:
    async with serving() as served:
        asked = get("/stream", b"connection: keep-alive\r\n", version="1.0")
        (found,) = await served.ask(asked)
        assert found.closes
        assert "transfer-encoding" not in found.headers
        assert found.body == b"one two"


@looped
@pytest.mark.parametrize("path", ["/echo", "/stream", "/no"])
async def test_a_client_that_asks_to_close_is_closed(path: str) -> None:
    async with serving() as served:
        (found,) = await served.ask(get(path, b"connection: close\r\n"))
        assert found.closes
        assert found.ended


@looped
@pytest.mark.parametrize("path", ["/echo", "/stream", "/no"])
async def test_head_has_the_head_of_get_and_no_body(path: str) -> None:
    async with serving() as served:
        asked = get(path, method="HEAD") + get("/echo", b"connection: close\r\n")
        first, second = await served.ask(asked, methods=("HEAD", "GET"))
        assert first.body == b""
        assert (first.status, second.status) == (404 if path == "/no" else 200, 200)
        if path == "/no":
            assert first.headers["content-length"] == "2"


@looped
async def test_a_refused_request_with_a_short_body_keeps_its_connection() -> None:
    async with serving() as served:
        client = await served.connect(post("/no", b"x" * 1000))
        refused = await client.answer()
        assert (refused.status, refused.closes) == (404, False)
        client.send(post("/echo", b"again"))
        assert (await client.answer()).body == b"again"


@looped
async def test_a_kept_connection_is_not_told_of_a_slow_head_after_a_refusal() -> None:
    """An unasked 408 would be taken for the answer to the next request."""
    async with serving(Settings(header_timeout_s=0.1, keep_alive_s=0.5)) as served:
        client = await served.connect(post("/no", b"x"))
        assert (await client.answer()).status == 404
        assert await client.closed() == b""


@looped
@pytest.mark.parametrize(
    "body",
    [
        post("/no", b"x" * (65 << 10)),
        chunked("/no", b"x"),
        post("/echo", b"x" * ((1 << 20) + 1)),
        chunked("/echo", b"x" * ((1 << 20) + 1)),
    ],
    ids=["long", "chunks", "too long", "too long in chunks"],
)
async def test_a_refusal_whose_body_is_not_read_past_closes(body: bytes) -> None:
    async with serving() as served:
        (found,) = await served.ask(body + get("/echo"))
        assert found.status in (404, 413)
        assert found.closes
        assert len(served.door.heads) == 1


@looped
async def test_a_body_is_refused_by_its_declared_length_before_it_comes() -> None:
    async with serving() as served:
        head = get("/echo", b"content-length: 10000000000\r\n", method="POST")
        (found,) = await served.ask(head)
        assert (found.status, found.headers["x-code"]) == (413, "body_too_large")


@looped
async def test_beyond_the_cap_a_connection_is_told_and_closed() -> None:
    async with serving(max_connections=8) as served:
        kept = [await served.connect(get("/echo")) for _ in range(8)]
        for client in kept:
            await client.answer()
        further = await served.connect()
        (found,) = await further.rest()
        assert (found.status, found.headers["x-code"], found.closes) == (503, "overloaded", True)
        for client in (further, kept[0]):
            client.close()
        await served.until(lambda: len(served.listening.connections) < 8)
        assert [answer.status for answer in await served.ask(get("/echo", version="1.0"))] == [200]


@looped
async def test_far_beyond_the_cap_nobody_is_told() -> None:
    async with serving(max_connections=8) as served:
        told = [await served.connect() for _ in range(16)]
        await served.until(lambda: len(served.listening.connections) == 16)
        assert await (await served.connect()).closed() == b""
        assert [len(await client.rest()) for client in told[8:]] == [1] * 8


# ---- 100-continue


@looped
async def test_a_body_is_asked_for_once_its_head_is_admitted() -> None:
    async with serving() as served:
        head = b"expect: 100-continue\r\ncontent-length: 2\r\n"
        client = await served.connect(get("/echo", head, method="POST"))
        await client.until(b"100 Continue\r\n\r\n")
        client.send(b"hi" + get("/echo", b"connection: close\r\n"))
        found = await client.rest()
        assert [answer.status for answer in found] == [100, 200, 200]
        assert found[1].body == b"hi"


@looped
async def test_a_body_is_asked_for_after_the_answers_before_it() -> None:
    async with serving() as served:
        expecting = get("/echo", b"expect: 100-continue\r\ncontent-length: 2\r\n", method="POST")
        client = await served.connect(get("/slow") + expecting)
        await served.until(lambda: len(served.door.heads) == 2)
        await asyncio.sleep(0.02)
        assert client.read == b""
        served.door.go.set()
        await client.until(b"100 Continue\r\n\r\n")
        client.send(b"hi")
        await client.until(b"hi")
        assert statuses(client.read) == [200, 100, 200]


@looped
@pytest.mark.parametrize(
    ("path", "expect", "status"),
    [("/no", b"100-continue", 404), ("/echo", b"202-accepted", 417)],
)
async def test_a_refusal_takes_the_place_of_the_100(path: str, expect: bytes, status: int) -> None:
    async with serving() as served:
        head = b"expect: %b\r\ncontent-length: 2\r\n" % expect
        (found,) = await served.ask(get(path, head, method="POST"))
        assert (found.status, found.closes) == (status, True)


@looped
async def test_http_1_0_is_never_sent_a_100() -> None:
    async with serving() as served:
        asked = post("/echo", b"hi", b"expect: 100-continue\r\n", version="1.0")
        assert [answer.status for answer in await served.ask(asked)] == [200]


# ---- a client that leaves


@looped
@pytest.mark.parametrize("path", ["/slow", "/events", "/parts"])
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_ends_its_exchange(path: str, how: str) -> None:
    async with serving() as served:
        client = await served.connect(get(path))
        await served.until(lambda: bool(served.door.heads))
        if path != "/slow":
            await client.until(b"\r\n\r\n")
        (client.close if how == "close" else client.reset)()
        if path == "/parts" and how == "close":
            served.door.go.set()  # its parts are what tells
            await served.until_empty()
        else:
            await served.until(lambda: served.door.left == [path])


@looped
@pytest.mark.parametrize("path", ["/slow", "/events", "/parts", "/big", "/echo"])
async def test_a_client_that_half_closes_gets_its_whole_answer(path: str) -> None:
    async with serving() as served:
        client = await served.connect(get(path))
        client.half_close()
        await served.until(lambda: bool(served.door.heads))
        await asyncio.sleep(0.3)  # long enough for it to be looked for
        served.door.go.set()
        found = [answer for answer in await client.rest() if answer.status == 200]
        assert len(found) == 1
        assert found[0].ended
        assert served.door.left == []


@looped
async def test_all_that_was_asked_before_a_half_close_is_answered() -> None:
    async with serving() as served:
        client = await served.connect(get("/slow") + post("/echo", b"2") + get("/stream"))
        client.half_close()
        await served.until(lambda: len(served.door.heads) == 3)
        served.door.go.set()
        found = [answer.body for answer in await client.rest() if answer.status == 200]
        assert found == [b"at last", b"2", b"one two"]


@looped
@pytest.mark.parametrize("path", ["/echo", "/upload", "/no"])
async def test_half_a_request_before_a_half_close_is_dropped_behind_what_is_owed(
    path: str,
) -> None:
    async with serving() as served:
        client = await served.connect(get("/slow") + post(path, b"12345")[:-2])
        client.half_close()
        await served.until(lambda: len(served.door.heads) == 2)
        served.door.go.set()
        assert [a.body for a in await client.rest() if a.status == 200] == [b"at last"]
        assert served.door.answered == ["/slow"]


@looped
@pytest.mark.parametrize("how", ["half_close", "close", "reset"])
async def test_a_request_that_is_cut_off_is_never_begun(how: str) -> None:
    async with serving() as served:
        client = await served.connect(post("/echo", b"12345")[:-2])
        await served.until(lambda: bool(served.door.heads))
        getattr(client, how)()
        await served.until_empty()
        assert served.door.answered == []


@looped
@pytest.mark.parametrize("how", ["half_close", "close", "reset"])
async def test_an_upload_that_is_cut_off_ends_its_exchange(how: str) -> None:
    async with serving() as served:
        client = await served.connect(post("/upload", b"12345")[:-2])
        await served.until(lambda: bool(served.door.heads))
        await asyncio.sleep(0.01)
        getattr(client, how)()
        await served.until_empty()
        assert served.door.answered == []


# ---- a client that does not read


@looped
async def test_a_stream_waits_for_a_client_that_does_not_read() -> None:
    async with serving() as served:
        client = await served.connect(get("/flood"))
        client.stop_reading()
        await served.until(lambda: _unsent(served) > 64 << 10)
        await asyncio.sleep(0.05)
        assert _unsent(served) < 256 << 10


@looped
async def test_no_answer_begins_before_the_last_one_has_been_read() -> None:
    """Otherwise a client could have any number of them piled up."""
    async with serving() as served:
        client = await served.connect(get("/big") + get("/flood") + get("/big"))
        client.stop_reading()
        await served.until(lambda: "/big" in served.door.answered)
        await asyncio.sleep(0.05)
        assert served.door.answered == ["/big"]
        assert _unsent(served) < 9 << 20


@looped
async def test_answers_go_on_once_the_client_reads_again() -> None:
    async with serving() as served:
        client = await served.connect(get("/big") + post("/echo", b"2") + get("/big"))
        await served.until(lambda: "/big" in served.door.answered)
        sizes = [len((await client.answer()).body) for _ in range(3)]
        assert sizes == [8 << 20, 1, 8 << 20]


@looped
@pytest.mark.parametrize(
    "asked",
    [get("/flood"), get("/big"), get("/big") + get("/echo")],
    ids=["stream", "whole", "two"],
)
@pytest.mark.parametrize("ending", [b"", b"connection: close\r\n"], ids=["keep", "close"])
async def test_a_client_that_stops_reading_is_cut_off(asked: bytes, ending: bytes) -> None:
    async with serving(Settings(keep_alive_s=0.2, write_timeout_s=0.2)) as served:
        client = await served.connect(asked.replace(b"\r\n\r\n", b"\r\n%b\r\n" % ending))
        client.stop_reading()
        await served.until_empty()
        cut = ["/flood"] if b"flood" in asked else []
        await served.until(lambda: served.door.left == cut)


@looped
async def test_a_half_closed_client_that_stops_reading_is_cut_off() -> None:
    async with serving(Settings(write_timeout_s=0.2)) as served:
        client = await served.connect(get("/flood"))
        client.stop_reading()
        client.half_close()
        await served.until_empty()


@looped
async def test_a_client_that_reads_slowly_gets_all_of_it() -> None:
    """However long that takes: every look finds less that it has not taken."""
    async with serving(Settings(keep_alive_s=0.15, write_timeout_s=0.15)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1 << 16)
        writer.write(get("/big"))
        size = 0
        while size < 8 << 20:
            size += len(await reader.read(1 << 19))
            await asyncio.sleep(0.01)
        writer.close()
        assert size > 8 << 20


@looped
async def test_half_a_request_behind_an_unread_answer_is_not_waited_for() -> None:
    """The client's patience with its own answer counts, then the connection goes."""
    async with serving(Settings(header_timeout_s=0.1, write_timeout_s=0.3)) as served:
        client = await served.connect(get("/big"))
        client.stop_reading()
        await served.until(lambda: served.door.answered == ["/big"])
        client.send(b"GET /ec")
        await served.until_empty()


# ---- waits


@looped
async def test_a_slow_head_is_told_and_closed() -> None:
    async with serving(HURRIED) as served:
        client = await served.connect()
        for byte in get("/echo")[:20]:
            client.send(bytes([byte]))
            await asyncio.sleep(0.02)
            if served.door.refused:
                break
        (found,) = await client.rest()
        assert (found.status, found.headers["x-code"]) == (408, "request_timeout")


@looped
@pytest.mark.parametrize("path", ["/echo", "/upload"])
async def test_a_slow_body_is_told_and_closed(path: str) -> None:
    async with serving(HURRIED) as served:
        (found,) = await served.ask(post(path, b"x" * 500)[:-400])
        assert (found.status, found.headers["x-code"]) == (408, "request_timeout")
        assert served.door.answered == []


@looped
async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async with serving(HURRIED) as served:
        assert await (await served.connect()).closed() == b""
        client = await served.connect(get("/echo"))
        await client.answer()
        assert await client.closed() == b""


@looped
@pytest.mark.parametrize(
    "sent",
    [b"garbage\r\n\r\n", post("/no", b"x" * (65 << 10)), chunked("/no", b"1", end=b"")],
    ids=["garbage", "long", "endless"],
)
async def test_a_refused_client_that_stays_is_left(sent: bytes) -> None:
    """What it still sends is read past, for a moment; then the connection is gone."""
    async with serving() as served:
        client = await served.connect(sent)
        await client.rest()
        client.send(b"more")
        await served.until_empty()


# ---- the end of the house


@looped
async def test_draining_closes_idle_connections_and_ends_busy_ones_behind_their_answers() -> None:
    async with serving() as served:
        idle = await served.connect(get("/echo"))
        await idle.answer()
        whole, begun = await served.connect(get("/slow")), await served.connect(get("/parts"))
        await begun.until(b"one ")
        await served.until(lambda: len(served.door.heads) == 3)
        served.listening.drain()
        assert await idle.closed() == b""
        served.door.go.set()
        (at_last,), (parts,) = await whole.rest(), await begun.rest()
        assert (at_last.body, at_last.closes) == (b"at last", True)
        assert parts.body == b"one two"


@looped
async def test_what_still_goes_on_at_the_end_is_told_why() -> None:
    async with serving() as served:
        client = await served.connect(get("/slow"))
        await served.until(lambda: bool(served.door.heads))
        served.listening.drain()
        served.listening.end_answers()
        (found,) = await client.rest()
        assert (found.status, found.headers["x-code"]) == (503, "draining")


@looped
async def test_a_connection_that_comes_while_draining_is_told() -> None:
    async with serving() as served:
        served.listening.draining = True
        (found,) = await served.ask(get("/echo"))
        assert (found.status, found.headers["x-code"]) == (503, "draining")


@looped
async def test_a_fault_of_ours_is_not_blamed_on_the_client() -> None:
    async with serving() as served:
        (found,) = await served.ask(get("/surprise"))
        assert (found.status, found.headers["x-code"]) == (500, "internal_error")
        error = served.door.refused[0]
        assert error.code is Code.INTERNAL
        assert isinstance(error.__cause__, ZeroDivisionError)


def _unsent(served: Served) -> int:
    """Bytes that wait in the process; the kernel holds some more."""
    return sum(
        connection._transport.get_write_buffer_size() for connection in served.listening.connections
    )
