"""Bodies pass through and are not kept: memory stays flat, whoever sends much or reads nothing."""

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Final

import pytest

from tests.harness import KEY, Gateway, config_for, until
from tests.journeys.traffic import (
    Client,
    chat,
    connected,
    fds,
    forget_peak,
    many,
    paced,
    peak_bytes,
    scraped,
    words,
)
from tests.vendors.looped import looped
from tests.vendors.openai_wire import DONE, chat_chunk, event
from tests.vendors.scripted import LAST_CHUNK, Send, Vendor, chunk, response, stream_head

MB: Final = 1 << 20
AUDIO_MB: Final = 64
PIECE: Final = bytes(range(256)) * 256  # 64 KiB
READERS: Final = 8
ANSWER_MB: Final = 20  # more than the system's own buffers hold on the way: 6 + 4 MB
# What is unsent (64 KiB), one read of the backend beyond it (32 KiB), and that as a chunk.
PER_READER: Final = 256 * 1024


# ---- uploads


def form(*, model_first: bool) -> Iterator[bytes]:
    """A form of AUDIO_MB of audio and a model's name."""
    model = b'--line\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n'
    if model_first:
        yield model
    yield b'--line\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    for _ in range(AUDIO_MB * MB // len(PIECE)):
        yield PIECE
    yield b"\r\n"
    if not model_first:
        yield model
    yield b"--line--\r\n"


async def upload(client: Client, *, model_first: bool, chunked: bool) -> None:
    length = sum(map(len, form(model_first=model_first)))
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {length}"
    client.writer.write(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\n"
        "content-type: multipart/form-data; boundary=line\r\n"
        f"authorization: Bearer {KEY}\r\n{framing}\r\n\r\n".encode()
    )
    for part in form(model_first=model_first):
        client.writer.write(chunk(part) if chunked else part)
        await client.writer.drain()
    if chunked:
        client.writer.write(LAST_CHUNK)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("model_first", [True, False], ids=["model_first", "model_last"])
@looped
async def test_an_upload_passes_through_and_is_not_kept(model_first: bool, chunked: bool) -> None:
    expected = hashlib.sha256()
    for part in form(model_first=model_first):
        expected.update(part.replace(b"\r\n\r\nm\r\n", b"\r\n\r\nreal-model\r\n"))
    with (
        Vendor([Send(response(200, b'{"text":"hi"}'))]) as vendor,
        Gateway(config_for(vendor.url)) as gateway,
    ):
        forget_peak(gateway)
        before = gateway.rss_bytes()
        async with connected(gateway) as client:
            await upload(client, model_first=model_first, chunked=chunked)
            answer = await client.answer()
        assert (answer.status, answer.body) == (200, b'{"text":"hi"}')
        assert hashlib.sha256(vendor.journal[0].body).digest() == expected.digest()
        assert peak_bytes(gateway) - before < 16 * MB


# ---- answers


def long_answer() -> bytes:
    """A stream of ANSWER_MB, in events of 4 kB."""
    one = event(chat_chunk({"content": "x" * 4000}))
    body = one * (ANSWER_MB * MB // len(one))
    return body + event(chat_chunk({}, finish="stop")) + DONE


@looped
async def test_who_does_not_read_is_waited_for_and_gets_it_all() -> None:
    body = long_answer()
    script = [Send(stream_head()), Send(chunk(body), piece=1 << 16), Send(LAST_CHUNK)]
    with Vendor(script) as vendor, Gateway(config_for(vendor.url)) as gateway:
        # Once before: on warm connections an answer is there before anybody waits for it.
        await _stalled(gateway, vendor, READERS)
        forget_peak(gateway)
        before = gateway.rss_bytes()
        digests = await _stalled(gateway, vendor, READERS)
        assert digests == {hashlib.sha256(body).digest()}
        assert peak_bytes(gateway) - before < READERS * PER_READER


async def _stalled(gateway: Gateway, vendor: Vendor, number: int) -> set[bytes]:
    """So many clients that read nothing for a while, then all; what they got, as digests."""
    asked = len(vendor.journal)
    async with many(gateway, number, buffer=8192) as clients:
        for client in clients:
            client.writer.write(chat(stream=True))
        await asyncio.sleep(1.5)
        stalled = vendor.journal[asked:]
        assert len(stalled) == number
        assert not any(request.over.is_set() for request in stalled), "nothing was held back"
        return set(await asyncio.gather(*map(_digest, clients)))


async def _digest(client: Client) -> bytes:
    found = hashlib.sha256()
    await client.head()
    async for part in client.parts():
        found.update(part)
    return found.digest()


# ---- those who leave


@looped
async def test_five_hundred_cut_connections_leave_nothing_behind() -> None:
    with Vendor(paced(words(100), 0.1)) as vendor, Gateway(config_for(vendor.url)) as gateway:
        await _cut(gateway, vendor, 100)  # what is needed once: buffers, tables, slots
        files, memory = fds(gateway), gateway.rss_bytes()
        for _ in range(5):
            await _cut(gateway, vendor, 100)
        assert fds(gateway) <= files
        assert gateway.rss_bytes() - memory < 4 * MB
        told = scraped(gateway)
    assert told["gateway_open_exchanges"] == 0
    assert told["gateway_open_streams"] == 0
    assert told["gateway_open_connections"] == 0
    assert told['gateway_backend_inflight{backend="up"}'] == 0
    cancelled = 'gateway_requests_total{model="m",operation="chat",status_class="cancelled"}'
    assert told[cancelled] == 600


async def _cut(gateway: Gateway, vendor: Vendor, number: int) -> None:
    """So many streams left in the middle, without a word; the backend learns it."""
    async with many(gateway, number) as clients:
        for client in clients:
            client.writer.write(chat(stream=True))
        for client in clients:
            await client.head()
    until(lambda: vendor.open_connections == 0, 10, f"{vendor.open_connections} go on")
