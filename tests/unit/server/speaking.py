"""A listening socket with a small door behind it, and clients that speak raw bytes to it.

The loop is the one that serves in production; a wait of the connection is looked at every 10 ms.
"""

import asyncio
import functools
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Final, ParamSpec, cast

import uvloop

from gateway.errors import Code, GatewayError
from gateway.server.body import Body
from gateway.server.connection import Listening, Settings
from gateway.server.outlet import Outlet
from gateway.sweep import Sweep
from gateway.wire.http import RequestHead
from tests.http_answers import Answer, answers, first

P = ParamSpec("P")
LIMIT_S: Final = 30.0
HOST: Final = b"host: gateway\r\n"
PATIENT: Final = Settings()


def looped(test: Callable[P, Coroutine[object, object, None]]) -> Callable[P, None]:
    """In a loop of its own, and never for ever. What the loop complains of fails the test."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        complaints: list[object] = []

        async def watched() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: complaints.append(context))
            await asyncio.wait_for(test(*args, **kwargs), LIMIT_S)

        uvloop.run(watched())
        assert complaints == []

    return run


def get(path: str, headers: bytes = b"", *, method: str = "GET", version: str = "1.1") -> bytes:
    return b"%b %b HTTP/%b\r\n%b%b\r\n" % (
        method.encode(), path.encode(), version.encode(), HOST, headers,
    )  # fmt: skip


def post(path: str, body: bytes, headers: bytes = b"", *, version: str = "1.1") -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return get(path, headers + length, method="POST", version=version) + body


def chunked(path: str, *chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    parts = [b"%x\r\n%b\r\n" % (len(data), data) for data in chunks]
    head = get(path, b"transfer-encoding: chunked\r\n", method="POST")
    return head + b"".join(parts) + end


class SmallDoor:
    """Each path is a way to answer. `go` holds back those that wait."""

    def __init__(self) -> None:
        self.heads: list[RequestHead] = []
        self.answered: list[str] = []  # what was answered, by path
        self.left: list[str] = []  # whose client had gone
        self.refused: list[GatewayError] = []
        self.go = asyncio.Event()

    def admit(self, head: RequestHead) -> "SmallRequest":
        self.heads.append(head)
        path = head.path.decode()
        if path == "/surprise":
            raise ZeroDivisionError
        if path.startswith("/no"):
            raise GatewayError(Code.NOT_FOUND, "no such path")
        return SmallRequest(self, path)

    def refuse(self, head: RequestHead | None, error: GatewayError, outlet: Outlet) -> None:
        self.refused.append(error)
        outlet.whole(error.status, b"x-code: %b\r\n" % error.code.value.encode(), b"{}")


class SmallRequest:
    max_body_bytes = 1 << 20
    current = True

    def __init__(self, door: SmallDoor, path: str) -> None:
        self._door = door
        self._path = path
        self.buffered = not path.startswith("/upload")

    async def answer(self, body: bytes | Body, outlet: Outlet) -> None:
        try:
            await getattr(self, self._path[1:].partition("/")[0])(body, outlet)
            self._door.answered.append(self._path)
        except GatewayError as error:
            self._door.refuse(None, error, outlet)
        except asyncio.CancelledError:
            self._door.left.append(self._path)
            if outlet.reason is not None and not outlet.finished:
                self._door.refuse(None, outlet.reason, outlet)
            raise

    async def echo(self, body: bytes, outlet: Outlet) -> None:
        outlet.whole(200, b"", body)

    async def length(self, body: bytes, outlet: Outlet) -> None:
        outlet.whole(200, b"", b"%d" % len(body))

    async def slow(self, body: bytes, outlet: Outlet) -> None:
        await self._door.go.wait()
        outlet.whole(200, b"", b"at last")

    async def big(self, body: bytes, outlet: Outlet) -> None:
        outlet.whole(200, b"", b"b" * (8 << 20))

    async def stream(self, body: bytes, outlet: Outlet) -> None:
        outlet.begin(200, b"")
        outlet.push(b"one ")
        outlet.push(b"two")
        outlet.end()

    async def events(self, body: bytes, outlet: Outlet) -> None:
        outlet.begin(200, b"")
        outlet.events = True
        outlet.push(b"data: 1\n\n")
        await self._door.go.wait()
        outlet.end(b"data: 2\n\n")

    async def parts(self, body: bytes, outlet: Outlet) -> None:
        outlet.begin(200, b"")
        outlet.push(b"one ")
        await self._door.go.wait()
        outlet.end(b"two")

    async def flood(self, body: bytes, outlet: Outlet) -> None:
        outlet.begin(200, b"")
        while True:
            outlet.push(b"f" * (32 << 10))
            await asyncio.sleep(0)
            await outlet.drained()

    async def upload(self, body: Body, outlet: Outlet) -> None:
        size = 0
        async for data in body.chunks():
            size += len(data)
        outlet.whole(200, b"", b"%d" % size)

    async def upload_held(self, body: Body, outlet: Outlet) -> None:
        await self._door.go.wait()
        await self.upload(body, outlet)

    async def upload_ignored(self, body: Body, outlet: Outlet) -> None:
        outlet.whole(200, b"", b"no thanks")


class Client:
    """One connection. What it has read is in `read`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.read = b""

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def half_close(self) -> None:
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def stop_reading(self) -> None:
        """Nothing is taken from the socket any more, so that the server feels it."""
        cast("asyncio.Transport", self._writer.transport).pause_reading()

    async def until(self, enough: bytes) -> bytes:
        while enough not in self.read:
            data = await self._reader.read(65536)
            assert data, f"closed before {enough!r} came: {self.read[-300:]!r}"
            self.read += data
        return self.read

    async def answer(self, method: str = "GET") -> Answer:
        """The next final answer, by its framing; what follows it stays to be read."""
        while True:
            while b"\r\n\r\n" in self.read:
                answer, rest = first(self.read, method)
                if not answer.ended:
                    break
                self.read = rest
                if answer.status >= 200:
                    return answer
            data = await self._reader.read(65536)
            assert data, f"closed before the answer was whole: {self.read[-300:]!r}"
            self.read += data

    async def rest(self, methods: tuple[str, ...] = ()) -> list[Answer]:
        """All that comes until the server closes."""
        self.read += await self._reader.read()
        found = answers(self.read, methods)
        self.read = b""
        return found

    async def closed(self) -> bytes:
        """All that comes until the server closes, however it does."""
        try:
            while data := await self._reader.read(65536):
                self.read += data
        except ConnectionError:
            pass
        return self.read


