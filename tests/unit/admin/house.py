"""A house for the keeper's port: what is asked about it, and a client of the port."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from gateway.admin import api
from gateway.config.schema import Config
from gateway.telemetry.logs import Log
from gateway.telemetry.metrics import Metrics
from tests.unit.config.reading import read
from tests.unit.telemetry.written import Written

PLAIN = "backends: {sim: {provider: simulated}}\nmodels: {demo: sim/lorem}\n"


@dataclass
class House:
    """What the port asks about."""

    good: bool = True
    asked: int = 0
    drained: int = 0
    purged: list[bytes] = field(default_factory=list)
    numbers: Metrics = field(default_factory=Metrics)
    text: str = PLAIN
    written: Written = field(default_factory=Written)

    def ready(self) -> tuple[bool, dict[str, object]]:
        return self.good, {"status": "ready" if self.good else "draining", "config": "abc"}

    async def metrics(self) -> Sequence[Metrics]:
        self.asked += 1
        return [self.numbers]

    @property
    def log(self) -> Log:
        return self.written.log

    def config(self) -> Config:
        return read(self.text)

    def hashes(self) -> list[str]:
        return ["abc", "abc"]

    async def purge(self, pattern: bytes) -> int:
        self.purged.append(pattern)
        return 3

    def drain(self) -> None:
        self.drained += 1


@asynccontextmanager
async def keeper(house: House) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the port."""
    runner = web.AppRunner(api.build(house), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
        yield session
    await runner.cleanup()
    house.written.close()


async def ask(
    keeper: aiohttp.ClientSession,
    path: str,
    method: str = "GET",
    *,
    token: str | None = None,
    body: bytes | None = None,
    kind: str = "application/json",
) -> tuple[int, str]:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    if body is not None:
        headers["content-type"] = kind
    async with keeper.request(method, path, data=body, headers=headers) as answer:
        return answer.status, await answer.text()
