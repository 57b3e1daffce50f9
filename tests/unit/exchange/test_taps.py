"""Between a stream and its client: nothing goes out too early, nothing after the end."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.dialects.openai_stream import Watch
from gateway.errors import Code
from gateway.exchange.taps import MAX_HELD_BYTES, MAX_HELD_READS, ByteTap, EventTap
from gateway.telemetry.record import Attempt
from gateway.upstream.reply import Reply
from tests.unit.exchange.serving import Client
from tests.unit.upstream.far import Far, looped, settled
from tests.vendors.openai_wire import DONE, ROLE, chat_chunk, event

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ROLE_ONLY = event(chat_chunk(ROLE))
TOKEN = event(chat_chunk({"content": "token"}))
FINISH = event(chat_chunk({}, finish="stop"))
ERROR = event(b'{"error":{"message":"boom"}}')


@dataclass
class Stream:
    """A tap with all its neighbours; reads are put into it by hand."""

    far: Far
    reply: Reply
    client: Client

    def __post_init__(self) -> None:
        self.outlet = self.client.outlet()
        self.attempt = Attempt("b", "p", "m")
        self.commits = 0
        watch = Watch(withhold_usage=False)
        self.tap = EventTap(self.outlet, self.reply, watch, self.attempt, 7.0, self.commit)

    def commit(self) -> None:
        self.commits += 1
        self.outlet.begin(200, b"content-type: text/event-stream\r\n")
        self.outlet.draw_from(self.reply)

    @property
    def ending(self) -> Code | None:
        assert self.tap.ending.done()
        return self.tap.ending.result()

    @property
    def due_in_s(self) -> float:
        assert self.reply.carrier is not None
        return self.reply.carrier.due_at - time.monotonic()


@asynccontextmanager
async def a_stream() -> AsyncIterator[Stream]:
    async with Far() as far:
        yield Stream(far, await far.answered(HEAD), Client())


# ---- before the first content


@looped
async def test_what_comes_before_the_first_content_waits_for_it() -> None:
    async with a_stream() as stream:
        for part in (b": ping\n\n", ROLE_ONLY, ROLE_ONLY[:30], ROLE_ONLY[30:]):
            stream.tap.received(part)
            assert (stream.tap.committed, stream.client.sent) == (False, b"")
        stream.tap.received(TOKEN)
        assert (stream.commits, stream.tap.committed) == (1, True)
        assert stream.client.body == ROLE_ONLY * 2 + TOKEN
        assert stream.attempt.first_at is not None
        stream.tap.received(TOKEN)
        assert stream.client.body == ROLE_ONLY * 2 + TOKEN * 2


@looped
async def test_pieces_of_an_event_are_no_events() -> None:
    async with a_stream() as stream:
        for at in range(len(ROLE_ONLY)):
            stream.tap.received(ROLE_ONLY[at : at + 1])
        for _ in range(MAX_HELD_READS * 2):
            stream.tap.received(b": ping\n\n")
        assert not stream.tap.committed


@pytest.mark.parametrize(
    "part", [ROLE_ONLY, event(b'{"choices":[],"x":"%b"}' % (b"y" * (MAX_HELD_BYTES // 8)))]
)
@looped
async def test_so_much_is_held_and_no_more(part: bytes) -> None:
    async with a_stream() as stream:
        for held in range(1, MAX_HELD_READS + 2):
            stream.tap.received(part)
            full = held > MAX_HELD_READS or held * len(part) > MAX_HELD_BYTES
            assert stream.tap.committed is full
            if full:
                break
        assert stream.client.body == part * held


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (ERROR, Code.UPSTREAM_ERROR),
        (b"data: {\n\n", Code.BAD_RESPONSE),
        (DONE, Code.STREAM_TRUNCATED),
    ],
)
@looped
async def test_a_failure_before_the_commit_leaves_the_client_untouched(
    part: bytes, code: Code
) -> None:
    async with a_stream() as stream:
        if part is not DONE:
            stream.tap.received(ROLE_ONLY)
        stream.tap.received(part)
        assert (stream.ending, stream.tap.committed, stream.client.sent) == (code, False, b"")
        assert stream.reply.carrier is None  # hung up on: nothing more can come
        await stream.far.lines[0].left()
        stream.tap.received(TOKEN + DONE)  # had it come in the same moment
        assert (stream.ending, stream.client.sent) == (code, b"")


# ---- ends


@looped
async def test_done_ends_the_answer_and_leaves_the_framing_to_end() -> None:
    async with a_stream() as stream:
        stream.tap.received(TOKEN + FINISH + DONE)
        assert (stream.ending, stream.reply.spent) == (None, True)
        assert stream.client.body == TOKEN + FINISH + DONE
        assert stream.client.endings == ["close"]
        assert stream.attempt.chunks == 2
        stream.tap.received(TOKEN)
        assert stream.client.body == TOKEN + FINISH + DONE


@pytest.mark.parametrize("last", [ERROR, b"data: {\n\n", b"data: \xff\n\n"])
@looped
async def test_nothing_follows_a_failure(last: bytes) -> None:
    async with a_stream() as stream:
        stream.tap.received(TOKEN)
        stream.tap.received(TOKEN + last)
        assert stream.ending is not None
        assert stream.client.body == TOKEN * 2
        stream.tap.received(TOKEN + FINISH + DONE)  # had it come in the same moment
        assert stream.client.body == TOKEN * 2
        assert stream.client.endings == []  # how it ends is for the exchange to say
        await stream.far.lines[0].left()


@pytest.mark.parametrize(
    ("parts", "failure", "ending"),
    [
        ([TOKEN + FINISH], None, None),
        ([TOKEN], None, Code.STREAM_TRUNCATED),
        ([TOKEN + FINISH, TOKEN[:9]], None, Code.STREAM_TRUNCATED),
        ([], None, Code.STREAM_TRUNCATED),
        ([TOKEN + FINISH], Code.UPSTREAM_RESET, Code.STREAM_INTERRUPTED),
        ([TOKEN], Code.UPSTREAM_RESET, Code.STREAM_INTERRUPTED),
        ([TOKEN], Code.IDLE_TIMEOUT, Code.IDLE_TIMEOUT),
        ([TOKEN], Code.PROTOCOL_ERROR, Code.PROTOCOL_ERROR),
    ],
)
@looped
async def test_an_end_is_good_only_behind_a_finish(
    parts: list[bytes], failure: Code | None, ending: Code | None
) -> None:
    async with a_stream() as stream:
        for part in parts:
            stream.tap.received(part)
        stream.tap.ended(failure)
        assert stream.ending is ending
        whole = stream.client.body.endswith(DONE)
        assert whole is (ending is None)
        assert stream.client.endings == (["close"] if whole else [])


# ---- time


@looped
async def test_events_renew_the_wait_and_bytes_do_not() -> None:
    async with a_stream() as stream:
        stream.reply.renew(2.0, Code.FIRST_TOKEN_TIMEOUT)
        for part in (ROLE_ONLY, b": ping\n\n", TOKEN[:9]):
            stream.tap.received(part)
            assert stream.due_in_s < 2
        stream.tap.received(TOKEN[9:])
        assert 4 < stream.due_in_s < 7.1
        assert stream.reply.carrier is not None
        stream.reply.carrier.due_at -= 5
        for part in (b": ping\n\n", b"\n\n\n", b"retry: 5\n\n", TOKEN[:9]):
            stream.tap.received(part)
            assert stream.due_in_s < 2
        stream.tap.received(TOKEN[9:])
        assert stream.due_in_s > 4


@looped
async def test_a_client_that_does_not_read_is_not_the_backend_s_idleness() -> None:
    async with a_stream() as stream:
        stream.reply.deadline_at = time.monotonic() + 99

        class Slow(Client):
            def write(self, data: bytes) -> None:
                super().write(data)
                slow_outlet.block()

        slow = Slow()
        slow_outlet = slow.outlet()
        stream.outlet = slow_outlet
        stream.tap = EventTap(
            slow_outlet, stream.reply, Watch(withhold_usage=False), stream.attempt, 7, stream.commit
        )
        stream.tap.received(TOKEN)
        assert stream.due_in_s > 90
        slow_outlet.unblock()
        assert stream.due_in_s < 7.1  # and from now on it is


# ---- bytes


@looped
async def test_bytes_pass_as_they_come() -> None:
    async with a_stream() as stream:
        stream.outlet.begin(200, b"")
        tap = ByteTap(stream.outlet, stream.reply, 7.0)
        stream.reply.push_to(tap)
        await stream.far.lines[0].say(b"3\r\n\0\xff\n\r\n")
        assert stream.client.body == b"\0\xff\n"
        assert 4 < stream.due_in_s < 7.1
        await stream.far.lines[0].say(b"1\r\nx\r\n0\r\n\r\n")
        assert (stream.client.body, stream.client.endings) == (b"\0\xff\nx", ["close"])
        assert tap.ending.result() is None


@looped
async def test_bytes_that_are_cut_end_nothing_well() -> None:
    async with a_stream() as stream:
        stream.outlet.begin(200, b"")
        tap = ByteTap(stream.outlet, stream.reply, 7.0)
        stream.reply.push_to(tap)
        await stream.far.lines[0].say(b"3\r\nabc\r\n")
        await stream.far.lines[0].hang_up()
        await settled()
        assert tap.ending.result() is Code.UPSTREAM_RESET
        assert stream.client.endings == []
