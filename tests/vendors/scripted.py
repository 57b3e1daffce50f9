"""A vendor that does as it is told, byte by byte, and keeps a journal of what it was asked.

A real server on loopback. A script is a list of steps, played once for each request:

    with Vendor([Send(response(429))], [Send(response(200, chat_body()))]) as vendor:
        ... vendor.url ... vendor.journal[0].body

`async with` runs it in the loop at hand, `with` in a thread of its own. It knows HTTP only as far
as to tell where a request ends; what it answers is in the steps.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Self, cast

# ---- steps


@dataclass(frozen=True, slots=True)
class Send:
    data: bytes
    piece: int | None = None  # bytes of one write; None: all at once
    gap_s: float = 0.0  # between two pieces; without one the reader may see some at once


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing more is said; the connection stays open until the client leaves."""


@dataclass(frozen=True, slots=True)
class Forever:
    """The same bytes again and again, as fast as the client reads, until it leaves."""

    data: bytes
    gap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Close:
    """An orderly end of the connection (FIN), whatever was promised."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A hard end (RST). What was sent just before may be lost with it, as on a real network."""


Step = Send | Wait | Stall | Forever | Close | Reset
Script = Sequence[Step]


# ---- bytes for the steps


def response(
    status: int = 200,
    body: bytes = b"{}",
    headers: bytes = b"content-type: application/json\r\n",
) -> bytes:
    """A whole answer. headers are ready lines; the length is added."""
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (_status_line(status), headers, len(body), body)


def stream_head(
    status: int = 200, headers: bytes = b"content-type: text/event-stream\r\n"
) -> bytes:
    """The head of an answer in chunks."""
    return b"%b%btransfer-encoding: chunked\r\n\r\n" % (_status_line(status), headers)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunks(data: bytes, size: int) -> bytes:
    """data in chunks of at most that size; LAST_CHUNK is not among them."""
    return b"".join(chunk(data[at : at + size]) for at in range(0, len(data), size))


LAST_CHUNK: Final = b"0\r\n\r\n"


def streamed(*events: bytes) -> bytes:
    """A whole stream of events, a chunk each, well ended."""
    return stream_head() + b"".join(map(chunk, events)) + LAST_CHUNK


def closed_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _status_line(status: int) -> bytes:
    with contextlib.suppress(ValueError):
        return b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())
    return b"HTTP/1.1 %d Odd\r\n" % status


# ---- the journal


@dataclass(slots=True, eq=False)
class Received:
    """One request, and what became of its client."""

    method: str
    path: str  # with the query
    headers: list[tuple[str, str]]  # names in lower case, in the order they came
    body: bytes
    at: float  # monotonic seconds, once it was read
    connection: int  # counted from 0: the same number, the same connection
    left_at: float | None = None  # when the client left before the script was over
    over: threading.Event = field(default_factory=threading.Event)  # played, or the client left

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    async def client_left(self, within_s: float = 5.0) -> float:
        """When the client left early. Raises TimeoutError if it does not."""
        await asyncio.to_thread(self.over.wait, within_s)
        if self.left_at is None:
            raise TimeoutError(f"the client of {self.path} has not left early")
        return self.left_at


# ---- the vendor


