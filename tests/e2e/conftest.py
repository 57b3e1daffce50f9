"""One gateway for all end-to-end tests, between real clients and two backends: a scripted vendor
and the simulated model.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

import openai
import pytest

from tests.e2e.node import Node, NotThere
from tests.e2e.vendor import vendor
from tests.harness import KEY, Gateway
from tests.vendors.scripted import Vendor, closed_port

NARROW_KEY: Final = "sk-narrow-0123456789abcdef"  # of a caller who may use the model m only
MAX_BODY: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class House:
    gateway: Gateway
    vendor: Vendor


def skip(request: pytest.FixtureRequest, reason: str) -> NoReturn:
    """Skips a test for what cannot be had here; the mark folds all of one reason into one line."""
    request.applymarker(pytest.mark.skip(reason=reason))
    pytest.skip(reason)


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    with vendor() as up, Gateway(_config(up.url)) as gateway:
        yield House(gateway, up)


@pytest.fixture(scope="session")
def started(house: House) -> Iterator[Node | NotThere]:
    try:
        node = Node(house.gateway.base_url, KEY)
    except NotThere as reason:
        yield reason
        return
    with node:
        yield node


@pytest.fixture
def node(request: pytest.FixtureRequest, started: Node | NotThere) -> Node:
    if isinstance(started, NotThere):
        skip(request, f"no client in Node here: {started}")
    return started


def _config(url: str) -> str:
    return f"""
server: {{max_body_bytes: {MAX_BODY}}}
# One fault at a time, and nothing remembered of it.
attempts: {{retry_budget_ratio: 0, retry_budget_per_s: 0, max_hold_s: 0}}
circuit: {{enabled: false}}
keys:
  - {{name: tester, tenant: testers, key: "{KEY}", models: ["*"]}}
  - {{name: narrow, tenant: testers, key: "{NARROW_KEY}", models: [m]}}
backends:
  up: {{provider: openai_compatible, base_url: "{url}/v1", credential: sk-upstream-secret}}
  nobody: {{provider: openai_compatible, base_url: "http://127.0.0.1:{closed_port()}/v1"}}
  sim: {{provider: simulated, first_content_s: 0, tokens_per_second: 5000, tokens: 20}}
models:
  m: up/real-model
  demo: sim/lorem
  gone: nobody/model
  "up/*": up/*
  "sim/*": sim/*
"""


class Caller(Protocol):
    """openai-python, blocking or not: a call is written once, for both."""

    def __call__(self, call: Callable[[Any], Any]) -> Any:
        """What the call gives; of a stream, the list of its events."""


class _Blocking:
    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def __call__(self, call: Callable[[Any], Any]) -> Any:
        answer = call(self._client)
        return list(answer) if isinstance(answer, openai.Stream) else answer


class _Looped:
    def __init__(self, client: openai.AsyncOpenAI, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __call__(self, call: Callable[[Any], Any]) -> Any:
        return self._runner.run(self._whole(call))

    async def _whole(self, call: Callable[[Any], Any]) -> Any:
        answer = await call(self._client)
        if isinstance(answer, openai.AsyncStream):
            return [event async for event in answer]
        return answer


@pytest.fixture(scope="session", params=["sync", "async"])
def ask(request: pytest.FixtureRequest, house: House) -> Iterator[Caller]:
    url = house.gateway.base_url
    if request.param == "sync":
        with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
            yield _Blocking(client)
        return
    with asyncio.Runner() as runner:
        later = openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0)
        try:
            yield _Looped(later, runner)
        finally:
            runner.run(later.close())


@pytest.fixture(scope="session")
def client(house: House) -> Iterator[openai.OpenAI]:
    url = house.gateway.base_url
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=20) as client:
        yield client
