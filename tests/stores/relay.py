"""A relay in front of a server: its answers can be delayed, its connections cut, led elsewhere."""

import asyncio
import threading
from collections.abc import Callable
from typing import Final, Self, cast

START_S: Final = 10.0


class Relay:
    """In a thread of its own. Bytes keep their order."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.to = port  # where new connections lead
        self.cut_off = False
        self.delay_s = 0.0  # of every answer
        self.open: set[_Side] = set()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def slow(self, delay_s: float) -> None:
        self.delay_s = delay_s

    def cut(self) -> None:
        """No connection is left, and none lasts."""
        self.cut_off = True
        self._drop()

    def lead(self, port: int) -> None:
        """Another server stands at this address now."""
        self.to = port
        self._drop()

    def heal(self) -> None:
        self.cut_off, self.delay_s = False, 0.0

    def _drop(self) -> None:
        done = threading.Event()

        def drop() -> None:
            for side in list(self.open):
                side.end()
            done.set()

        self._soon(drop)
        assert done.wait(START_S)

    def _soon(self, what: Callable[[], object]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(what)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_S):
            raise TimeoutError("the relay did not start")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stopped is not None
        self._soon(self._stopped.set)
        self._thread.join(START_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: _Client(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for side in list(self.open):
            side.end()
        await asyncio.sleep(0)  # so that all of them learn it


class _Side(asyncio.Protocol):
    """One of the two connections of a pair."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._transport: asyncio.Transport | None = None
        self._kept: list[bytes] = []  # until there is a connection
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # as all of TCP's are
        self._relay.open.add(self)
        for data in self._kept:
            self._transport.write(data)

    def write(self, data: bytes) -> None:
        if self._transport is None:
            self._kept.append(data)
        else:
            self._transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._relay.open.discard(self)
        if self.other is not None:
            self.other.end()

    def end(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _Client(_Side):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.other = _Server(self._relay)
        self.other.other = self
        if self._relay.cut_off:
            self.end()
        else:
            self._leading = asyncio.get_running_loop().create_task(self._lead())

    async def _lead(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(
                lambda: cast(_Side, self.other), "127.0.0.1", self._relay.to
            )
        except OSError:
            self.end()

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self.other.write(data)


class _Server(_Side):
    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        if self._relay.delay_s:
            asyncio.get_running_loop().call_later(self._relay.delay_s, self.other.write, data)
        else:
            self.other.write(data)
