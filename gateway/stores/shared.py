"""The store that all workers of one host share, as a worker sees it: calls to its owner."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from gateway.policy.limits import Claim, Verdict
from gateway.stores.base import StoreError
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
    answers,
    frame,
)
from gateway.stores.circuit import Circuit
from gateway.stores.row import CONNECT_S, Row


class Wire(Row[Answer]):
    """One connection to the owner."""

    def __init__(self) -> None:
        super().__init__()
        self._frames = Frames()

    @classmethod
    async def open(cls, path: Path) -> "Wire":
        """Raises StoreError."""
        try:
            async with asyncio.timeout(CONNECT_S):
                _, wire = await asyncio.get_running_loop().create_unix_connection(cls, str(path))
        except (OSError, TimeoutError):
            raise StoreError("connect") from None
        return wire

    def call(self, call: Call) -> "asyncio.Future[Answer]":
        """The answer to come, or StoreError."""
        return self._sent(frame([call]))

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                for answer in answers(body):
                    self._answered(answer)
        except ValueError:
            self.close("protocol")


class SharedStore:
    def __init__(self, path: Path) -> None:
        self._circuit = Circuit(lambda: Wire.open(path))

    async def aclose(self) -> None:
        self._circuit.close()

    async def _call(self, call: Call) -> Answer:
        wire = await self._circuit.row()
        try:
            answer = await wire.call(call)
        except StoreError:
            self._circuit.failed()
            raise
        self._circuit.succeeded()
        return answer

    async def claim(self, lease: str, claims: Sequence[Claim]) -> Verdict:
        verdict = (await self._call(Take(lease, claims))).verdict
        if verdict is None:
            raise StoreError("protocol")
        return verdict

    async def settle(self, lease: str, claims: Sequence[Claim], spent: Sequence[float]) -> None:
        await self._call(Settle(lease, claims, spent))

    async def renew(self, leases: Sequence[str]) -> int:
        return (await self._call(Renew(leases))).number

    async def get(self, key: bytes) -> bytes | None:
        return (await self._call(Get(key))).value

    async def put(self, key: bytes, value: bytes, ttl_s: float, *, owner: bytes = b"") -> None:
        await self._call(Put(key, value, ttl_s, owner))

    async def delete(self, key: bytes) -> None:
        await self._call(Delete(key))

    async def purge(self, pattern: bytes) -> int:
        return (await self._call(Purge(pattern))).number

    async def hold(self, key: bytes, holder: bytes, ttl_s: float) -> bool:
        return (await self._call(Hold(key, holder, ttl_s))).number == 1

    async def release(self, key: bytes, holder: bytes) -> None:
        await self._call(Release(key, holder))
