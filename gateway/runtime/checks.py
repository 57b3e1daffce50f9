"""Asking backends now and then whether they are there, beside the traffic.

A check only makes a backend wait its turn: when no other target is left, one that is held to be
down is tried all the same. Each process asks for itself.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from gateway.config.schema import HealthCheck
from gateway.runtime.snapshot import Backend
from gateway.runtime.state import Runtime
from gateway.upstream.pool import Timeouts, WireRequest
from gateway.upstream.reply import Reply, UpstreamDown

TICK_S: Final = 0.1
MAX_BODY: Final = 64 * 1024
SPREAD: Final = 0.2  # of the interval, so that many gateways do not ask as one


class Checks:
    """The checks of one process."""

    def __init__(self, runtime: Runtime, draw: Callable[[], float] = random.random) -> None:
        self._runtime = runtime
        self._draw = draw
        self._due_at: dict[str, float] = {}  # by backend
        self._asking: set[str] = set()

    async def watch(self) -> None:
        """Asks for ever, whoever is due."""
        async with asyncio.TaskGroup() as group:
            while True:
                now = time.monotonic()
                snapshot = self._runtime.snapshot
                for name, backend in snapshot.backends.items():
                    check = snapshot.config.backends[name].health_check
                    if not check.enabled:
                        backend.standing.found(good=True, check=check)
                    elif now >= self._due_at.get(name, 0.0) and name not in self._asking:
                        group.create_task(self._ask(backend, check))
                        self._asking.add(name)
                await asyncio.sleep(TICK_S)

    async def _ask(self, backend: Backend, check: HealthCheck) -> None:
        standing = backend.standing
        try:
            good = await answers(backend, check)
            was_up = standing.up
            standing.found(good=good, check=check)
            if standing.up is not was_up:
                event = "backend_up" if standing.up else "backend_down"
                self._runtime.sink.log.say("warning", event, backend=backend.name)
        finally:
            self._asking.discard(backend.name)
            spread = 1.0 + SPREAD * (2.0 * self._draw() - 1.0)
            self._due_at[backend.name] = time.monotonic() + check.every_s * spread


async def answers(backend: Backend, check: HealthCheck) -> bool:
    """Whether it answers with a 2xx, in time."""
    seconds = check.timeout_s
    reply: Reply | None = None
    try:
        path = backend.base_path + check.path.encode()
        proof = backend.prove(path, b"") if backend.token and backend.prove else b""
        head = b"GET %b HTTP/1.1\r\n%b%b\r\n" % (path, backend.common, proof)
        reply = await backend.pool.send(
            WireRequest(head, b""),
            Timeouts(seconds, seconds, seconds, seconds),
            time.monotonic() + seconds,
        )
        await reply.read(MAX_BODY)
        return 200 <= reply.status < 300
    except UpstreamDown:
        return False
    finally:
        if reply is not None and reply.carrier is not None:
            reply.close()