class Listened:
    """A listening socket, whatever door is behind it."""

    def __init__(self, listening: Listening, port: int) -> None:
        self.listening = listening
        self.port = port
        self._clients: list[Client] = []

    async def connect(self, data: bytes = b"") -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        client.send(data)
        return client

    async def ask(self, data: bytes, methods: tuple[str, ...] = ()) -> list[Answer]:
        """All answers to data on a connection that the server is to close."""
        return await (await self.connect(data)).rest(methods)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110 - counts of another task
                await asyncio.sleep(0.005)

    async def until_empty(self) -> None:
        await self.until(lambda: not self.listening.connections)

    def hang_up(self) -> None:
        for client in self._clients:
            client.close()


class Served(Listened):
    def __init__(self, door: SmallDoor, listening: Listening, port: int) -> None:
        super().__init__(listening, port)
        self.door = door


@asynccontextmanager
async def listened(listening: Listening) -> AsyncIterator[int]:
    """The port of a listening socket, for as long as the block lasts."""
    server = await asyncio.get_running_loop().create_server(listening, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def serving(
    settings: Settings = PATIENT, *, max_connections: int = 100
) -> AsyncIterator[Served]:
    """Leaving the block wants every connection to be gone once the clients are."""
    door = SmallDoor()
    listening = Listening(door, settings, max_connections, Sweep(tick_s=0.01))
    async with listened(listening) as port:
        served = Served(door, listening, port)
        try:
            yield served
        finally:
            served.hang_up()
            await served.until_empty()
    assert len(listening.sweep) == 0
