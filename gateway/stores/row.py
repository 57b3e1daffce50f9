"""Calls in a row over one connection. Those of one turn of the loop leave in one write.

Answers belong to calls by their order alone: a caller that leaves keeps its place in the row, and
an answer that is late ends the connection, so none ever reaches another call.
"""

import asyncio
import time
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
        self._waiting: deque[asyncio.Future[T]] = deque()
        self._asked = self._told = 0  # calls, answers
        self._due: deque[tuple[int, float]] = deque()  # of each write: its last call, until when
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
        self._asked += 1
        self._waiting.append(future)
        return future

    def _answered(self, answer: T | StoreError) -> None:
        """The next in the row has its answer."""
        if not self._waiting:
            self.close("protocol")
            return
        self._told += 1
        future = self._waiting.popleft()
        if future.done():
            return
        if isinstance(answer, StoreError):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _flush(self) -> None:
        """What this turn has asked leaves, and its time begins: a long turn is our own affair."""
        out, self._out = self._out, []
        if self.closed:
            return
        self._due.append((self._asked, time.monotonic() + BUDGET_S))
        if self._timer is None:
            self._timer = self._loop.call_later(BUDGET_S, self._look)
        if self._transport is not None:
            self._transport.write(b"".join(out))

    def _look(self) -> None:
        """The oldest call is due, or will be."""
        self._timer = None
        due = self._due
        while due and due[0][0] <= self._told:
            due.popleft()
        if not due:
            return
        left_s = due[0][1] - time.monotonic()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:  # our own loop may be what was late: what has come meanwhile is read first
            self._timer = self._loop.call_later(GRACE_S, self._give_up, self._told)

    def _give_up(self, told: int) -> None:
        if self._told == told:
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
        for future in waiting:
            if not future.done():
                future.set_exception(StoreError(kind))
