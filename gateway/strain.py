"""How much more this process can take: the punctuality of its event loop, and its memory.

Looked at a few times a second, beside the traffic; what is refused because of it costs one look at
a word.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

LOOK_S: Final = 0.1
LATE_LOOKS: Final = 2  # in a row: one alone may be the machine's
SHARE: Final = 0.85  # of the memory there is
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class Strain:
    """What was last seen. Limits may be changed at any time."""

    def __init__(self) -> None:
        self.max_lag_s = 0.5
        self.max_memory_bytes = most_memory()
        self.lag_s = 0.0  # how late the loop last woke
        self.reason = ""  # why requests are to be refused now; "" for not at all
        self._late = 0

    async def watch(self) -> None:
        """Looks for ever."""
        while True:
            due_at = time.monotonic() + LOOK_S
            await asyncio.sleep(LOOK_S)
            self.seen(max(0.0, time.monotonic() - due_at), memory())

    def seen(self, lag_s: float, memory_bytes: int) -> None:
        self.lag_s = lag_s
        self._late = self._late + 1 if lag_s > self.max_lag_s else 0
        if memory_bytes > self.max_memory_bytes:
            self.reason = "memory"
        else:
            self.reason = "lag" if self._late >= LATE_LOOKS else ""


def memory() -> int:
    """Bytes that this process holds."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0  # no Linux: nothing is known, nothing is refused


def most_memory() -> int:
    """Bytes that it may hold: most of what the container, or the machine, has."""
    there = os.sysconf("SC_PHYS_PAGES") * _PAGE
    for limit in _LIMITS:
        try:
            there = min(there, int(limit.read_text()))
        except (OSError, ValueError):
            continue  # another kind of cgroup, or "max"
    return int(there * SHARE)
