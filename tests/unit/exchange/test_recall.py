"""What is told again at once is what was told before, and only while nothing has changed."""

import json
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from gateway.chat.operation import Operation
from gateway.exchange.caller import Caller
from gateway.exchange.pipeline import Gateway
from gateway.exchange.recall import ENTRY_BYTES, MAX_BODY
from gateway.policy.access import VirtualKey, virtual_key
from gateway.wire.http import RequestHead
from tests.unit.config.reading import read
from tests.unit.exchange.serving import Client
from tests.unit.runtime.running import Running, running
from tests.vendors.looped import looped

CONFIG = """
backends:
  sim: {provider: simulated, first_content_s: 0, tokens_per_second: 100000, tokens: 5}
  ill: {provider: simulated, first_content_s: 0, tokens_per_second: 100000, tokens: 5}
models:
  m: sim/lorem
  paced: {targets: [{use: sim/lorem}], cache: {enabled: true, replay_tokens_per_s: 100000}}
  verified: {targets: [{use: sim/lorem}], cache: {enabled: true, verify: 1.0}}
  limited: {targets: [{use: sim/lorem}], limits: {requests_per_minute: 100}}
  two: {targets: [{use: sim/lorem}, {use: sim/ipsum}]}
  relieved: {targets: [{use: ill/lorem}, {use: ill/ipsum}], fallbacks: {any: [m]}}
  off: {targets: [{use: sim/lorem}], cache: {enabled: false}}
cache: {enabled: true}
"""
KEY = virtual_key("a", "one", ("*",))


class On:
    def __init__(self, house: Running) -> None:
        self.house = house
        self.gateway = Gateway(house.runtime, lambda: 0.0)

    def caller(self, key: VirtualKey = KEY, **headers: str) -> Caller:
        fields = {name.replace("_", "-").encode(): said.encode() for name, said in headers.items()}
        head = RequestHead(b"POST", b"/v1/chat/completions", b"", fields, 0)
        return Caller(self.house.runtime.snapshot, key, None, math.inf, b"", head)

    def recalled(self, body: bytes, caller: Caller | None = None) -> Client | None:
        client = Client()
        asked = caller or self.caller()
        found = self.gateway.recalled(asked, Operation.CHAT, body, client.outlet())
        return client if found else None

    async def asked(self, body: bytes, times: int = 2) -> Client:
        for _ in range(times):
            client = Client()
            await self.gateway.exchange(self.caller(), Operation.CHAT, body, client.outlet())
            assert client.status == 200
        return client


@asynccontextmanager
async def remembering() -> AsyncIterator[On]:
    with running() as house:
        house.runtime.swap(read(CONFIG))
        yield On(house)


def body(model: str = "m", **more: Any) -> bytes:
    said = [{"role": "user", "content": "again?"}]
    return json.dumps({"model": model, "messages": said, "temperature": 0, **more}).encode()


def lasting(headers: dict[str, str]) -> dict[str, str]:
    passing = ("x-request-id", "server-timing", "age", "date")
    return {name: said for name, said in headers.items() if name not in passing}


@pytest.mark.parametrize("more", [{}, {"stream": True}])
@looped
async def test_it_is_told_as_the_memory_told_it_and_counted_alike(more: dict[str, Any]) -> None:
    async with remembering() as on:
        before = await on.asked(body(**more))
        saved = on.house.number("gateway_cache_saved_tokens_total", "m", "output")
        again = on.recalled(body(**more))
        assert again is not None
        assert again.status == 200
        assert again.body == before.body
        assert lasting(again.headers) == lasting(before.headers)
        assert again.headers["x-request-id"] != before.headers["x-request-id"]
        assert again.endings == before.endings
        assert on.house.number("gateway_cache_requests_total", "m", "hit") == 2
        assert on.house.number("gateway_cache_saved_tokens_total", "m", "output") == 2 * saved > 0
        assert on.house.number("gateway_requests_total", "chat", "m", "2xx") == 3
        one, other = on.house.written.lines("exchange")[-2:]
        for line in (one, other):
            assert line.pop("id")
            assert line.pop("ts")
            line.pop("duration_s")
        assert one == other


@looped
async def test_whatever_has_changed_goes_the_whole_way() -> None:
    async with remembering() as on:
        await on.asked(body())
        assert on.recalled(body())
        assert not on.recalled(body(seed=1))
        assert not on.recalled(body(), on.caller(virtual_key("b", "two", ("*",))))
        assert not on.recalled(body(), on.caller(virtual_key("a", "two", ("*",))))
        assert not on.recalled(body(), on.caller(virtual_key("a", "one", ("other",))))
        assert not on.recalled(body(), on.caller(virtual_key("a", "one", ("*",), caches=False)))
        assert not on.recalled(body(), on.caller(cache_control="no-cache"))
        preview = msgspec.structs.replace(on.caller(), passed=b"openai-beta: x\r\n")
        assert not on.recalled(body(), preview)
        on.house.runtime.swap(read(CONFIG))
        assert not on.recalled(body())
        await on.asked(body(), times=1)
        assert on.recalled(body())


@looped
async def test_it_ends_with_the_value_it_was_made_of() -> None:
    async with remembering() as on:
        near = on.house.runtime.near
        for purge in (True, False):
            await on.asked(body())
            assert on.recalled(body())
            (place,) = near._entries
            if purge:
                await near.purge(b"cache/*")
            else:
                await near.put(place, await near.get(place) or b"", 60)
            assert not on.recalled(body())
            assert not on.gateway._memory.recalls._kept


@looped
async def test_it_ends_when_the_answer_is_too_old() -> None:
    async with remembering() as on:
        await on.asked(body())
        kept = on.gateway._memory.recalls._kept
        ((key, found),) = kept.items()
        assert found.until == found.made_at + 3600
        kept[key] = msgspec.structs.replace(found, until=time.time() - 1)
        assert not on.recalled(body())
        assert not kept


@pytest.mark.parametrize("model", ["paced", "verified", "limited", "two", "off"])
@looped
async def test_what_is_to_be_counted_drawn_or_paced_is_looked_at_each_time(model: str) -> None:
    async with remembering() as on:
        await on.asked(body(model))
        assert not on.recalled(body(model))


@looped
async def test_what_another_model_said_meanwhile_is_not_said_when_one_s_own_is_well() -> None:
    async with remembering() as on:
        route = on.house.runtime.snapshot.routes["relieved"]
        for target in route.targets:
            target.health.hold(time.monotonic(), 60)
        met = await on.asked(body("relieved"))
        assert met.headers["x-gateway-cache"] == "hit"
        assert met.headers["x-gateway-model"] == "sim/lorem"
        for target in route.targets:
            target.health.held_until = 0
        assert not on.recalled(body("relieved"))


@looped
async def test_there_is_no_more_of_it_than_a_share_of_the_memory() -> None:
    async with remembering() as on:
        recalls = on.gateway._memory.recalls
        on.house.runtime.recalled_bytes = 20 * ENTRY_BYTES
        for number in range(60):
            await on.asked(body(seed=number))
        assert 5 < len(recalls._kept) < 20
        assert sum(len(one.body) + ENTRY_BYTES for one in recalls._kept.values()) == recalls._bytes
        assert not on.recalled(body(seed=0))
        assert on.recalled(body(seed=59))
        long = body(user="x" * MAX_BODY)
        await on.asked(long)
        assert not on.recalled(long)
