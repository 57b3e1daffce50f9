"""The far end of a pool's connections, in a test's own hands, in the loop that serves."""

import asyncio
import functools
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from typing import ParamSpec, Self

import uvloop

from gateway.sweep import Sweep
from gateway.upstream.connection import Connection
from gateway.upstream.pool import Pool, Timeouts, WireRequest
from gateway.upstream.reply import Reply

P = ParamSpec("P")

LIMIT_S = 20.0  # for a test that waits for what never comes
PATIENT = Timeouts(connect_s=5, first_content_s=5, idle_s=5, total_s=5)
REQUEST = WireRequest(b"GET / HTTP/1.1\r\nhost: far\r\n\r\n", b"")
HI = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


def looped(test: Callable[P, Coroutine[object, object, None]]) -> Callable[P, None]:
    """Each test in a loop of its own, of the kind that the gateway runs in."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(asyncio.wait_for(test(*args, **kwargs), LIMIT_S))

    return run


class Line:
    """One connection, seen from the backend."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """The head of the next request."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def read(self, size: int) -> bytes:
        return await self._reader.readexactly(size)

    async def left(self) -> bytes:
        """What still comes until the gateway hangs up; it must."""
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""

    async def say(self, *parts: bytes) -> None:
        """Each part in a read of its own."""
        for part in parts:
            if not self.writer.is_closing():
                self.writer.write(part)
            await settled()

    async def hang_up(self) -> None:
        self.writer.close()
        await settled()

    async def reset(self) -> None:
        """A hard end: without lingering the kernel says RST (socket(7))."""
        plain = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        await settled()


class Far:
    """A pool and the other end of all its connections."""

    def __init__(self, max_in_flight: int = 8, tick_s: float = 0.01) -> None:
        self.sweep = Sweep(tick_s)
        self.pool = Pool(self.dial, max_in_flight=max_in_flight, sweep=self.sweep)
        self.lines: list[Line] = []
        self._come = asyncio.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.pool.close()
        for line in self.lines:
            line.writer.close()
        self._listener.close()
        await settled()

    async def dial(self, factory: Callable[[], Connection]) -> object:
        ours = socket.create_connection(self._listener.getsockname())
        theirs, _ = self._listener.accept()
        ours.setblocking(False)
        line = Line(*await asyncio.open_connection(sock=theirs))
        made = await asyncio.get_running_loop().create_connection(factory, sock=ours)
        async with self._come:
            self.lines.append(line)
            self._come.notify_all()
        return made

    async def line(self, number: int = 0) -> Line:
        """The connection with this number, once it has come."""
        async with self._come:
            await self._come.wait_for(lambda: len(self.lines) > number)
        return self.lines[number]

    def asks(
        self, request: WireRequest = REQUEST, timeouts: Timeouts = PATIENT, within_s: float = 10
    ) -> asyncio.Task[Reply]:
        """A request on its way; its answer's head is the result."""
        deadline_at = time.monotonic() + within_s
        return asyncio.create_task(self.pool.send(request, timeouts, deadline_at))

    async def answered(self, *parts: bytes, number: int = 0) -> Reply:
        """A request, sent and answered so on the connection with this number."""
        asking = self.asks()
        line = await self.line(number)
        await line.request()
        await line.say(*parts)
        return await asking

    async def check_nothing_left(self) -> None:
        """No place taken, nobody waits, no connection is watched or open."""
        await settled()
        assert (self.pool.in_flight, self.pool.queued) == (0, 0)
        assert len(self.sweep) == 0
        for line in self.lines:
            await line.left()


async def settled() -> None:
    """All that was written has been read, and what follows from it has happened."""
    for _ in range(10):
        await asyncio.sleep(0)
