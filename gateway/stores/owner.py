"""The owner of the store that all workers of one host share: one memory store behind a Unix socket.

It runs in a thread of the supervisor, with a loop of its own, so that no scrape delays a claim. The
socket lies in a folder that only this user may enter.
"""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final, TypeVar, assert_never, cast

from gateway.stores.calls import (
    Answer,
    Call,
    Delete,
    Frames,
    Get,
    Hold,
    Purge,
    Put,
    Release,
    Renew,
    Settle,
    Take,
    calls,
    frame,
)
from gateway.stores.memory import MemoryStore

START_S: Final = 5.0
T = TypeVar("T")


class Owner:
    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self._folder: Path | None = None
        self._open: set[_Desk] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    @property
    def path(self) -> Path:
        """Where workers find it, from start() to stop()."""
        if self._folder is None:
            raise RuntimeError("the store of the workers is not there")
        return self._folder / "store"

    @property
    def workers(self) -> int:
        return len(self._open)

    def start(self) -> None:
        """Raises OSError when it cannot."""
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-"))  # for this user only
        self._thread.start()
        if not self._started.wait(START_S):
            raise OSError("the store of the workers did not start")

    def stop(self) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(START_S)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: _Desk(self), str(self.path))
        self._started.set()
        await self._stopping.wait()
        server.close()
        for one in list(self._open):
            one.close()

    # ---- what its connections need

    def came(self, desk: "_Desk") -> None:
        self._open.add(desk)

    def left(self, desk: "_Desk") -> None:
        self._open.discard(desk)

    def answer(self, call: Call) -> Answer:
        store = self.store
        match call:
            case Take(lease, claims):
                return Answer(_now(store.claim(lease, claims)))
            case Settle(lease, claims, spent):
                store.settle_now(lease, claims, spent)
            case Renew(leases):
                _now(store.renew(leases))
                return Answer(number=self.workers)
            case Hold(key, holder, ttl_s):
                return Answer(number=int(_now(store.hold(key, holder, ttl_s))))
            case Release(key, holder):
                _now(store.release(key, holder))
            case Get(key):
                return Answer(value=_now(store.get(key)))
            case Put(key, value, ttl_s, owner):
                _now(store.put(key, value, ttl_s, owner=owner))
            case Purge(pattern):
                return Answer(number=_now(store.purge(pattern)))
            case Delete(key):
                _now(store.delete(key))
            case _:
                assert_never(call)
        return Answer()


def _now(call: Coroutine[object, object, T]) -> T:
    """A call of the memory store awaits nothing: it is one step."""
    try:
        call.send(None)
    except StopIteration as done:
        return cast(T, done.value)  # what the coroutine returns
    raise RuntimeError("the memory store has awaited something")


class _Desk(asyncio.Protocol):
    """One worker's connection. All calls of one read are answered in one write."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._write: Callable[[bytes], object] = lambda data: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # as all of a server's are
        self._write = self._transport.write
        self._owner.came(self)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                self._write(frame([self._owner.answer(call) for call in calls(body)]))
        except ValueError:  # nobody of ours says that
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.left(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
