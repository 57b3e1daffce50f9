"""Coarse timers: one tick of the loop looks at everything that waits, instead of a timer each.

A wait that is renewed with every byte costs one assignment (`due_at`), not a cancelled timer. The
price is precision: a wait ends up to one tick late, never early.
"""

import asyncio
import math
import time
from typing import Final, Protocol

TICK_S: Final = 0.05
NEVER: Final = math.inf


class Waiting(Protocol):
    due_at: float  # monotonic seconds; NEVER while nothing is awaited

    def overdue(self, now: float) -> None:
        """Called once due_at has passed; moves due_at, or forgets itself."""


class Sweep:
    """All waits of one event loop. It ticks only while something is watched."""

    def __init__(self, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._watched: set[Waiting] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, waiting: Waiting) -> None:
        self._watched.add(waiting)
        self._go_on()

    def forget(self, waiting: Waiting) -> None:
        self._watched.discard(waiting)

    def _go_on(self) -> None:
        if self._watched and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        try:
            for waiting in [w for w in self._watched if w.due_at <= now]:
                # One that was overdue may have settled another.
                if waiting in self._watched and waiting.due_at <= now:
                    waiting.overdue(now)
        finally:
            self._go_on()  # whatever one of them did: the others still wait
