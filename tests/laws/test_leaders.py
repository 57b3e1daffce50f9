"""Whatever becomes of the one who asked first, the others have whole answers or honest errors, and
nothing is left behind.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.chat.operation import Operation
from gateway.exchange.pipeline import Gateway
from gateway.stores.memory import MemoryStore
from tests.unit.exchange.serving import CONFIG as SERVED
from tests.unit.exchange.serving import Client, Serving, serving, until
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body, chat_events
from tests.vendors.scripted import (
    LAST_CHUNK,
    Received,
    Reset,
    Script,
    Send,
    Wait,
    chunk,
    response,
    stream_head,
)

CONFIG = SERVED + (
    "cache: {{enabled: true}}\nattempts: {{max: 1, backoff_base_s: 0.01}}\n"
    "circuit: {{enabled: false}}\n"
)
USED: dict[str, object] = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
ROLE, FIRST, *REST = chat_events(used=USED)
GAP = Wait(0.04)  # between what is sent, so that each step is seen by itself
WHOLE: Script = [GAP, Send(response(body=chat_body()))]
STREAM: Script = [
    GAP,
    Send(stream_head() + chunk(ROLE)),
    GAP,
    Send(chunk(FIRST)),
    GAP,
    Send(chunk(REST[0])),
    GAP,
    Send(b"".join(map(chunk, REST[1:])) + LAST_CHUNK),
]
DYING: dict[str, Script] = {
    "before_headers": [GAP, Reset()],
    "after_first_chunk": [*STREAM[:4], GAP, Reset()],
    "mid_stream": [*STREAM[:6], GAP, Reset()],
}


class Gated(MemoryStore):
    """A store that others share, slow at will."""

    def __init__(self) -> None:
        super().__init__()
        self.may_hold, self.may_put = asyncio.Event(), asyncio.Event()
        self.holding = self.putting = False
        self.may_hold.set()
        self.may_put.set()

    async def hold(self, key: bytes, holder: bytes, ttl_s: float) -> bool:
        self.holding = True
        await self.may_hold.wait()
        return await super().hold(key, holder, ttl_s)

    async def put(self, key: bytes, value: bytes, ttl_s: float, *, owner: bytes = b"") -> None:
        self.putting = True
        await self.may_put.wait()
        await super().put(key, value, ttl_s, owner=owner)


class Deaf(Client):
    """A client whose connection is gone, as a write tells."""

    def write(self, data: bytes) -> None:
        raise ConnectionResetError


@dataclass
class Scene:
    on: Serving
    store: Gated
    gateway: Gateway
    running: list[asyncio.Task[None]] = field(default_factory=list)

    def ask(self, *, stream: bool, client: Client | None = None) -> Client:
        """It has its seat after one turn of the loop."""
        client = client or Client()
        body = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": "hi"}]}
        asked = json.dumps({**body, "stream": stream}).encode()
        exchange = self.gateway.exchange(self.on.caller(), Operation.CHAT, asked, client.outlet())
        self.running.append(asyncio.ensure_future(exchange))
        return client

    async def over(self) -> None:
        await asyncio.gather(*self.running, return_exceptions=True)
        await until(lambda: not self.gateway._memory._flights.by_key)
        await until(lambda: not any(self.on.in_flight))
        assert not self.store._holds
        assert self.on.house.runtime.sink.open_exchanges == 0


@asynccontextmanager
async def scene(*scripts: Script) -> AsyncIterator[Scene]:
    async with serving(*scripts, config=CONFIG) as on:
        store = Gated()
        on.house.runtime.values, on.house.runtime.shares = store, True
        yield Scene(on, store, Gateway(on.house.runtime, lambda: 0.0))
        await asyncio.sleep(0.01)  # a connection that was dropped as it was made: the vendor has it


def said(client: Client) -> str:
    """What a client has read, of an answer that is whole."""
    assert client.status == 200
    if b"text/event-stream" not in client.sent:
        return str(json.loads(client.body)["choices"][0]["message"]["content"])
    assert client.body.endswith(b"data: [DONE]\n\n")
    lines = [line[6:] for line in client.body.split(b"\n") if line.startswith(b"data: {")]
    choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def streams(request: Received) -> bool:
    return json.loads(request.body).get("stream") is True


# Where the first one is when it is lost: how that is brought about, and how it is seen.
Seen = Callable[[Scene, Client], object]
PHASES: dict[str, Seen] = {
    "before_claim": lambda on, first: on.store.holding,
    "after_claim": lambda on, first: on.store._holds,
    "before_headers": lambda on, first: on.on.bad.journal,
    "after_first_chunk": lambda on, first: FIRST in first.sent or on.on.bad.journal,
    "mid_stream": lambda on, first: REST[0] in first.sent or on.on.bad.journal,
    "before_the_store": lambda on, first: on.store.putting,
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("phase", PHASES)
@looped
async def test_the_first_one_leaves_and_the_others_have_their_answers(
    phase: str, stream: bool
) -> None:
    async with scene(STREAM if stream else WHOLE) as on:
        if phase == "before_claim":
            on.store.may_hold.clear()
        if phase == "before_the_store":
            on.store.may_put.clear()
        first = on.ask(stream=stream)
        await asyncio.sleep(0)
        others = [on.ask(stream=one) for one in (True, False, stream)]
        await until(lambda: PHASES[phase](on, first))
        on.running[0].cancel()
        await asyncio.sleep(0)
        on.store.may_hold.set()
        on.store.may_put.set()
        await on.over()
        assert {said(other) for other in others} == {"Hello there."}
        assert len(on.on.bad.journal) == 1
        again = on.ask(stream=False)
        await on.over()
        assert again.headers["x-gateway-cache"] == "hit"
        assert on.on.record.attempts == []


@pytest.mark.parametrize("stream", [True, False])
@looped
async def test_the_first_one_is_gone_as_its_write_tells_and_the_others_do_not_notice(
    stream: bool,
) -> None:
    async with scene(STREAM if stream else WHOLE) as on:
        on.ask(stream=stream, client=Deaf())
        others = [on.ask(stream=one) for one in (True, False)]
        await on.over()
        assert {said(other) for other in others} == {"Hello there."}
        assert len(on.on.bad.journal) == 1


@pytest.mark.parametrize("phase", DYING)
@looped
async def test_the_backend_dies_and_nobody_is_told_that_its_answer_is_whole(phase: str) -> None:
    async with scene(DYING[phase], STREAM) as on:
        clients = [on.ask(stream=stream) for stream in (True, True, False)]
        await on.over()
        for client in clients:
            assert b"[DONE]" not in client.sent
            assert b'"code":"' in client.body
            assert b'finish_reason":"stop' not in client.body
        assert clients[2].status >= 500
        again = on.ask(stream=True)
        await on.over()
        assert said(again) == "Hello there."
        assert again.headers["x-gateway-cache"] == "miss"
        assert len(on.on.bad.journal) == 2


@pytest.mark.parametrize("phase", PHASES)
@looped
async def test_when_all_have_left_at_once_nothing_is_left(phase: str) -> None:
    async with scene(STREAM) as on:
        if phase == "before_claim":
            on.store.may_hold.clear()
        if phase == "before_the_store":
            on.store.may_put.clear()
        first = on.ask(stream=True)
        await asyncio.sleep(0)
        on.ask(stream=False)
        await until(lambda: PHASES[phase](on, first))
        for running in on.running:
            running.cancel()
        on.store.may_hold.set()
        on.store.may_put.set()
        await on.over()
