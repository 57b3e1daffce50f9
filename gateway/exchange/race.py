"""Two targets asked for the same answer: the first to have content gives it, the other is let go.

Hedging is off unless a route asks for it, spends no more than its share of the requests, and begins
only when the first target has been silent for longer than it usually is. Source: "The Tail at
Scale" (Dean, Barroso, 2013).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.errors import Code
from gateway.exchange.course import Choice
from gateway.policy.failures import Failure
from gateway.telemetry.record import Attempt, Record
from gateway.upstream.reply import Reply

USUALLY: Final = 0.95  # the share of first contents that came by the time a second is asked


def patience_s(choice: Choice) -> float | None:
    """How long the first target may be silent; None: not known yet, so nothing is hedged."""
    after_s = choice.route.hedging.after_s
    return choice.target.health.pulse.quantile(USUALLY) if after_s is None else after_s


class Race:
    """Who of several attempts answers. Decided in one step, the moment that one has content."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._running: dict[asyncio.Task[Failure | None], Attempt] = {}
        self._replies: list[tuple[Attempt, Reply]] = []
        self.winner: Attempt | None = None

    def start(self, attempt: Attempt, run: Callable[[], Awaitable[Failure | None]]) -> None:
        async def attempted() -> Failure | None:
            return await run()

        task = asyncio.get_running_loop().create_task(attempted())
        task.add_done_callback(lambda _: _over(attempt))
        self._running[task] = attempt

    def replied(self, attempt: Attempt, reply: Reply) -> None:
        """An attempt has the head of an answer; its body might come at any moment."""
        self._replies.append((attempt, reply))

    def won(self, attempt: Attempt) -> None:
        """attempt has content: nobody else may write any more."""
        if self.winner is not None:
            return
        self.winner = attempt
        for other, reply in self._replies:
            if other is not attempt:
                reply.close()
        for task, other in self._running.items():
            if other is not attempt and not task.done():
                other.lost = True
                self._record.waited_s += max(0.0, attempt.started_at - other.started_at)
                task.cancel()
        attempts = self._record.attempts
        attempts.append(attempts.pop(attempts.index(attempt)))  # the last one is the answer's

    @property
    def open(self) -> bool:
        """Whether somebody may still answer."""
        return any(not attempt.lost for attempt in self._running.values())

    async def ended(self, timeout_s: float | None) -> tuple[Attempt, Failure | None] | None:
        """The next attempt that has ended, and how; None when the time is up."""
        while self._running:
            done, _ = await asyncio.wait(
                self._running, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return None
            for task in done:
                attempt = self._running.pop(task)
                if not attempt.lost:
                    return attempt, task.result()
        return None

    async def end(self) -> None:
        """Whatever still runs is over, as an exchange's end wants it."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()


def _over(attempt: Attempt) -> None:
    """Told of every attempt of a race: one that was cancelled before its first step could not."""
    if not attempt.ended_at:
        attempt.ended_at = time.monotonic()
        attempt.failure = attempt.failure or Code.CLIENT_CLOSED
