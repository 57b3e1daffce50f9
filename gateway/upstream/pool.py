"""The way out to one backend: its places, its connections, a request sent and its head in hand.

The connection used last is used next (LIFO), so that the rest may go idle and close. A backend
never has more requests in flight than its config allows, and nobody waits long for a place.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import Code
from gateway.sweep import Sweep
from gateway.upstream.connection import Connection
from gateway.upstream.reply import Reply, UpstreamDown
from gateway.wire.http import LAST_CHUNK, chunk

IDLE_S: Final = 50.0  # less than servers keep: 75 s nginx, 60 s most load balancers
MAX_QUEUED: Final = 128
MAX_WAIT_S: Final = 1.0

Dial = Callable[[Callable[[], Connection]], Awaitable[object]]  # opens a transport for a protocol


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds a step may take."""

    connect_s: float
    first_content_s: float
    idle_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class WireRequest:
    """Bytes ready for a socket."""

    head: bytes = field(repr=False)  # up to and with the blank line; holds the credential
    body: bytes | AsyncIterator[bytes] = field(repr=False)
    chunked: bool = False  # the body comes in parts of unknown length


def tcp(host: str, port: int, context: ssl.SSLContext | None) -> Dial:
    """Dials by name: each new connection resolves anew and tries the addresses in turn."""

    async def dial(factory: Callable[[], Connection]) -> object:
        return await asyncio.get_running_loop().create_connection(
            factory, host, port, ssl=context, server_hostname=host if context else None
        )

    return dial


class Pool:
    def __init__(self, dial: Dial, *, max_in_flight: int, sweep: Sweep) -> None:
        self._dial = dial
        self._sweep = sweep
        self._idle: deque[Connection] = deque()
        self._queue: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self.max_in_flight = max_in_flight
        self.in_flight = 0

    @property
    def queued(self) -> int:
        return len(self._queue)

    # ---- places

    async def enter(self) -> None:
        """A place among the requests in flight; leave() gives it back. Raises UpstreamDown."""
        if self.in_flight < self.max_in_flight:
            self.in_flight += 1
            return
        if len(self._queue) >= MAX_QUEUED:
            raise UpstreamDown(Code.NO_UPSTREAM)
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            async with asyncio.timeout(MAX_WAIT_S):
                await place
        except BaseException as error:
            if place in self._queue:
                self._queue.remove(place)
            elif not place.cancelled():
                self._vacate()  # it came too late for us
            if isinstance(error, TimeoutError):
                raise UpstreamDown(Code.NO_UPSTREAM) from None
            raise

    def leave(self, reply: Reply | None) -> None:
        """The exchange is done with reply, read to its end or not."""
        if reply is not None:
            self._sweep.forget(reply)
            reply.close()
        self._vacate()

    def _vacate(self) -> None:
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.in_flight -= 1

    # ---- a request

    async def send(self, request: WireRequest, timeouts: Timeouts, deadline_at: float) -> Reply:
        """The answer, once its head has come. Raises UpstreamDown.

        A warm connection that dies before the first byte of an answer was stale: the request is
        repeated once on a new one, and that counts for nothing.
        """
        body = request.body
        connection = self._warm() if isinstance(body, bytes) else None
        while True:
            now = time.monotonic()
            if connection is None:
                connection = await self._cold(min(timeouts.connect_s, deadline_at - now))
                now = time.monotonic()
            fresh = connection.uses == 0
            reply = Reply(now + timeouts.first_content_s, deadline_at)
            self._sweep.watch(reply)
            try:
                if isinstance(body, bytes):
                    connection.send(reply, request.head + body)
                else:
                    connection.send(reply, request.head)
                    await self._upload(connection, reply, body, request.chunked, timeouts)
                await reply.head()
                return reply
            except UpstreamDown as down:
                self._sweep.forget(reply)
                if fresh or reply.touched or down.code is not Code.UPSTREAM_RESET:
                    raise
                connection = None
            except BaseException:
                self._sweep.forget(reply)
                reply.close()
                raise

    async def _upload(
        self,
        connection: Connection,
        reply: Reply,
        body: AsyncIterator[bytes],
        chunked: bool,
        timeouts: Timeouts,
    ) -> None:
        """Sends a body as it comes; an answer that comes first ends it."""
        async for data in body:
            await connection.write(chunk(data) if chunked else data)
            if reply.status or reply.failure is not None:
                return
            reply.renew(timeouts.first_content_s, Code.FIRST_TOKEN_TIMEOUT)
        if chunked:
            await connection.write(LAST_CHUNK)

    # ---- connections

    def _warm(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            self._sweep.forget(connection)
            if connection.alive:
                return connection
        return None

    async def _cold(self, timeout_s: float) -> Connection:
        made: list[Connection] = []

        def factory() -> Connection:
            made.append(Connection(self))
            return made[-1]

        try:
            async with asyncio.timeout(timeout_s):
                await self._dial(factory)
        except TimeoutError:
            raise UpstreamDown(Code.CONNECT_TIMEOUT) from None
        except (ssl.SSLError, ssl.CertificateError):
            raise UpstreamDown(Code.TLS_ERROR) from None
        except OSError:
            raise UpstreamDown(Code.CONNECT_FAILED) from None
        return made[-1]

    def idle(self, connection: Connection) -> None:
        if self._closed:
            connection.close()
            return
        connection.due_at = time.monotonic() + IDLE_S
        self._idle.append(connection)
        self._sweep.watch(connection)

    def gone(self, connection: Connection) -> None:
        self._sweep.forget(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """No idle connections are kept any more; those in use close behind their answers."""
        self._closed = True
        for connection in list(self._idle):
            connection.close()
