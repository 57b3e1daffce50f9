"""Calls in a row over one connection. Those of one turn of the loop leave in one write.

Answers belong to calls by their order alone: a caller that leaves keeps its place in the row, and
an answer that is late ends the connection, so none ever reaches another call.
"""

import asyncio
from collections import deque
from typing import Final, Generic, TypeVar, cast

from gateway.stores.base import StoreError

BUDGET_S: Final = 0.05  # for a call, from its write to its answer
CONNECT_S: Final = 1.0
GRACE_S: Final = 0.005  # after a late turn of our own loop, for answers that have come already
MAX_WAITING: Final = 10_000  # calls without an answer

T = TypeVar("T")


class Row(asyncio.Protocol, Generic[T]):
    """What every kind of connection has in common. One that is `closed` stays so."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._waiting: deque[tuple[asyncio.Future[T], float]] = deque()  # and when it is due
        self._timer: asyncio.TimerHandle | None = None
        self.closed = False

    def _sent(self, data: bytes) -> "asyncio.Future[T]":
        """The answer to come, or StoreError."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self.closed or len(self._waiting) >= MAX_WAITING:
            future.set_exception(StoreError("closed" if self.closed else "busy"))
            return future
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)
        self._waiting.append((future, self._loop.time() + BUDGET_S))
        if self._timer is None:
            self._timer = self._loop.call_later(BUDGET_S, self._look)
        return future

    def _answered(self, answer: T | StoreError) -> None:
        """The next in the row has its answer."""
        if not self._waiting:
            self.close("protocol")
            return
        future, _ = self._waiting.popleft()
        if future.done():
            return
        if isinstance(answer, StoreError):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None and not self.closed:
            self._transport.write(b"".join(out))

    def _look(self) -> None:
        """The oldest call is due, or will be."""
        self._timer = None
        if not self._waiting:
            return
        oldest, due_at = self._waiting[0]
        left_s = due_at - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:  # our own loop may be what was late: what has come meanwhile is read first
            self._timer = self._loop.call_later(GRACE_S, self._give_up, oldest)

    def _give_up(self, oldest: "asyncio.Future[T]") -> None:
        if self._waiting and self._waiting[0][0] is oldest:
            self.close("timeout")
        else:
            self._look()

    # ---- the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # as all of create_connection's are

    def connection_lost(self, error: Exception | None) -> None:
        self.close("closed")

    def close(self, kind: str = "closed") -> None:
        """Every call that still waits fails with this kind."""
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        waiting, self._waiting = self._waiting, deque()
        for future, _ in waiting:
            if not future.done():
                future.set_exception(StoreError(kind))
