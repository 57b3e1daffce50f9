"""What the admin port answers: health, readiness, metrics, and with a token the keeper's API."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from gateway.admin.description import ROUTES
from gateway.admin.keeper import MAX_BODY, House, Keeper
from gateway.telemetry.metrics import exposition

SHUTDOWN_S: Final = 0.5  # for a scrape that is under way
CACHED_S: Final = 1.0  # scrapers that come at once share one exposition
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


def build(house: House) -> web.Application:
    keeper = Keeper(house)
    app = web.Application(middlewares=[keeper.guard], client_max_size=MAX_BODY)
    answers = _Answers(house)
    app.add_routes(
        [
            web.get("/healthz", answers.health),
            web.get("/readyz", answers.ready),
            web.get("/metrics", answers.metrics),
        ]
    )
    app.add_routes([web.route(one.method, one.path, keeper.answers[one.name]) for one in ROUTES])
    return app


@asynccontextmanager
async def opened(house: House, sock: socket.socket) -> AsyncIterator[None]:
    """The admin port, open for as long as the block runs."""
    runner = web.AppRunner(build(house), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        yield
    finally:
        await runner.cleanup()


class _Answers:
    def __init__(self, house: House) -> None:
        self._house = house
        self._made_at = 0.0
        self._text = b""  # the exposition, kept for a moment
        self._lock = asyncio.Lock()

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        good, facts = self._house.ready()
        return web.json_response(facts, status=200 if good else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        async with self._lock:
            if time.monotonic() - self._made_at > CACHED_S:
                numbers = await self._house.metrics()
                self._text = await asyncio.to_thread(exposition, numbers)  # off the loop
                self._made_at = time.monotonic()
        return web.Response(body=self._text, headers={"content-type": _TEXT})
