"""Values kept twice: near, in this process, in front of a store that others share.

What is near is looked at first and kept there for NEAR_S at most, so that what is made anew
elsewhere is not missed for long. What is purged leaves a mark, which every process looks for, and
then forgets all that is near. A far store that cannot answer is its caller's affair.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Final

from gateway.stores.base import StoreError, Values

NEAR_S: Final = 60.0
LOOK_S: Final = 1.0  # between two looks for the mark
_MARK: Final = b"forgotten"
_MARK_S: Final = 86_400.0  # as long as anybody may have been away from the store
_ALL: Final = b"*"


async def forget(far: Values, pattern: bytes) -> int:
    """Purges what is far, and has what is near forgotten everywhere. How many those far were."""
    purged = await far.purge(pattern)
    await far.put(_MARK, os.urandom(8).hex().encode(), _MARK_S)
    return purged


class Tiered:
    """owner_of: whose a value is, by its key: what is read from far takes their share of near."""

    def __init__(self, near: Values, far: Values, owner_of: Callable[[bytes], bytes]) -> None:
        self._near = near
        self._far = far
        self._owner_of = owner_of

    async def get(self, key: bytes) -> bytes | None:
        value = await self._near.get(key)
        if value is None:
            value = await self._far.get(key)
            if value is not None:
                await self._near.put(key, value, NEAR_S, owner=self._owner_of(key))
        return value

    async def put(self, key: bytes, value: bytes, ttl_s: float, *, owner: bytes = b"") -> None:
        await self._near.put(key, value, min(ttl_s, NEAR_S), owner=owner)
        await self._far.put(key, value, ttl_s, owner=owner)

    async def delete(self, key: bytes) -> None:
        await self._near.delete(key)
        await self._far.delete(key)

    async def purge(self, pattern: bytes) -> int:
        await self._near.purge(pattern)
        return await forget(self._far, pattern)

    async def watch(self) -> None:
        """Forgets what is near when anybody has had something forgotten. Never returns."""
        seen: bytes | None = None
        while True:
            with contextlib.suppress(StoreError):
                mark = await self._far.get(_MARK)
                if mark is not None and mark != seen:
                    seen = mark
                    await self._near.purge(_ALL)
            await asyncio.sleep(LOOK_S)

    async def hold(self, key: bytes, holder: bytes, ttl_s: float) -> bool:
        return await self._far.hold(key, holder, ttl_s)

    async def release(self, key: bytes, holder: bytes) -> None:
        await self._far.release(key, holder)
