"""Copies of some requests for another target, to see how it does. Nobody waits for its answers, and
nothing that happens to them reaches a caller.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from gateway.errors import GatewayError
from gateway.exchange.ask import Ask, losses, wire_request
from gateway.runtime.snapshot import Shadow, named
from gateway.telemetry.metrics import Metrics
from gateway.upstream.reply import Reply, UpstreamDown

MAX_ANSWER: Final = 64 * 1024 * 1024  # bytes read of an answer that nobody sees


class Shadows:
    """All copies under way in this process."""

    def __init__(self, metrics: Metrics, draw: Callable[[], float]) -> None:
        self._metrics = metrics
        self._draw = draw
        self._running: set[asyncio.Task[None]] = set()

    def cast(self, ask: Ask, shadow: Shadow) -> None:
        """Sends a copy, if the dice and the room there is say so. Returns at once."""
        if self._draw() >= shadow.ratio or ask.operation not in shadow.target.ways:
            return
        health, pool = shadow.target.health, shadow.target.backend.pool
        if health.shadows >= shadow.max_in_flight or not pool.enter():
            self._count(ask, "skipped")
            return
        health.shadows += 1
        task = asyncio.get_running_loop().create_task(self._copy(ask, shadow))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _copy(self, ask: Ask, shadow: Shadow) -> None:
        target = named(shadow.target, ask.route, ask.head.model)
        deadline_at = time.monotonic() + ask.route.deadline_s
        outcome = "failed"
        reply: Reply | None = None
        try:
            request = wire_request(ask, target, losses(ask))
            reply = await target.backend.pool.send(request, target.timeouts, deadline_at)
            await reply.read(MAX_ANSWER)
            outcome = "complete" if reply.status == 200 else "failed"
        except (UpstreamDown, GatewayError):
            pass
        finally:
            target.backend.pool.leave(reply)
            target.health.shadows -= 1
            self._count(ask, outcome)

    def _count(self, ask: Ask, outcome: str) -> None:
        self._metrics.number("gateway_shadows_total", ask.route.model, outcome).value += 1