class Vendor:
    """Plays one script a request, in the order given; the last is played again for all others."""

    def __init__(
        self,
        *scripts: Script,
        choose: Callable[[Received], Script] | None = None,
        greeting: Script = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """choose: the script for a request, instead of a list of them.
        greeting: played on each connection before anything is read."""
        if bool(scripts) == (choose is not None):
            raise ValueError("give scripts, or what chooses them")
        self._scripts = scripts
        self._choose = choose
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] = lambda: None
        self._open: set[_Connection] = set()
        self.greeting = greeting
        self.connections = 0  # so far
        self.journal: list[Received] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def script(self, request: Received) -> Script:
        """What is played for a request that has just been read; it is in the journal from now."""
        self.journal.append(request)
        if self._choose is not None:
            return self._choose(request)
        return self._scripts[min(len(self.journal), len(self._scripts)) - 1]

    # ---- in the loop at hand

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        playing = [connection.end() for connection in list(self._open)]
        await asyncio.gather(*[task for task in playing if task], return_exceptions=True)

    def _accept(self) -> "_Connection":
        connection = _Connection(self, self.connections, self._open)
        self.connections += 1
        return connection

    # ---- in a thread of its own

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(ready),), daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise TimeoutError("the vendor did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        if self._thread is not None:
            self._thread.join(10)

    async def _run(self, ready: threading.Event) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        async with self:
            ready.set()
            await stopped.wait()


class _Connection(asyncio.Protocol):
    """Requests one after the other, each answered by its script."""

    def __init__(self, vendor: Vendor, number: int, among: "set[_Connection]") -> None:
        self._vendor = vendor
        self._number = number
        self._among = among
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)  # until made
        self._read = bytearray()
        self._news = asyncio.Event()  # bytes came
        self._room = asyncio.Event()  # the client reads
        self._room.set()
        self._playing: Received | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._among.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._read += data
        self._news.set()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def eof_received(self) -> None:
        self._left()

    def connection_lost(self, exc: Exception | None) -> None:
        self._left()
        self._among.discard(self)
        if self._task is not None:
            self._task.cancel()

    def end(self) -> asyncio.Task[None] | None:
        """The vendor goes home: no client has left."""
        self._over()
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()
        return self._task

    def _left(self) -> None:
        if self._playing is not None:
            self._playing.left_at = time.monotonic()
        self._over()

    def _over(self) -> None:
        played, self._playing = self._playing, None
        if played is not None:
            played.over.set()

    # ---- one request after the other

    async def _serve(self) -> None:
        await self._play(self._vendor.greeting)
        while not self._transport.is_closing():
            request = await self._request()
            self._playing = request
            await self._play(self._vendor.script(request))
            self._over()

    async def _play(self, script: Script) -> None:
        for step in script:
            if self._transport.is_closing():
                return
            await self._step(step)

    def _step(self, step: Step) -> Coroutine[object, object, None]:
        match step:
            case Send(data, piece, gap_s):
                return self._send(data, piece or max(1, len(data)), gap_s)
            case Wait(seconds):
                return asyncio.sleep(seconds)
            case Stall():
                return self._stall()
            case Forever(data, gap_s):
                return self._repeat(data, gap_s)
            case Close():
                return self._close(hard=False)
            case Reset():
                return self._close(hard=True)

    async def _send(self, data: bytes, piece: int, gap_s: float) -> None:
        for at in range(0, len(data), piece):
            self._transport.write(data[at : at + piece])
            await asyncio.sleep(gap_s)
            await self._room.wait()

    async def _repeat(self, data: bytes, gap_s: float) -> None:
        while not self._transport.is_closing():
            await self._send(data, max(1, len(data)), gap_s)

    async def _stall(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def _close(self, *, hard: bool) -> None:
        self._over()  # it is the vendor who leaves
        if hard:
            # No lingering: the kernel throws away what is unsent and says RST (socket(7)).
            plain = self._transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()

    # ---- reading

    async def _request(self) -> Received:
        head = (await self._until(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        headers = [(name.lower(), value.strip()) for name, _, value in pairs]
        body = await self._body(dict(headers))
        return Received(method, path, headers, body, time.monotonic(), self._number)

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await self._exactly(int(headers.get("content-length", "0")))
        parts = []
        while size := int(await self._until(b"\r\n"), 16):
            parts.append(await self._exactly(size))
            await self._until(b"\r\n")
        await self._until(b"\r\n")
        return b"".join(parts)

    async def _until(self, end: bytes) -> bytes:
        while (at := self._read.find(end)) < 0:
            await self._more()
        return await self._exactly(at + len(end))

    async def _exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            await self._more()
        taken = bytes(self._read[:size])
        del self._read[:size]
        return taken

    async def _more(self) -> None:
        self._news.clear()
        await self._news.wait()
