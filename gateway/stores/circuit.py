"""A connection to a store that is opened again when it breaks, and a circuit while it does not."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Final, Generic, Protocol, TypeVar

from gateway.stores.base import StoreError
from gateway.stores.row import BUDGET_S

TRIPS: Final = 5  # failed calls in a row that open the circuit
OPEN_S: Final = 1.0  # then nobody waits for it; afterwards one connection tries


class Connection(Protocol):
    closed: bool

    def close(self) -> None: ...


R = TypeVar("R", bound=Connection)


class Circuit(Generic[R]):
    """open: makes a connection, or raises StoreError."""

    def __init__(self, open: Callable[[], Coroutine[object, object, R]]) -> None:
        self._open = open
        self._row: R | None = None
        self._opening: asyncio.Task[R | StoreError] | None = None
        self._failures = 0
        self._open_until = 0.0  # monotonic

    @property
    def usable(self) -> bool:
        return self._row is not None and not self._row.closed

    async def row(self) -> R:
        """Raises StoreError, within about BUDGET_S."""
        row = self._row
        return await self._opened() if row is None or row.closed else row

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= TRIPS:
            self._open_until = time.monotonic() + OPEN_S

    async def _opened(self) -> R:
        if self._opening is None:
            if time.monotonic() < self._open_until:
                raise StoreError("open")
            self._opening = asyncio.get_running_loop().create_task(self._tried())
        opening = self._opening
        if self._failures >= TRIPS and not opening.done():
            raise StoreError("open")  # half-open: nobody waits for the one that tries
        done, _ = await asyncio.wait({opening}, timeout=BUDGET_S)
        if not done:
            self.failed()
            raise StoreError("timeout")
        opened = opening.result()
        if isinstance(opened, StoreError):
            raise StoreError(opened.kind)
        return opened

    async def _tried(self) -> R | StoreError:
        """Beside the calls: the error is for whoever still waits for it."""
        try:
            self._row = await self._open()
        except StoreError as error:
            self.failed()
            return error
        finally:
            self._opening = None
        self._failures = 0
        return self._row

    def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._row is not None:
            self._row.close()
