"""What a store offers: levels of limits, values of the cache, and who is at work on what.

Every call has an answer within a bounded time. A store that cannot answer raises StoreError; what
follows is its caller's affair. See policy/limits.py for the arithmetic.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.policy.limits import Claim, Verdict


class StoreError(Exception):
    """The store is slow, gone or broken; kind is a label for metrics, never an address."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Ledger(Protocol):
    """The levels of limits."""

    async def claim(self, lease: str, claims: Sequence[Claim]) -> Verdict:
        """All or none, in one step. What is leased comes back if nobody settles or renews it.

        lease: the exchange's own id, never used twice.
        """
        ...

    async def settle(self, lease: str, claims: Sequence[Claim], spent: Sequence[float]) -> None:
        """What was really used of each leased claim, in the order of the claims; once, however
        often it is said. A lease that has run out, or was never granted, owes all of it.
        """
        ...

    async def renew(self, leases: Sequence[str]) -> int:
        """Exchanges that are still under way; to be said more often than LEASE_S, without any too.
        How many processes share the store.
        """
        ...

    async def aclose(self) -> None: ...


class Values(Protocol):
    """What is remembered by key, until it is old or there is no room."""

    async def get(self, key: bytes) -> bytes | None: ...

    async def put(self, key: bytes, value: bytes, ttl_s: float, *, owner: bytes = b"") -> None:
        """owner: who shares the room with whom; nobody takes more than a share of it."""
        ...

    async def delete(self, key: bytes) -> None: ...

    async def purge(self, pattern: bytes) -> int:
        """Forgets the keys that a glob matches (only `*` is special); how many they were."""
        ...

    async def hold(self, key: bytes, holder: bytes, ttl_s: float) -> bool:
        """Whether holder is now the one at work on key: nobody else is, or it was before."""
        ...

    async def release(self, key: bytes, holder: bytes) -> None:
        """Holder's work on key is over; of anybody else's nothing changes."""
        ...


class Store(Ledger, Values, Protocol): ...


LEASE_S = 45.0  # without a sign of life; then what it held comes back
RENEW_S = 10.0  # between two signs of life
