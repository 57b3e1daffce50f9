"""`on_limit: wait` as callers meet it: late instead of refused, fairly, and never for nothing."""

import json
import socket
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness import KEY, Gateway, config_for, until
from tests.stores.valkey import serving
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Script, Send, Vendor, Wait, response

HELLO = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ANSWER = Send(response(200, chat_body(used={"prompt_tokens": 7, "completion_tokens": 3})))
SLOW: Script = [Wait(0.1), ANSWER]


def limited(url: str, limits: str, store: str = "memory", more: str = "") -> str:
    limits = f"limits: {{{limits}, on_limit: wait}}"
    return config_for(url, more=f"{limits}\nstore: {store}\n{more}")


def status(gateway: Gateway, key: str = KEY) -> int:
    return gateway.post("/v1/chat/completions", HELLO, key)[0]


def many(gateways: Sequence[Gateway], number: int) -> Counter[int]:
    with ThreadPoolExecutor(number) as pool:
        asking = [pool.submit(status, gateways[one % len(gateways)]) for one in range(number)]
        return Counter(one.result() for one in asking)


def test_the_workers_of_one_host_wait_for_the_same_limit() -> None:
    config = limited("{}", "requests_per_second: 20", more="server: {workers: 2}")
    with Vendor([ANSWER]) as vendor, Gateway(config.replace("{}", vendor.url)) as gateway:
        began = time.monotonic()
        assert many([gateway], 40) == {200: 40}
        assert time.monotonic() - began > 0.9
        granted = gateway.metric("gateway_limit_waits_total", result="granted")
        assert 15 <= granted <= 20
        until(lambda: len(gateway.lines("exchange")) == 40, 20, "not all told")
        waited = [line for line in gateway.lines("exchange") if line.get("limit_wait_s")]
        assert all(line["overhead_s"] < line["limit_wait_s"] for line in waited)
        assert len(waited) == granted


def test_two_processes_with_one_store_let_each_other_in() -> None:
    with serving() as server, Vendor(SLOW) as vendor:
        config = limited(vendor.url, "concurrent: 3", server.url)
        with Gateway(config) as one, Gateway(config) as two:
            assert many([one, two], 18) == {200: 18}
            calls = server.asked("INFO", "commandstats").decode()
            asked = int(calls.partition("cmdstat_evalsha:calls=")[2].partition(",")[0])
            assert asked < 150  # claims, settlings and signs of life; nobody polls


def test_a_client_that_leaves_while_it_waits_reaches_no_backend_and_holds_nothing() -> None:
    with (
        Vendor([Wait(2.5), ANSWER], [ANSWER]) as vendor,
        Gateway(limited(vendor.url, "concurrent: 1")) as gateway,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(status, gateway)
        until(lambda: len(vendor.journal) == 1, 20, "not asked")
        body = json.dumps(HELLO).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
        head += b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
        with socket.create_connection(("127.0.0.1", gateway.port)) as leaving:
            leaving.sendall(head % (KEY.encode(), len(body)) + body)
            until(lambda: gateway.metric("gateway_limit_waiting") == 1, 20, "does not wait")
        assert gateway.metric("gateway_limit_waiting") == 0
        assert gateway.metric("gateway_limit_waits_total", result="left") == 1
        assert first.result() == 200
        assert status(gateway) == 200
        assert len(vendor.journal) == 2


@pytest.mark.parametrize("bound", ["max_wait_s: 0.1", "max_wait_s: 30, max_waiting: 1"])
def test_whoever_waits_too_long_or_finds_the_room_full_is_refused(bound: str) -> None:
    with (
        Vendor([Wait(0.6), ANSWER]) as vendor,
        Gateway(limited(vendor.url, f"concurrent: 1, {bound}")) as gateway,
    ):
        statuses = many([gateway], 4)
        assert statuses[429] == (3 if "0.1" in bound else 2)
        (line, *_) = [one for one in gateway.lines("exchange") if one["status"] == 429]
        assert line["code"] == "concurrency"
        assert len(vendor.journal) == statuses[200]


def test_a_higher_class_is_served_first_and_a_flood_does_not_drown_others() -> None:
    more = "tenants: {many: {}, few: {weight: 2}, urgent: {priority: high}}\n"
    keys = (
        "  - {name: many, tenant: many, key: many-0123456789abcdef}\n"
        "  - {name: few, tenant: few, key: few-0123456789abcdef}\n"
        "  - {name: urgent, tenant: urgent, key: urgent-0123456789abcdef}\n"
    )
    with Vendor(SLOW) as vendor, ThreadPoolExecutor(40) as pool:
        config = limited(vendor.url, "concurrent: 1", more=more)
        config = config.replace("backends:", keys + "backends:", 1)
        with Gateway(config) as gateway:
            flood = [pool.submit(status, gateway, "many-0123456789abcdef") for _ in range(20)]
            until(lambda: len(vendor.journal) >= 3, 20, "no flood")
            others = [
                pool.submit(status, gateway, f"{name}-0123456789abcdef")
                for name in ("few", "few", "few", "urgent", "urgent")
            ]
            assert {one.result() for one in [*flood, *others]} == {200}
            order = [line["key"] for line in gateway.lines("exchange")]
    behind = order[order.index("urgent") :]
    assert behind[:2] == ["urgent", "urgent"]
    assert behind.count("few") == 3
    assert behind.index("few") < 5
    assert behind[2:9].count("few") == 3
