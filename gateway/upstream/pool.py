"""The way out to one backend: its places, its connections, a request sent and its head in hand.

The connection used last is used next (LIFO), so that the rest may go idle and close. A backend
never has more requests in flight than its config allows, and nobody waits long for a place.
"""

import asyncio
import math
import ssl
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from gateway.errors import Code
from gateway.sweep import Sweep
from gateway.upstream.connection import Connection
from gateway.upstream.names import Name
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


class WireRequest:
    """Bytes ready for a socket. No dataclass: its repr must never show them."""

    __slots__ = ("body", "chunked", "head")

    def __init__(
        self, head: bytes, body: bytes | AsyncGenerator[bytes, None], *, chunked: bool = False
    ) -> None:
        self.head = head  # up to and with the blank line; holds the credential
        self.body = body
        self.chunked = chunked  # the body comes in parts of unknown length


def tcp(name: Name, context: ssl.SSLContext | None) -> Dial:
    """Dials the name's addresses in turn."""
    host = name.host if context else None

    async def dial(factory: Callable[[], Connection]) -> object:
        loop = asyncio.get_running_loop()
        failed = OSError("the name has no address")
        for address in await name.addresses():
            try:
                return await loop.create_connection(
                    factory, address, name.port, ssl=context, server_hostname=host
                )
            except ssl.SSLError:
                raise
            except ConnectionResetError as error:
                if context is None:
                    raise
                raise ssl.SSLError("hung up on within the handshake") from error
            except OSError as error:
                name.failed(address)
                failed = error
            except asyncio.CancelledError:
                name.failed(address)  # silent: another is tried first, the next time
                raise
        raise failed

    return dial


class Pool:
    def __init__(
        self, dial: Dial, *, max_in_flight: int, sweep: Sweep, name: Name | None = None
    ) -> None:
        self._dial = dial
        self.name = name  # that it dials by, if it does
        self._sweep = sweep
        self._idle: deque[Connection] = deque()
        self._queue: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self.max_in_flight = max_in_flight
        self.max_queued = MAX_QUEUED
        self.queue_wait_s = MAX_WAIT_S
        self.in_flight = 0
        self.stale = 0  # connections that had died unnoticed, and their requests were repeated

    @property
    def queued(self) -> int:
        return len(self._queue)

    # ---- places

    def enter(self) -> bool:
        """Takes a place among the requests in flight, if one is free; leave() gives it back."""
        free = self.in_flight < self.max_in_flight
        if free:
            self.in_flight += 1
        return free

    async def queue(self, deadline_at: float = math.inf) -> None:
        """Waits for a place. Raises UpstreamDown when none comes free in time."""
        if len(self._queue) >= self.max_queued:
            raise UpstreamDown(Code.NO_UPSTREAM)
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        left_s = deadline_at - time.monotonic()
        try:
            async with asyncio.timeout(min(self.queue_wait_s, left_s)):
                await place
        except BaseException as error:
            if place in self._queue:
                self._queue.remove(place)
            elif not place.cancelled():
                self._vacate()  # it came too late for us
            if isinstance(error, TimeoutError):
                early = self.queue_wait_s < left_s
                raise UpstreamDown(Code.NO_UPSTREAM if early else Code.TOTAL_TIMEOUT) from None
            raise

    def leave(self, reply: Reply | None) -> None:
        """The exchange is done with reply, read to its end or not."""
        if reply is not None and reply.carrier is not None:
            reply.close()
        self._vacate()

    def _vacate(self) -> None:
        self.in_flight -= 1
        while self._queue and self.in_flight < self.max_in_flight:
            place = self._queue.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)

    # ---- a request

    async def send(self, request: WireRequest, timeouts: Timeouts, deadline_at: float) -> Reply:
        """The answer, once its head has come. Raises UpstreamDown.

        A warm connection that dies before the first byte of an answer was stale: the request is
        repeated once on a new one, and that counts for nothing.
        """
        body = request.body
        connection = self._warm() if isinstance(body, bytes) else None
        while True:
            if connection is None:
                connection = await self._cold(timeouts.connect_s, deadline_at)
            fresh = connection.uses == 0
            reply = Reply(deadline_at)
            due_at = min(time.monotonic() + timeouts.first_content_s, deadline_at)
            try:
                if isinstance(body, bytes):
                    connection.send(reply, request.head + body, due_at)
                    await reply.head()
                else:
                    connection.send(reply, request.head, due_at, more=True)
                    await self._upload(connection, reply, body, request.chunked, timeouts)
                return reply
            except UpstreamDown as down:
                if fresh or reply.touched or down.code is not Code.UPSTREAM_RESET:
                    raise
                connection = None  # it was stale
                self.stale += 1
            except BaseException:
                reply.close()
                raise

    async def _upload(
        self,
        connection: Connection,
        reply: Reply,
        body: AsyncGenerator[bytes, None],
        chunked: bool,
        timeouts: Timeouts,
    ) -> None:
        """Sends a body as it comes, until the head of an answer does, be it early."""

        async def send() -> None:
            async with aclosing(body):
                async for data in body:
                    await connection.write(chunk(data) if chunked else data)
                    reply.renew(timeouts.first_content_s, Code.FIRST_TOKEN_TIMEOUT)
            if chunked:
                await connection.write(LAST_CHUNK)
            connection.sent()

        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(send())
                await reply.head()
                sending.cancel()
        except BaseExceptionGroup as failures:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None  # a group with an error forgets this
            raise failures.exceptions[0] from None

    # ---- connections

    def _warm(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.quiet:
                return connection
            connection.abort()
        return None

    async def _cold(self, timeout_s: float, deadline_at: float) -> Connection:
        made: list[Connection] = []

        def factory() -> Connection:
            made.append(Connection(self))
            return made[-1]

        left_s = deadline_at - time.monotonic()
        try:
            async with asyncio.timeout(min(timeout_s, left_s)):
                await self._dial(factory)
        except (OSError, UnicodeError, asyncio.CancelledError) as error:
            for connection in made:
                connection.abort()  # made, and at that moment too late
            late = Code.CONNECT_TIMEOUT if timeout_s < left_s else Code.TOTAL_TIMEOUT
            raise _undialled(error, late) from None
        return made[-1]

    def opened(self, connection: Connection) -> None:
        self._sweep.watch(connection)

    def idle(self, connection: Connection) -> None:
        if self._closed:
            connection.close()
            return
        connection.due_at = time.monotonic() + IDLE_S
        self._idle.append(connection)

    def gone(self, connection: Connection) -> None:
        self._sweep.forget(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """No idle connections are kept any more; those in use close behind their answers."""
        self._closed = True
        for connection in list(self._idle):
            connection.close()


def _undialled(error: BaseException, late: Code) -> BaseException:
    """What a dial's failure means; what is no failure, as it is."""
    match error:
        case TimeoutError():
            return UpstreamDown(late)
        case ssl.SSLError():
            return UpstreamDown(Code.TLS_ERROR)
        case OSError() | UnicodeError():  # the latter from names that no resolver takes
            return UpstreamDown(Code.CONNECT_FAILED)
        case _:
            return error
