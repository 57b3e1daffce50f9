"""A client's side that keeps what is written, and a runtime in front of the scripted vendor."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.chat.operation import Operation
from gateway.dialects import openai, openai_chat
from gateway.exchange.ask import Ask
from gateway.exchange.caller import Caller
from gateway.policy.access import ANONYMOUS
from gateway.runtime.snapshot import Route
from gateway.server.outlet import Outlet
from gateway.telemetry.record import Record
from gateway.wire.http import RequestHead
from tests.unit.config.reading import read
from tests.unit.runtime.running import Running, running
from tests.vendors.scripted import Script, Vendor

SECRET = "sk-upstream-secret"
CONFIG = """
backends:
  bad: {{provider: openai_compatible, base_url: "{bad}/v1", credential: {secret}, max_in_flight: 1}}
  good: {{provider: openai_compatible, base_url: "{good}/v1", credential: {secret}}}
models:
  m: bad/real-model
  pair: {{targets: [{{use: bad/real-model}}, {{use: good/other-model, tier: 2}}]}}
timeouts: {{connect_s: 5, first_content_s: 5, idle_s: 5, total_s: 5}}
"""


@dataclass
class Client:
    """Keeps what an outlet writes."""

    sent: bytes = b""
    endings: list[str] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        assert not self.endings, "written after the end"
        self.sent += data

    def answered(self, *, keep: bool) -> None:
        self.endings.append("keep" if keep else "close")

    def abort(self) -> None:
        self.endings.append("abort")

    def outlet(self) -> Outlet:
        """HTTP/1.0 without chunks, so that what was sent reads as it is."""
        return Outlet(self, keep=False, chunked=False, bodiless=False)

    @property
    def status(self) -> int:
        return int(self.sent.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.sent.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines)

    @property
    def body(self) -> bytes:
        return self.sent.partition(b"\r\n\r\n")[2]


async def until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.002)


@dataclass
class Serving:
    house: Running
    bad: Vendor
    good: Vendor

    def __post_init__(self) -> None:
        self.client = Client()
        self.outlet = self.client.outlet()
        self.record = Record(Operation.CHAT)

    def route(self, model: str = "m") -> Route:
        route = self.house.runtime.snapshot.route(model)
        assert route is not None
        return route

    def ask(self, model: str = "m", **fields: object) -> Ask:
        document = {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}
        head, read_fields = openai.read_request(Operation.CHAT, json.dumps(document).encode())
        return Ask(Operation.CHAT, openai_chat.CLIENT, head, read_fields, self.route(model), b"")

    def caller(self, passed: bytes = b"", timeout_s: float = math.inf) -> Caller:
        head = RequestHead(b"POST", b"/v1/chat/completions", b"", {}, 0)
        return Caller(self.house.runtime.snapshot, ANONYMOUS, None, timeout_s, passed, head)

    def deadline(self, seconds: float = 5) -> float:
        return time.monotonic() + seconds

    @property
    def in_flight(self) -> list[int]:
        backends = self.house.runtime.snapshot.backends.values()
        return [backend.pool.in_flight + backend.pool.queued for backend in backends]


@asynccontextmanager
async def serving(
    *scripts: Script, other: Script = (), config: str = CONFIG, **more: Any
) -> AsyncIterator[Serving]:
    """scripts: what the backend `bad` plays; other: what `good` does."""
    with running() as house:
        async with Vendor(*scripts) as bad, Vendor(other) as good:
            text = config.format(bad=bad.url, good=good.url, secret=SECRET, **more)
            house.runtime.swap(read(text))
            made = Serving(house, bad, good)
            yield made
            house.runtime.close()
            assert not any(made.in_flight)
