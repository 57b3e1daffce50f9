"""What the admin port answers: health, readiness, metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from gateway.runtime.state import Runtime
from gateway.telemetry.metrics import exposition

CACHED_S: Final = 1.0  # scrapers that come at once share one exposition
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"

Measure = Callable[[], None]  # brings the gauges up to date


def build(runtime: Runtime, measure: Measure) -> web.Application:
    app = web.Application()
    scrape = _Scrape(runtime, measure)
    app.add_routes(
        [
            web.get("/healthz", _health(runtime)),
            web.get("/readyz", _ready(runtime)),
            web.get("/metrics", scrape.answer),
        ]
    )
    return app


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _health(runtime: Runtime) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    return answer


def _ready(runtime: Runtime) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        if runtime.draining:
            return web.json_response({"status": "draining"}, status=503)
        return web.json_response({"status": "ready", "config": runtime.snapshot.hash})

    return answer


class _Scrape:
    """The exposition, made off the loop and kept for a moment."""

    def __init__(self, runtime: Runtime, measure: Measure) -> None:
        self._runtime = runtime
        self._measure = measure
        self._made_at = 0.0
        self._text = b""
        self._lock = asyncio.Lock()

    async def answer(self, request: web.Request) -> web.Response:
        async with self._lock:
            if time.monotonic() - self._made_at > CACHED_S:
                self._measure()
                metrics = [self._runtime.sink.metrics]
                self._text = await asyncio.to_thread(exposition, metrics)
                self._made_at = time.monotonic()
        return web.Response(body=self._text, headers={"content-type": _TEXT})
