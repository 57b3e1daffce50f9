"""The scripted vendor keeps to its script, byte by byte, and its journal tells the truth."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

import openai
import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.vendors import openai_wire as wire
from tests.vendors.looped import looped
from tests.vendors.scripted import (
    LAST_CHUNK,
    Close,
    Forever,
    Received,
    Reset,
    Script,
    Send,
    Stall,
    Vendor,
    Wait,
    chunks,
    closed_port,
    response,
    stream_head,
    streamed,
)

ASK = b"POST /v1/x?y=1 HTTP/1.1\r\nHost: v\r\nX-Key: a: b\r\nContent-Length: 5\r\n\r\nhello"


@contextmanager
def calling(vendor: Vendor, ask: bytes = ASK) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", vendor.port), timeout=5)) as caller:
        caller.sendall(ask)
        yield caller


@asynccontextmanager
async def calling_in_loop(
    vendor: Vendor,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", vendor.port)
    writer.write(ASK)
    try:
        yield reader, writer
    finally:
        writer.close()


def all_of(caller: socket.socket) -> bytes:
    return b"".join(iter(lambda: caller.recv(65536), b""))


def test_exact_bytes_are_sent_and_an_orderly_end_follows() -> None:
    with Vendor([Send(b"\x00any\xff"), Close()]) as vendor, calling(vendor) as caller:
        assert all_of(caller) == b"\x00any\xff"


def test_a_reset_is_a_reset() -> None:
    with (
        Vendor([Reset()]) as vendor,
        calling(vendor) as caller,
        pytest.raises(ConnectionResetError),
    ):
        caller.recv(1)


def test_what_was_sent_well_before_a_reset_arrives() -> None:
    script: Script = [Send(b"half"), Wait(0.05), Reset()]
    with Vendor(script) as vendor, calling(vendor) as caller:
        assert caller.recv(4) == b"half"
        with pytest.raises(ConnectionResetError):
            caller.recv(1)


def test_pieces_come_one_by_one() -> None:
    with Vendor([Send(b"abc", piece=1, gap_s=3600)]) as vendor, calling(vendor) as caller:
        assert caller.recv(10) == b"a"


def test_all_pieces_come() -> None:
    with Vendor([Send(b"abc" * 99, piece=2), Close()]) as vendor, calling(vendor) as caller:
        assert all_of(caller) == b"abc" * 99


def test_scripts_are_played_in_order_and_the_last_again() -> None:
    scripts: list[Script] = [[Send(response(429))], [Send(response(200))]]
    with Vendor(*scripts) as vendor, calling(vendor) as caller:
        seen = []
        for _ in range(3):
            seen.append(caller.recv(1000).split()[1])
            caller.sendall(ASK)
    assert seen == [b"429", b"200", b"200"]


def test_a_script_can_be_chosen_by_the_request() -> None:
    def choose(request: Received) -> Script:
        return [Send(request.body), Close()]

    with Vendor(choose=choose) as vendor, calling(vendor) as caller:
        assert all_of(caller) == b"hello"


def test_the_journal_has_the_request_as_it_came() -> None:
    before = time.monotonic()
    with Vendor([Send(response())]) as vendor, calling(vendor) as caller:
        caller.recv(1)
        [entry] = vendor.journal
    assert (entry.method, entry.path, entry.body) == ("POST", "/v1/x?y=1", b"hello")
    assert entry.headers == [("host", "v"), ("x-key", "a: b"), ("content-length", "5")]
    assert entry.header("x-key") == "a: b"
    assert before < entry.at < time.monotonic()


def test_a_chunked_request_is_read_to_its_end() -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    ask = head + chunks(b"hello world", 4) + LAST_CHUNK
    with Vendor([Send(response())]) as vendor, calling(vendor, ask) as caller:
        caller.recv(1)
        assert vendor.journal[0].body == b"hello world"


def test_requests_on_one_connection_share_its_number() -> None:
    with Vendor([Send(response())]) as vendor:
        with calling(vendor, ASK + ASK) as caller:
            while len(vendor.journal) < 2:
                assert caller.recv(1000)
        with calling(vendor) as caller:
            caller.recv(1000)
        assert [entry.connection for entry in vendor.journal] == [0, 0, 1]
        assert vendor.connections == 2


@looped
async def test_a_client_that_leaves_a_stall_is_seen_at_once() -> None:
    async with Vendor([Send(b"some"), Stall()]) as vendor:
        async with calling_in_loop(vendor) as (reader, _):
            await reader.readexactly(4)
            assert vendor.journal[0].left_at is None
            left = time.monotonic()
        assert 0 <= await vendor.journal[0].client_left() - left < 1
        assert vendor.open_connections == 0


@looped
async def test_an_endless_answer_ends_when_the_client_leaves() -> None:
    async with Vendor([Forever(b"x" * 65536)]) as vendor:
        async with calling_in_loop(vendor) as (reader, _):
            await reader.readexactly(1 << 20)
        assert await vendor.journal[0].client_left() > 0


@looped
async def test_who_leaves_after_the_script_has_not_left_early() -> None:
    async with Vendor([Send(response())]) as vendor:
        async with calling_in_loop(vendor) as (reader, _):
            await reader.readuntil(b"{}")
        with pytest.raises(TimeoutError):
            await vendor.journal[0].client_left(within_s=1)


@looped
async def test_a_vendor_that_hangs_up_has_lost_no_client() -> None:
    async with Vendor([Close()]) as vendor, calling_in_loop(vendor) as (reader, _):
        assert await reader.read() == b""
        assert vendor.journal[0].left_at is None


@looped
async def test_a_vendor_goes_home_in_the_middle_of_a_stall() -> None:
    async with Vendor([Send(b"x"), Stall()]) as vendor, calling_in_loop(vendor) as (reader, _):
        await reader.readexactly(1)
    assert vendor.journal[0].left_at is None
    assert vendor.journal[0].over.is_set()


def test_a_greeting_comes_before_any_request() -> None:
    with Vendor([Close()], greeting=[Send(b"SSH-2.0"), Close()]) as vendor:
        with calling(vendor, b"") as caller:
            assert all_of(caller) == b"SSH-2.0"
        assert vendor.journal == []


def test_a_vendor_needs_something_to_play() -> None:
    with pytest.raises(ValueError, match="scripts"):
        Vendor()


def test_nobody_listens_at_a_closed_port() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", closed_port()), timeout=5)


def test_with_tls_plain_words_get_no_answer() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # no certificate: every handshake fails
    with Vendor([Send(response())], tls=context) as vendor, calling(vendor) as caller:
        assert vendor.url.startswith("https://")
        assert b"200" not in all_of(caller)
        assert vendor.journal == []


# ---- the bytes


def client(vendor: Vendor) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{vendor.url}/v1", api_key="k", max_retries=0)


def test_whole_answers_are_of_openai_s_types() -> None:
    calls = [wire.tool_call()]
    ChatCompletion.model_validate_json(wire.chat_body(), strict=True)
    ChatCompletion.model_validate_json(
        wire.chat_body(calls=calls, finish="tool_calls"), strict=True
    )
    Completion.model_validate_json(wire.completion_body(), strict=True)
    CreateEmbeddingResponse.model_validate_json(wire.embeddings_body([0.5], [1.0]), strict=True)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("comment", [b"", b" ping"])
def test_a_stream_reads_the_same_however_it_is_spelled(newline: bytes, comment: bytes) -> None:
    events = wire.chat_events(used=wire.usage())
    spelled = b"".join(wire.respelled(events, newline=newline, comment=comment))
    answer = stream_head() + chunks(spelled, 7) + LAST_CHUNK
    with Vendor([Send(answer)]) as vendor, client(vendor) as caller:
        seen: list[ChatCompletionChunk] = list(
            caller.chat.completions.create(model="m", messages=[], stream=True)
        )
    told = [chunk.choices[0].delta.content for chunk in seen if chunk.choices]
    assert told == ["", "Hello", " there", ".", None]
    assert seen[-1].usage is not None


def test_a_completion_is_streamed_as_openai_does() -> None:
    with Vendor([Send(streamed(*wire.completion_events()))]) as vendor, client(vendor) as caller:
        seen = list(caller.completions.create(model="m", prompt="p", stream=True))
    assert [chunk.choices[0].text for chunk in seen] == ["Hello", " there", ".", ""]
    assert seen[-1].choices[0].finish_reason == "stop"


def test_an_error_is_read_as_one() -> None:
    body = wire.error_body("too many", type="requests", code="rate_limit_exceeded")
    with (
        Vendor([Send(response(429, body))]) as vendor,
        client(vendor) as caller,
        pytest.raises(openai.RateLimitError) as raised,
    ):
        caller.models.list()
    assert raised.value.code == "rate_limit_exceeded"


def test_pieces_are_the_whole() -> None:
    assert wire.pieces(b"abcdef", 4, 1) == [b"a", b"bcd", b"ef"]
