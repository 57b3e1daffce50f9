"""A backend's answer as it comes: first its head, then its body, awaited whole or pushed on.

Pushing is the hot way: every read goes straight to a receiver, no task wakes for it. Each wait is
bounded: `due_at` is renewed with progress, `deadline_at` is not.
"""

import asyncio
import time
from typing import Final, Protocol

from gateway.errors import Code
from gateway.sweep import NEVER
from gateway.wire.http import Headers, first

MAX_HELD: Final = 256 * 1024  # bytes of a body held before somebody takes them


class UpstreamDown(Exception):
    """No answer, or no more of it; code says why."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.value)
        self.code = code


class Receiver(Protocol):
    """What a body is pushed into."""

    def received(self, data: bytes) -> None: ...
    def ended(self, failure: Code | None) -> None:
        """The last call. None: the body is complete."""


class Carrier(Protocol):
    """The connection, as far as a reply needs it."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def abort(self) -> None: ...


class Reply:
    __slots__ = (
        "_parts",
        "_receiver",
        "_waiter",
        "carrier",
        "complete",
        "deadline_at",
        "due_at",
        "failure",
        "headers",
        "held",
        "late",
        "status",
        "touched",
    )

    def __init__(self, due_at: float, deadline_at: float) -> None:
        self.status = 0  # 0 until the head has come
        self.headers: Headers = []
        self.complete = False
        self.failure: Code | None = None
        self.touched = False  # something of the answer has come
        self.carrier: Carrier | None = None  # None again once the body is complete
        self.deadline_at = deadline_at
        self.due_at = min(due_at, deadline_at)
        self.late = Code.FIRST_TOKEN_TIMEOUT  # what a missed due_at means now
        self.held = 0  # bytes waiting to be taken
        self._parts: list[bytes] = []
        self._receiver: Receiver | None = None
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes | None:
        return first(self.headers, name)

    # ---- for the exchange

    async def head(self) -> None:
        """Returns with status and headers there. Raises UpstreamDown."""
        while not self.status:
            if self.failure is not None:
                raise UpstreamDown(self.failure)
            await self._news()

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamDown, also past limit bytes."""
        self._free()
        while not self.complete:
            if self.failure is not None:
                raise UpstreamDown(self.failure)
            if self.held > limit:
                break
            await self._news()
        if self.held > limit:
            self.fail(Code.RESPONSE_TOO_LARGE)
            raise UpstreamDown(Code.RESPONSE_TOO_LARGE)
        return self._take()

    def push_to(self, receiver: Receiver) -> None:
        """From now on every read goes to receiver, what has come already at once."""
        self._receiver = receiver
        self._free()
        self.flush()

    def renew(self, seconds: float, late: Code) -> None:
        """Progress was made: the next may take so long."""
        self.late = late
        self.due_at = min(time.monotonic() + seconds, self.deadline_at)

    def close(self) -> None:
        """Nobody wants the rest: the backend is hung up on, so that it stops generating."""
        self._receiver = None
        self._parts.clear()
        if self.carrier is not None:
            self.carrier.abort()

    def pause(self) -> None:
        """The client does not keep up: that is not the backend's idleness."""
        self.due_at = self.deadline_at
        if self.carrier is not None:
            self.carrier.pause()

    def resume(self) -> None:
        if self.carrier is not None:
            self.carrier.resume()

    # ---- for the connection

    def begun(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers

    def append(self, data: bytes) -> None:
        self._parts.append(data)
        self.held += len(data)

    def flush(self) -> None:
        """Hands on what one read has brought."""
        receiver = self._receiver
        if receiver is None:
            if self.held > MAX_HELD and self.carrier is not None and self._waiter is None:
                self.carrier.pause()
            self._wake()
            return
        if self._parts:
            receiver.received(self._take())
        if (self.complete or self.failure is not None) and self._receiver is not None:
            self._receiver = None
            receiver.ended(self.failure)

    def fail(self, code: Code) -> None:
        if self.failure is None and not self.complete:
            self.failure = code
            if self.carrier is not None:
                self.carrier.abort()
            self.flush()

    def overdue(self, now: float) -> None:
        self.due_at = NEVER
        self.fail(Code.TOTAL_TIMEOUT if now >= self.deadline_at else self.late)

    # ---- waiting

    def _take(self) -> bytes:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.held = 0
        return data

    def _free(self) -> None:
        if self.held > MAX_HELD and self.carrier is not None:
            self.carrier.resume()

    async def _news(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
