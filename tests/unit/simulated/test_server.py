"""The simulated vendor over real sockets, asked by the vendors' own clients; its faults bite."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anthropic
import openai
import pytest
import uvloop
from openai.types.chat import ChatCompletionUserMessageParam

from gateway.config.schema import Simulated
from gateway.simulated.server import factory, serve
from tests.vendors.looped import looped

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "hello"}]
QUICK: dict[str, float] = {"first_content_s": 0, "tokens_per_second": 0}


class Caller:
    """Both vendors' clients, pointed at one simulated vendor."""

    def __init__(self, port: int) -> None:
        self.port = port
        base = f"http://127.0.0.1:{port}"
        self.openai = openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0)
        self.anthropic = anthropic.AsyncAnthropic(base_url=base, api_key="k", max_retries=0)

    async def raw(self, ask: bytes) -> bytes:
        """All bytes that come until the vendor closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(ask)
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def simulated(**settings: float | None) -> AsyncIterator[Caller]:
    fields = QUICK | settings
    vendor = factory(Simulated(**fields))  # type: ignore[arg-type]  # fields by name
    server = await asyncio.get_running_loop().create_server(vendor, "127.0.0.1", 0)
    caller = Caller(server.sockets[0].getsockname()[1])
    try:
        yield caller
    finally:
        await caller.openai.close()
        await caller.anthropic.close()
        server.close()
        for connection in list(vendor.connections):
            connection.abort()
        await asyncio.sleep(0)


def post(path: bytes, body: bytes, method: bytes = b"POST") -> bytes:
    head = b"%b %b HTTP/1.1\r\nhost: v\r\nconnection: close\r\n" % (method, path)
    return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)


def streaming(**fields: object) -> bytes:
    asked = {"messages": HELLO, "stream": True} | fields
    return post(b"/v1/chat/completions", json.dumps(asked).encode())


async def chat_text(caller: Caller) -> str:
    answer = await caller.openai.chat.completions.create(model="m", messages=HELLO)
    return answer.choices[0].message.content or ""


async def streamed_chat_text(caller: Caller) -> str:
    stream = await caller.openai.chat.completions.create(model="m", messages=HELLO, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def response_text(caller: Caller) -> str:
    return (await caller.openai.responses.create(model="m", input="hello")).output_text


async def streamed_response_text(caller: Caller) -> str:
    async with caller.openai.responses.stream(model="m", input="hello") as stream:
        return (await stream.get_final_response()).output_text


async def message_text(caller: Caller) -> str:
    answer = await caller.anthropic.messages.create(
        model="m", max_tokens=99, messages=[{"role": "user", "content": "hello"}]
    )
    return "".join(block.text for block in answer.content if block.type == "text")


async def streamed_message_text(caller: Caller) -> str:
    async with caller.anthropic.messages.stream(
        model="m", max_tokens=99, messages=[{"role": "user", "content": "hello"}]
    ) as stream:
        return await stream.get_final_text()


ASKED = [
    chat_text,
    streamed_chat_text,
    response_text,
    streamed_response_text,
    message_text,
    streamed_message_text,
]


@pytest.mark.parametrize("ask", ASKED)
@looped
async def test_every_language_streamed_or_not_tells_the_same(
    ask: Callable[[Caller], Awaitable[str]],
) -> None:
    async with simulated(tokens=15) as caller:
        text = await ask(caller)
        assert text.startswith("This is a simulated answer.")
        assert text == await chat_text(caller)


@looped
async def test_completions_are_served_whole_and_streamed() -> None:
    async with simulated() as caller:
        whole = await caller.openai.completions.create(model="m", prompt="hello")
        stream = await caller.openai.completions.create(model="m", prompt="hello", stream=True)
        said = "".join([chunk.choices[0].text async for chunk in stream])
    assert said == whole.choices[0].text
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 64


@looped
async def test_embeddings_are_served_as_base64_and_as_numbers() -> None:
    async with simulated() as caller:
        packed = await caller.openai.embeddings.create(model="m", input=["a", "b"])
        plain = await caller.openai.embeddings.create(
            model="m", input=["a", "b"], encoding_format="float"
        )
    assert [each.embedding for each in packed.data] == [each.embedding for each in plain.data]


@looped
async def test_its_one_model_is_listed() -> None:
    async with simulated() as caller:
        assert [model.id async for model in caller.openai.models.list()] == ["simulated"]


@looped
async def test_every_answer_has_an_id_of_its_own() -> None:
    async with simulated() as caller:
        create = caller.openai.chat.completions.create
        assert len({(await create(model="m", messages=HELLO)).id for _ in range(3)}) == 3


@looped
async def test_the_path_may_do_without_its_version() -> None:
    async with simulated() as caller:
        assert b" 200 OK" in await caller.raw(post(b"/completions", b"{}"))


# ---- refusals


@pytest.mark.parametrize(
    ("ask", "status", "word"),
    [
        (post(b"/v1/nothing", b"{}"), b" 404 ", b"no such path"),
        (post(b"/v1/models", b"{}"), b" 405 ", b"allow: GET"),
        (post(b"/v1/chat/completions", b"", b"GET"), b" 405 ", b"allow: POST"),
        (post(b"/v1/chat/completions", b"{}"), b" 400 ", b"messages"),
        (post(b"/v1/chat/completions", b"{"), b" 400 ", b"invalid_request_error"),
        (post(b"/v1/chat/completions", b'{"messages":"\xff"}'), b" 400 ", b"invalid_request"),
        (post(b"/v1/messages", b'{"messages":[]}'), b" 400 ", b'"type":"error"'),
        (post(b"/v1/messages", b"", b"GET"), b" 405 ", b'"type":"error"'),
    ],
)
@looped
async def test_what_a_vendor_would_refuse_is_refused(
    ask: bytes, status: bytes, word: bytes
) -> None:
    async with simulated() as caller:
        answer = await caller.raw(ask)
    assert status in answer.splitlines()[0]
    assert word in answer


# ---- faults


@looped
async def test_failures_have_their_status_and_wait() -> None:
    async with simulated(fail_ratio=1, fail_status=429, retry_after_s=1.5) as caller:
        with pytest.raises(openai.RateLimitError) as refused:
            await chat_text(caller)
        assert refused.value.code == "rate_limit_exceeded"
        assert refused.value.response.headers["retry-after"] == "2"
        with pytest.raises(anthropic.RateLimitError) as refused_message:
            await message_text(caller)
    assert refused_message.value.response.json()["error"]["type"] == "rate_limit_error"


async def failures(seed: int) -> list[bool]:
    failed = []
    async with simulated(fail_ratio=0.5, seed=seed, tokens=1) as caller:
        for _ in range(40):
            answer = await caller.raw(post(b"/v1/completions", b"{}"))
            failed.append(b" 500 " in answer.splitlines()[0])
    return failed


@looped
async def test_a_share_of_requests_fails_the_same_ones_for_the_same_seed() -> None:
    first = await failures(1)
    assert 8 < sum(first) < 32
    assert first == await failures(1) != await failures(2)


@pytest.mark.parametrize("after", [0, 1, 5, 64])
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_cut_stream_breaks_after_its_tokens_and_before_its_end(
    after: int, run: Callable[[Awaitable[object]], object]
) -> None:
    async def cut() -> None:
        async with simulated(cut_after_tokens=after, tokens=64) as caller:
            answer = await caller.raw(streaming())
            with pytest.raises(openai.APIConnectionError):
                await streamed_chat_text(caller)
        assert answer.count(b'"delta":{"content"') == after
        assert answer.count(b'"role":"assistant"') == 1
        assert b"[DONE]" not in answer
        assert b'finish_reason":"' not in answer
        assert not answer.endswith(b"0\r\n\r\n")

    run(cut())


@looped
async def test_a_cut_whole_answer_is_short_of_what_it_promised() -> None:
    async with simulated(cut_after_tokens=5) as caller:
        answer = await caller.raw(post(b"/v1/completions", b"{}"))
    head, _, body = answer.partition(b"\r\n\r\n")
    [length] = [int(line[16:]) for line in head.splitlines() if line.startswith(b"content-len")]
    assert 0 < len(body) < length


@pytest.mark.parametrize("fault", ["cut_after_tokens", "stall_after_tokens"])
@looped
async def test_a_fault_behind_the_end_does_nothing(fault: str) -> None:
    async with simulated(tokens=8, **{fault: 9}) as caller:
        assert (await chat_text(caller)) == (await streamed_chat_text(caller))


@looped
async def test_a_stalled_stream_stays_open_and_silent() -> None:
    async with simulated(stall_after_tokens=3) as caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", caller.port)
        writer.write(streaming())
        told = b""
        while told.count(b'"delta":{"content":"') < 3:
            told += await reader.read(65536)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        writer.close()
        await writer.wait_closed()
    assert told.count(b'"delta":{"content":"') == 3


@looped
async def test_a_stalled_whole_answer_never_begins() -> None:
    async with simulated(stall_after_tokens=3) as caller:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(caller.raw(post(b"/v1/completions", b"{}")), 0.2)


# ---- pace


@looped
async def test_first_content_and_each_token_are_waited_for() -> None:
    async with simulated(first_content_s=0.1, tokens_per_second=100, tokens=11) as caller:
        began = time.monotonic()
        await chat_text(caller)
        whole_s = time.monotonic() - began
        stream = await caller.openai.chat.completions.create(model="m", messages=HELLO, stream=True)
        first_s = time.monotonic() - began - whole_s
        async for _ in stream:
            pass
        streamed_s = time.monotonic() - began - whole_s
    assert whole_s >= 0.199
    assert first_s >= 0.099
    assert streamed_s >= 0.198


@looped
async def test_a_client_that_reads_slowly_gets_all() -> None:
    async with simulated(tokens=60_000) as caller:  # some 12 MB: more than the kernel buffers
        reader, writer = await asyncio.open_connection("127.0.0.1", caller.port, limit=1024)
        writer.write(streaming())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.count(b'"delta":{"content":"') == 60_000
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


# ---- where it stands


@looped
async def test_it_stands_on_a_socket_of_its_own() -> None:
    server = await serve("127.0.0.1", 0, Simulated(first_content_s=0, tokens=8))
    caller = Caller(server.sockets[0].getsockname()[1])
    assert b" 200 OK" in await caller.raw(post(b"/v1/completions", b"{}"))
    server.close()


@looped
async def test_the_house_reaches_it_over_a_socket_pair() -> None:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    make = factory(Simulated(first_content_s=0, tokens=8))
    await loop.connect_accepted_socket(make, theirs)
    reader, writer = await asyncio.open_connection(sock=ours)
    for _ in range(2):  # kept alive
        ask = post(b"/v1/completions", b"{}").replace(b"connection: close\r\n", b"")
        writer.write(ask)
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [int(x[15:]) for x in head.splitlines() if x.startswith(b"content-length:")]
        answer = json.loads(await reader.readexactly(length))
        assert answer["usage"]["completion_tokens"] == 8
    writer.close()
    await writer.wait_closed()
