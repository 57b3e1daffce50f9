"""One connection to a Redis server. Calls of one turn of the loop leave in one write.

Answers belong to calls by their order alone: a caller that leaves keeps its place in the row, and
an answer that is late ends the connection, so none ever reaches another call.
"""

import asyncio
import ssl
from collections import deque
from typing import Final, cast

import hiredis

from gateway.stores.address import Address
from gateway.stores.base import StoreError

BUDGET_S: Final = 0.05  # for a call, from its write to its answer
CONNECT_S: Final = 1.0
GRACE_S: Final = 0.005  # after a late turn of our own loop, for answers that have come already
MAX_WAITING: Final = 10_000  # calls without an answer

Answer = bytes | int | None | list["Answer"]

# How Redis begins an error -> the label it gets.
_KINDS: Final = {
    "NOSCRIPT": "noscript",
    "MOVED": "moved",
    "ASK": "moved",
    "READONLY": "readonly",
    "MASTERDOWN": "loading",
    "LOADING": "loading",
    "CLUSTERDOWN": "loading",
    "TRYAGAIN": "loading",
    "BUSY": "busy",
    "OOM": "oom",
    "WRONGTYPE": "wrong_type",
    "NOAUTH": "auth",
    "WRONGPASS": "auth",
    "NOPERM": "auth",
    "CROSSSLOT": "script",
}


class Refused(StoreError):
    """The server says no; `text` is what it said, not to be shown."""

    def __init__(self, text: str) -> None:
        word = text.split(" ", 1)[0]
        kind = _KINDS.get(word, "script")
        if kind == "script" and "OOM" in text:
            kind = "oom"
        elif kind == "script" and "READONLY" in text:
            kind = "readonly"
        elif word == "ERR" and "AUTH" in text:
            kind = "auth"
        super().__init__(kind)
        self.text = text


class Line(asyncio.Protocol):
    """`open` makes one. A line that is `closed` stays so."""

    def __init__(self, budget_s: float = BUDGET_S) -> None:
        self._loop = asyncio.get_running_loop()
        self._budget_s = budget_s
        self._reader = hiredis.Reader(replyError=Refused)
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._waiting: deque[tuple[asyncio.Future[Answer], float]] = deque()  # and when it is due
        self._timer: asyncio.TimerHandle | None = None
        self.closed = False

    @classmethod
    async def open(
        cls, host: str, port: int, address: Address, context: ssl.SSLContext | None
    ) -> "Line":
        """Connected and logged in. Raises StoreError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, line = await loop.create_connection(cls, host, port, ssl=context)
        except (OSError, TimeoutError):
            raise StoreError("connect") from None
        try:
            if address.password:
                who = (address.user,) if address.user else ()
                await line.call("AUTH", *who, address.password)
            if address.database:
                await line.call("SELECT", address.database)
            await line.call("PING")
        except BaseException:
            line.close("connect")
            raise
        return line

    def call(self, *words: bytes | str | int) -> "asyncio.Future[Answer]":
        """The answer to come, or StoreError."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        if self.closed or len(self._waiting) >= MAX_WAITING:
            future.set_exception(StoreError("closed" if self.closed else "busy"))
            return future
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub says one word
        self._waiting.append((future, self._loop.time() + self._budget_s))
        if self._timer is None:
            self._timer = self._loop.call_later(self._budget_s, self._look)
        return future

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

    def _give_up(self, oldest: "asyncio.Future[Answer]") -> None:
        if self._waiting and self._waiting[0][0] is oldest:
            self.close("timeout")
        else:
            self._look()

    # ---- the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # as all of create_connection's are

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not False:
                if not self._waiting:
                    self.close("protocol")
                    return
                future, _ = self._waiting.popleft()
                if future.done():
                    continue
                if isinstance(answer, StoreError):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
        except hiredis.ProtocolError:
            self.close("protocol")

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
