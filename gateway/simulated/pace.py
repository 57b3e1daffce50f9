"""When each token is due, and the player that tells a play on time.

A player needs no task: the loop wakes it when a token is due. It counts from the start of the
answer, so that a late token does not delay those behind it, and waits for a slow reader.
"""

import asyncio
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from gateway.simulated.play import Play

EARLY_S: Final = 0.001  # a loop may wake this much too soon: uvloop's timers count milliseconds
BATCH: Final = 64  # tokens in one write where there is no pace to keep


@dataclass(frozen=True, slots=True)
class Pace:
    first_s: float  # from the request to the first token
    gap_s: float  # between two tokens; 0: none

    def due_s(self, token: int) -> float:
        """From the request to the token of that index."""
        return self.first_s + token * self.gap_s

    def by(self, elapsed_s: float) -> int | None:
        """How many tokens are due; None for all."""
        late_s = elapsed_s + EARLY_S - self.first_s
        if late_s < 0:
            return 0
        return int(late_s / self.gap_s) + 1 if self.gap_s else None


class Outlet(Protocol):
    """The client's side, as far as a player needs it."""

    def push(self, data: bytes) -> None: ...


class Player:
    """Tells the opening and as many beats as it is asked for; the source of an outlet."""

    def __init__(self, outlet: Outlet, play: Play, pace: Pace, started_at: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._outlet = outlet
        self._play = play
        self._pace = pace
        self._started_at = started_at  # by the loop's clock
        self._beats = 0
        self._told = 0
        self._opened = False
        self._held = False
        self._timer: asyncio.Handle | None = None
        self._done: asyncio.Future[None] | None = None

    async def tell(self, beats: int) -> None:
        """Returns when the opening and so many beats are told."""
        self._beats = beats
        self._done = self._loop.create_future()
        self._await(self._pace.due_s(0))
        try:
            await self._done
        finally:
            self._rest()
            self._done = None

    def pause(self) -> None:
        self._held = True
        self._rest()

    def resume(self) -> None:
        self._held = False
        if self._done is not None and self._timer is None:
            self._timer = self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        due = self._pace.by(self._loop.time() - self._started_at)
        if due is None:
            due = self._told + BATCH
        ready = list(islice(self._play.beats, max(0, min(due, self._beats) - self._told)))
        self._told += len(ready)
        if not self._opened and due > 0:
            self._opened = True
            ready.insert(0, self._play.opening)
        if ready:
            self._outlet.push(ready[0] if len(ready) == 1 else b"".join(ready))
        if self._opened and self._told >= self._beats:
            self._finish()
        elif not self._held:
            self._await(self._pace.due_s(self._told))

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _await(self, due_s: float) -> None:
        self._timer = self._loop.call_at(self._started_at + due_s, self._go_on)

    def _rest(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
