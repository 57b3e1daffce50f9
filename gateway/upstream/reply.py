"""A backend's answer as it comes: first its head, then its body, awaited whole or pushed on.

Pushing is the hot way: every read goes straight to a receiver, no task wakes for it. Each wait is
bounded: the carrier's `due_at` is renewed with progress, `deadline_at` is not.
"""

import asyncio
import math
import time
from typing import Final, Protocol

import msgspec

from gateway.errors import Code
from gateway.wire.http import Headers, first

MAX_HELD: Final = 64 * 1024  # bytes of a body held before somebody takes them
TAIL_S: Final = 0.25  # for the last chunk's mark to come after an answer's last event


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

    due_at: float  # when the wait that is going on is over

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def abort(self) -> None: ...


class Reply(msgspec.Struct, eq=False):
    deadline_at: float
    status: int = 0  # 0 until the head has come
    headers: Headers = []
    complete: bool = False
    failure: Code | None = None
    touched: bool = False  # something of the answer has come
    carrier: Carrier | None = None  # None again once the body is complete
    spent: bool = False  # all that matters of it has come; at most its framing is missing
    late: Code = Code.FIRST_TOKEN_TIMEOUT  # what a missed due_at means now
    held: int = 0  # bytes waiting to be taken
    _patience_s: float = math.inf  # the last that renew() was given
    _whole: bool = False  # somebody takes it all, however much is held until then
    _parts: list[bytes] = []
    _receiver: Receiver | None = None
    _waiter: asyncio.Future[None] | None = None

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
        self._whole = True
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
        self._patience_s = seconds
        self.progressed()

    def progressed(self) -> None:
        """The next may take as long again."""
        if self.carrier is not None:
            due_at = time.monotonic() + self._patience_s
            self.carrier.due_at = due_at if due_at < self.deadline_at else self.deadline_at

    def close(self) -> None:
        """Nobody wants the rest: the backend is hung up on, so that it stops generating.

        Unless nothing but the end of the framing is missing: that may still come, for a moment,
        so that the connection can be used again.
        """
        self._receiver = None
        self._parts.clear()
        if self.carrier is None:
            return
        if self.spent:
            self.carrier.resume()
            self._receiver = _Tail(self.carrier)
            self.renew(TAIL_S, Code.IDLE_TIMEOUT)
        else:
            self.carrier.abort()

    def pause(self) -> None:
        """The client does not keep up: that is not the backend's idleness."""
        if self.carrier is not None:
            self.carrier.due_at = self.deadline_at
            self.carrier.pause()

    def resume(self) -> None:
        if self.carrier is not None:
            self.carrier.resume()
            self.renew(self._patience_s, self.late)

    # ---- for the connection

    def begun(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers

    def arrived(self, data: bytes) -> None:
        """More of the body, and it goes on."""
        if self._receiver is not None:
            self._receiver.received(data)
        else:
            self.append(data)
            self.flush()

    def append(self, data: bytes) -> None:
        self._parts.append(data)
        self.held += len(data)

    def flush(self) -> None:
        """Hands on what one read has brought."""
        receiver = self._receiver
        if receiver is None:
            # One look at a socket brings up to 8 MB, before the task that waits for the head runs.
            if self.held > MAX_HELD and self.carrier is not None and not self._whole:
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

    def _news(self) -> asyncio.Future[None]:
        """Done once something has come."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        return waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class _Tail:
    """What may follow an answer's last event: nothing but the end of its framing."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    def received(self, data: bytes) -> None:
        self._carrier.abort()

    def ended(self, failure: Code | None) -> None:
        pass
