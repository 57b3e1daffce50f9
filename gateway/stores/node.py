"""One Redis server: a line to it, opened again when it breaks, and a circuit while it does not.

Nothing is ever asked twice here but what the server says it has not done.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from typing import Final

from gateway.stores.address import Address
from gateway.stores.base import StoreError
from gateway.stores.line import BUDGET_S, Answer, Line, Refused
from gateway.stores.scripts import Script

TRIPS: Final = 5  # failed calls in a row that open the circuit
OPEN_S: Final = 1.0  # then nobody waits for it; afterwards one connection tries


class Node:
    def __init__(
        self, host: str, port: int, address: Address, context: ssl.SSLContext | None
    ) -> None:
        self.host = host
        self.port = port
        self._address = address
        self._context = context
        self._line: Line | None = None
        self._opening: asyncio.Task[Line | StoreError] | None = None
        self._failures = 0
        self._open_until = 0.0  # monotonic

    @property
    def usable(self) -> bool:
        return self._line is not None and not self._line.closed

    async def call(self, *words: bytes | str | int) -> Answer:
        """Raises StoreError, within about BUDGET_S."""
        line = self._line
        if line is None or line.closed:
            line = await self._opened()
        try:
            answer = await line.call(*words)
        except Refused as error:
            if error.kind in ("readonly", "loading", "auth", "busy"):
                line.close(error.kind)  # another server may stand at this address soon
                self._failed()
            raise
        except StoreError:
            self._failed()
            raise
        self._failures = 0
        return answer

    async def run(
        self, script: Script, keys: Sequence[bytes | str], args: Sequence[bytes | str | int]
    ) -> Answer:
        """A script by its digest; with its text where the server does not know it."""
        try:
            return await self.call("EVALSHA", script.sha, len(keys), *keys, *args)
        except Refused as error:
            if error.kind != "noscript":
                raise
        return await self.call("EVAL", script.text, len(keys), *keys, *args)

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= TRIPS:
            self._open_until = time.monotonic() + OPEN_S

    async def _opened(self) -> Line:
        if self._opening is None:
            if time.monotonic() < self._open_until:
                raise StoreError("open")
            self._opening = asyncio.get_running_loop().create_task(self._open())
        opening = self._opening
        if self._failures >= TRIPS and not opening.done():
            raise StoreError("open")  # half-open: nobody waits for the one that tries
        done, _ = await asyncio.wait({opening}, timeout=BUDGET_S)
        if not done:
            self._failed()
            raise StoreError("timeout")
        opened = opening.result()
        if isinstance(opened, StoreError):
            raise StoreError(opened.kind)
        return opened

    async def _open(self) -> Line | StoreError:
        """Beside the calls: the error is for whoever still waits for it."""
        try:
            self._line = await Line.open(self.host, self.port, self._address, self._context)
        except StoreError as error:
            self._failed()
            return error
        finally:
            self._opening = None
        self._failures = 0
        return self._line

    def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._line is not None:
            self._line.close()
