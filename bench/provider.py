"""A provider that costs next to nothing: answers are baked beforehand, chunks bear their time.

It plays what it is told on stdin, a line of JSON each (Play), and answers with the counts of what
it saw until then, from which it is known whether a target does its work. It ends with its stdin.
Source of the wire form: OpenAI's API reference, /v1/chat/completions.
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections import deque
from typing import Final, cast

import httptools
import msgspec
import uvloop

from bench.scenarios import CHUNKS, PROVIDER_KEY, PROVIDER_MODEL

ANSWER: Final = "The capital of France is Paris."
STAMP: Final = b"0" * 19  # where the time of sending goes: CLOCK_MONOTONIC, ns
TIMER_S: Final = 0.001  # the finest step of the loop's timers

KEY: Final = f"Bearer {PROVIDER_KEY}\r\n".encode()
MODEL: Final = f'"{PROVIDER_MODEL}"'.encode()


class Play(msgspec.Struct, frozen=True):
    stream: bool
    gap_s: float


class Counts(msgspec.Struct):
    requests: int = 0
    keys: int = 0  # of them, with the provider's key
    models: int = 0  # of them, for the provider's model
    aborted: int = 0  # answers that nobody waited for


# ---- what it says

USAGE: Final = {"prompt_tokens": 29, "completion_tokens": CHUNKS, "total_tokens": 29 + CHUNKS}


def _document(kind: str, choices: object, used: object = None) -> bytes:
    document = {
        "id": "chatcmpl-BenchBenchBenchBenchBench0001",
        "object": kind,
        "created": 1_763_800_000,
        "model": PROVIDER_MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
        "choices": choices,
        "usage": used,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _event(delta: object, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return b"data: %b\n\n" % _document("chat.completion.chunk", [choice])


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: bench\r\n"
    return head + b"content-length: %d\r\n\r\n%b" % (len(body), body)


COMPLETION: Final = _whole(
    _document(
        "chat.completion",
        [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ANSWER, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        USAGE,
    )
)
NOTHING: Final = _whole(b'{"object":"list","data":[]}')  # to whoever only looks whether it is there

OPENING: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\nx-request-id: bench\r\ntransfer-encoding: chunked\r\n\r\n"
    + _framed(_event({"role": "assistant", "content": ""}))
)
CHUNK: Final = _framed(_event({"content": f"t{STAMP.decode()} "}))
BEFORE, AFTER = CHUNK.split(STAMP)
ENDING: Final = (
    _framed(_event({}, "stop"))
    + _framed(b"data: %b\n\n" % _document("chat.completion.chunk", [], USAGE))
    + _framed(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)
BURST: Final = OPENING + CHUNK * CHUNKS + ENDING


# ---- how it says it


class Provider:
    """What is played, and what was seen."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.play(Play(stream=False, gap_s=0.0))

    def play(self, play: Play) -> None:
        self.stream = play.stream
        self.metronome = Metronome(play.gap_s) if play.gap_s else None
        self.counts = Counts()

    def saw(self, request: bytes) -> None:
        self.counts.requests += 1
        self.counts.keys += KEY in request
        self.counts.models += MODEL in request


class Connection(asyncio.Protocol):
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._parser = httptools.HttpRequestParser(self)
        self._reads: list[bytes] = []  # of the request that is coming in
        self._chunks_left = 0  # of the stream that is going out

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own, which does not descend from asyncio's
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(
            high=0
        )  # write at once: the time in a chunk is true

    def data_received(self, data: bytes) -> None:
        self._reads.append(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_complete(self) -> None:
        request = b"".join(self._reads)
        self._reads.clear()
        provider = self._provider
        if not request.startswith(b"POST"):
            self._transport.write(NOTHING)
            return
        provider.saw(request)
        if not provider.stream:
            self._transport.write(COMPLETION)
        elif provider.metronome is None:
            self._transport.write(BURST.replace(STAMP, _now()))
        else:
            self._transport.write(OPENING)
            self._chunks_left = CHUNKS
            provider.metronome.add(self)

    def beat(self) -> bool:
        """Sends the next chunk; whether there are more."""
        if not self._chunks_left:  # nobody waits for them
            return False
        self._chunks_left -= 1
        last = b"" if self._chunks_left else ENDING
        self._transport.write(b"".join((BEFORE, _now(), AFTER, last)))
        return bool(self._chunks_left)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._chunks_left:
            self._chunks_left = 0
            self._provider.counts.aborted += 1


class Metronome:
    """Keeps the pace of all streams with one timer: equal gaps, so they stay in order."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._due: deque[tuple[float, Connection]] = deque()

    def add(self, connection: Connection) -> None:
        if connection.beat():
            self._due.append((time.monotonic() + self._gap_s, connection))
            if len(self._due) == 1:
                self._sleep(self._gap_s)

    def _sleep(self, wait_s: float) -> None:
        asyncio.get_running_loop().call_later(max(TIMER_S, wait_s), self._tick)

    def _tick(self) -> None:
        due = self._due
        now = time.monotonic()
        while due and due[0][0] <= now:
            at, connection = due.popleft()
            if connection.beat():
                due.append((at + self._gap_s, connection))
        if due:
            self._sleep(due[0][0] - now)


def _now() -> bytes:
    return b"%019d" % time.monotonic_ns()


# ---- the part that is started


def main(port: int) -> int:
    gc.disable()  # it makes no cycles, and must not pause
    uvloop.run(_serve(port))
    return 0


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    provider = Provider()
    server = await loop.create_server(
        lambda: Connection(provider), "127.0.0.1", port, backlog=1024, reuse_address=True
    )
    ended = asyncio.Event()

    def told() -> None:
        said = os.read(sys.stdin.fileno(), 65536)
        if not said:
            loop.remove_reader(sys.stdin.fileno())
            ended.set()
            return
        print(msgspec.json.encode(provider.counts).decode(), flush=True)
        provider.play(msgspec.json.decode(said, type=Play))

    loop.add_reader(sys.stdin.fileno(), told)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
