"""The memory of two gateways that share a store: one call in all, and none waits for the dead."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from gateway.exchange.memory import HOLD_S
from tests.harness import KEY, Gateway, until
from tests.stores.valkey import Server, serving
from tests.vendors.openai_wire import chat_body, chat_events
from tests.vendors.scripted import Received, Script, Send, Stall, Vendor, Wait, response, streamed

CONFIG = """
store: {store}
keys: [{{name: tester, tenant: testers, key: "{key}", models: ["*"]}}]
backends: {{up: {{provider: openai_compatible, base_url: "{url}/v1"}}}}
models: {{m: {{targets: [{{use: up/x}}]}}}}
cache: {{enabled: true, compress: true}}
admin: {{token: {token}}}
"""
TOKEN = "admin-0123456789abcdef"
CLIENT = httpx2.Client(timeout=30, limits=httpx2.Limits(max_connections=60))
BODY = response(body=chat_body())
EVENTS = streamed(*chat_events(used={"prompt_tokens": 7, "completion_tokens": 3}))


@pytest.fixture(scope="module")
def store() -> Iterator[Server]:
    with serving() as server:
        yield server


@dataclass(frozen=True, slots=True)
class House:
    vendor: Vendor
    gateways: tuple[Gateway, Gateway]
    config: str


@pytest.fixture(scope="module")
def house(store: Server) -> Iterator[House]:
    with Vendor(choose=answered) as vendor:
        config = CONFIG.format(store=store.url, key=KEY, url=vendor.url, token=TOKEN)
        with Gateway(config) as one, Gateway(config) as other:
            yield House(vendor, (one, other), config)


def answered(request: Received) -> Script:
    """Late enough for all to have come, whole or streamed as it was asked."""
    return [Wait(0.4), Send(EVENTS if json.loads(request.body).get("stream") else BODY)]


def ask(gateway: Gateway, said: str, *, stream: bool = False) -> httpx2.Response:
    asked: dict[str, Any] = {
        "model": "m",
        "temperature": 0,
        "stream": stream,
        "messages": [{"role": "user", "content": said}],
    }
    head = {"authorization": f"Bearer {KEY}"}
    url = f"{gateway.base_url}/chat/completions"
    return CLIENT.post(url, json=asked, headers=head)


def test_what_the_store_has_spoilt_is_a_miss_and_counted(store: Server, house: House) -> None:
    questions = [*SPOILING, "whole"]
    with ThreadPoolExecutor(len(questions)) as pool:
        told = list(pool.map(lambda said: ask(house.gateways[0], said), questions))
        kept = [place(store, answer.headers["x-gateway-cache-key"]) for answer in told]
        for one, spoilt in zip(kept, SPOILING.values(), strict=False):
            store.asked("EVAL", spoilt, "2", one, kept[-1])
        other = house.gateways[1]  # it has nothing of this near
        again = list(pool.map(lambda said: ask(other, said), questions))
    assert {text(answer) for answer in again} == {"Hello there."}
    caches = [answer.headers["x-gateway-cache"] for answer in again]
    assert caches == [*["miss"] * len(SPOILING), "hit"]
    assert other.metric("gateway_cache_faults_total", kind="corrupt") == len(SPOILING)


def test_what_is_forgotten_at_one_replica_is_forgotten_at_all(house: House) -> None:
    one, other = house.gateways
    told = [ask(gateway, "forget me") for gateway in (one, other, other)]
    assert [answer.headers["x-gateway-cache"] for answer in told] == ["miss", "hit", "hit"]
    purged = CLIENT.delete(
        f"{one.admin}/admin/cache?entry={told[0].headers['x-gateway-cache-key']}",
        headers={"authorization": f"Bearer {TOKEN}"},
    )
    assert purged.json() == {"purged": 1}

    def forgotten() -> bool:
        return ask(other, "forget me").headers["x-gateway-cache"] == "miss"

    until(forgotten, 3, "it is still near")


# Of the value at the first key; that at the second one is another request's.
SPOILING = {
    "truncated": "local v = redis.call('GET', KEYS[1]); redis.call('SET', KEYS[1], v:sub(1, -9))",
    "flipped": "local v = redis.call('GET', KEYS[1]); "
    "redis.call('SET', KEYS[1], (v:gsub('Hello', 'Hallo')))",
    "unpacked": "redis.call('SET', KEYS[1], 'z' .. redis.call('GET', KEYS[1]))",
    "swapped": "redis.call('SET', KEYS[1], redis.call('GET', KEYS[2]))",
    "foreign": "redis.call('SET', KEYS[1], 'somebody else was here')",
}


def place(store: Server, key: str) -> str:
    """Where the store keeps an entry, once it does: its client has been answered before."""

    def found() -> list[bytes]:
        return store.asked("KEYS", f"gw1v:*{key}").split(b"\r\n")

    until(lambda: len(found()) == 4, 20, "it is not kept")
    return found()[2].decode()


def looks(store: Server) -> int:
    """How often the store has been asked for a value."""
    found = re.search(rb"cmdstat_get:calls=(\d+)", store.asked("INFO", "commandstats"))
    return 0 if found is None else int(found[1])


def text(answer: httpx2.Response) -> str:
    assert answer.status_code == 200, answer.text
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return str(answer.json()["choices"][0]["message"]["content"])
    assert answer.text.endswith("data: [DONE]\n\n")
    events = [json.loads(line[6:]) for line in answer.text.split("\n") if line[:7] == "data: {"]
    return "".join(one["delta"].get("content") or "" for e in events for one in e["choices"])


@pytest.mark.parametrize("leader_streams", [False, True])
def test_fifty_at_two_replicas_cost_one_call(house: House, leader_streams: bool) -> None:
    said, before = f"fifty at two, {leader_streams}", len(house.vendor.journal)
    gateways = house.gateways
    with ThreadPoolExecutor(50) as pool:
        told = [pool.submit(ask, gateways[0], said, stream=leader_streams)]
        told += [
            pool.submit(ask, gateways[number % 2], said, stream=number % 4 < 2)
            for number in range(49)
        ]
        answers = [one.result() for one in told]
    assert {text(answer) for answer in answers} == {"Hello there."}
    assert len(house.vendor.journal) == before + 1
    caches = [answer.headers["x-gateway-cache"] for answer in answers]
    assert caches.count("miss") == 1
    assert set(caches) <= {"miss", "shared", "hit"}
    assert {answer.headers["x-gateway-model"] for answer in answers} == {"up/x"}
    again = [ask(gateway, said, stream=True) for gateway in gateways]
    assert {answer.headers["x-gateway-cache"] for answer in again} == {"hit"}


def test_nobody_waits_for_a_replica_that_has_died(store: Server) -> None:
    scripts: list[Script] = [[Stall()], [Send(BODY)]]
    with Vendor(*scripts) as vendor:
        config = CONFIG.format(store=store.url, key=KEY, url=vendor.url, token=TOKEN)
        dying = Gateway(config)
        dying.__enter__()
        with Gateway(config) as living, ThreadPoolExecutor(2) as pool:
            try:
                lost = pool.submit(ask, dying, "who dies?")
                until(lambda: len(vendor.journal) == 1, 20, "not asked")
                waiting = pool.submit(ask, living, "who dies?")
                waits = looks(store) + 10
                until(lambda: looks(store) > waits, 20, "it does not wait")
                assert len(vendor.journal) == 1
            finally:
                dying.process.kill()
                dying.process.wait()
                dying.discard()
            died_at = time.monotonic()
            assert text(waiting.result()) == "Hello there."
            assert time.monotonic() - died_at < HOLD_S + 1
            assert isinstance(lost.exception(), httpx2.TransportError)
        assert len(vendor.journal) == 2
