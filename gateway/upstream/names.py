"""Where a backend's name leads: looked up now and then, by one at a time, and kept when the lookup
fails.

A resolver that is silent or gone must not stop a backend whose address we know, nor take all the
threads that look up the others' names. An address that does not answer goes behind the rest.
"""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Final

TTL_S: Final = 10.0  # after that the next connection has the name looked up again, for those behind

Lookup = Callable[[str, int], Awaitable[list[str]]]  # addresses, best first; raises OSError


async def system(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Name:
    """One host's, for the connections to one backend."""

    __slots__ = (
        "_addresses",
        "_literal",
        "_looking",
        "_lookup",
        "_since",
        "errors",
        "host",
        "port",
    )

    def __init__(self, host: str, port: int, lookup: Lookup = system) -> None:
        self.host = host
        self.port = port
        self.errors = 0  # lookups that failed
        self._lookup = lookup
        self._literal = _is_address(host)
        self._addresses: list[str] = [host] if self._literal else []
        self._since = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def addresses(self) -> list[str]:
        """At once, if any was ever known; a fresh one is looked up meanwhile. Raises OSError."""
        if self._literal:
            return self._addresses
        if self._looking is None and (
            not self._addresses or time.monotonic() - self._since > TTL_S
        ):
            self._looking = asyncio.get_running_loop().create_task(self._look())
            self._looking.add_done_callback(self._looked)
        if not self._addresses and self._looking is not None:
            await asyncio.shield(self._looking)  # whoever leaves, the others still wait for it
        return list(self._addresses)

    def failed(self, address: str) -> None:
        """It did not answer: the others are tried before it."""
        if address in self._addresses and len(self._addresses) > 1:
            self._addresses.remove(address)
            self._addresses.append(address)

    async def _look(self) -> None:
        found = await self._lookup(self.host, self.port)
        self._since = time.monotonic()
        if set(found) != set(self._addresses):  # else the order that we learned is worth more
            self._addresses = found

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking = None
        if not task.cancelled() and task.exception() is not None:
            self.errors += 1
            self._since = time.monotonic()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
