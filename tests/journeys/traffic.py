"""Clients of a gateway under test, many at once: plain sockets in the test's own loop, connections
kept alive, answers read strictly. And what /proc says of the gateway.
"""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.harness import KEY, Gateway
from tests.vendors.openai_wire import DONE, chat_events
from tests.vendors.scripted import LAST_CHUNK, Script, Send, Step, Wait, chunk, stream_head

MESSAGES: Final = [{"role": "user", "content": "hi"}]
READ_S: Final = 20.0  # for the next bytes of an answer


class Cut(Exception):
    """The connection ended before the answer did."""


def chat(
    model: str = "m",
    *,
    stream: bool = False,
    key: str = KEY,
    headers: Iterable[str] = (),
    **more: object,
) -> bytes:
    """A request as it stands on the wire."""
    document = {"model": model, "messages": MESSAGES, **more}
    body = json.dumps(document | ({"stream": True} if stream else {})).encode()
    return post("/v1/chat/completions", body, key=key, headers=headers)


def post(
    path: str,
    body: bytes = b"",
    *,
    key: str = KEY,
    kind: str = "application/json",
    headers: Iterable[str] = (),
) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "host: gateway.test",
        f"authorization: Bearer {key}",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        return self.headers.get("x-gateway-model", "")

    @property
    def whole_stream(self) -> bool:
        return self.status == 200 and self.body.endswith(DONE) and b'"error"' not in self.body

    @property
    def code(self) -> str:
        """Of an error, alone or at the end of a stream."""
        last = self.body.strip().rpartition(b"\n")[2].removeprefix(b"data: ")
        document: dict[str, Any] = json.loads(last)
        code: str = document["error"]["code"]
        return code


class Client:
    """One connection. The head of an answer first, then its body, or both at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}

    async def ask(self, request: bytes) -> Answer:
        """Raises Cut."""
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> Answer:
        """What comes next, to its end. Raises Cut."""
        await self.head()
        return await self.rest()

    async def rest(self) -> Answer:
        parts = [part async for part in self.parts()]
        return Answer(self.status, self.headers, b"".join(parts))

    async def head(self) -> None:
        """Raises Cut."""
        text = await self._until(b"\r\n\r\n")
        first, *lines = text.decode().removesuffix("\r\n\r\n").split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes, to its end. Raises Cut."""
        length = self.headers.get("content-length")
        if length is not None:
            yield await self._exactly(int(length))
            return
        while size := int(await self._until(b"\r\n"), 16):
            yield await self._exactly(size)
            await self._exactly(2)
        await self._exactly(2)

    async def closed(self) -> bool:
        """Nothing more comes: the gateway has closed, in order."""
        async with asyncio.timeout(READ_S):
            return await self.reader.read(1) == b""

    def reset(self) -> None:
        """Gone without a word."""
        self.writer.transport.abort()

    async def _until(self, end: bytes) -> bytes:
        try:
            async with asyncio.timeout(READ_S):
                return await self.reader.readuntil(end)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Cut(str(error)) from None

    async def _exactly(self, size: int) -> bytes:
        try:
            async with asyncio.timeout(READ_S):
                return await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Cut(str(error)) from None


@asynccontextmanager
async def connected(gateway: Gateway, *, buffer: int | None = None) -> AsyncIterator[Client]:
    """buffer: bytes that the system takes in ahead of who reads them; None: as it likes."""
    sock = socket.socket()
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", gateway.port))
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def many(
    gateway: Gateway, number: int, *, buffer: int | None = None
) -> AsyncIterator[list[Client]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(connected(gateway, buffer=buffer))
            for _ in range(number)
        ]


async def asked(gateway: Gateway, request: bytes) -> Answer:
    """On a connection of its own."""
    async with connected(gateway) as client:
        return await client.ask(request)


class Steady:
    """So many requests a second, over a few kept connections, until it is told to stop."""

    def __init__(
        self, gateway: Gateway, requests: Sequence[bytes], *, per_second: int, clients: int = 20
    ) -> None:
        self.answers: list[Answer] = []
        self.faults: list[str] = []
        self._gateway = gateway
        self._requests = requests
        self._pause_s = clients / per_second
        self._stop = asyncio.Event()
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(clients)]

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _client(self, number: int) -> None:
        await asyncio.sleep(self._pause_s * number / len(self._requests) % self._pause_s)
        async with connected(self._gateway) as client:
            while not self._stop.is_set():
                request = self._requests[number % len(self._requests)]
                number += 1
                try:
                    self.answers.append(await client.ask(request))
                except (Cut, TimeoutError) as error:
                    self.faults.append(repr(error))
                    return
                await asyncio.sleep(self._pause_s)


def paced(events: Sequence[bytes], gap_s: float) -> Script:
    """A stream of events with a pause before each but the first."""
    steps: list[Step] = [Send(stream_head() + chunk(events[0]))]
    for event in events[1:]:
        steps += [Wait(gap_s), Send(chunk(event))]
    return [*steps, Send(LAST_CHUNK)]


def words(number: int) -> list[bytes]:
    """A stream of so many events with content, and all that belongs to it."""
    return chat_events([f" word{at}" for at in range(number)])


# ---- from outside


def fds(gateway: Gateway) -> int:
    return len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))


def forget_peak(gateway: Gateway) -> None:
    """From now on a new peak is measured (proc(5), clear_refs)."""
    Path(f"/proc/{gateway.pid}/clear_refs").write_text("5")


def peak_bytes(gateway: Gateway) -> int:
    """The most memory that was resident since."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{gateway.pid}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


def scraped(gateway: Gateway) -> dict[str, float]:
    """All samples, by name and labels as they are written; not older than this moment."""
    time.sleep(1.1)  # a scrape is kept for a second
    lines = gateway.get("/metrics", admin=True)[1].decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}
