"""Values kept twice: near, in this process, in front of a store that others share.

What is near is looked at first and kept there for NEAR_S at most, so that what is purged or made
anew elsewhere is not missed for long. A far store that cannot answer is its caller's affair.
"""

from typing import Final

from gateway.stores.base import Values

NEAR_S: Final = 60.0


class Tiered:
    def __init__(self, near: Values, far: Values) -> None:
        self._near = near
        self._far = far

    async def get(self, key: bytes) -> bytes | None:
        value = await self._near.get(key)
        if value is None:
            value = await self._far.get(key)
            if value is not None:
                await self._near.put(key, value, NEAR_S)
        return value

    async def put(self, key: bytes, value: bytes, ttl_s: float, *, owner: bytes = b"") -> None:
        await self._near.put(key, value, min(ttl_s, NEAR_S), owner=owner)
        await self._far.put(key, value, ttl_s, owner=owner)

    async def delete(self, key: bytes) -> None:
        await self._near.delete(key)
        await self._far.delete(key)

    async def purge(self, pattern: bytes) -> int:
        await self._near.purge(pattern)
        return await self._far.purge(pattern)

    async def hold(self, key: bytes, holder: bytes, ttl_s: float) -> bool:
        return await self._far.hold(key, holder, ttl_s)

    async def release(self, key: bytes, holder: bytes) -> None:
        await self._far.release(key, holder)
