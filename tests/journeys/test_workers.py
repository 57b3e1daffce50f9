"""Several processes on one address: one gateway to its callers, its admins and its supervisor."""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.harness import Gateway, config_for, until
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Send, Vendor, response

HELLO = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
GOOD = [Send(response(200, chat_body()))]
TWO = "server: {workers: 2}"


def workers(gateway: Gateway) -> list[int]:
    """The pids of the gateway's children."""
    folder = Path(f"/proc/{gateway.pid}/task")
    return [
        int(pid) for task in folder.iterdir() for pid in (task / "children").read_text().split()
    ]


def live(gateway: Gateway) -> int:
    found = re.search(rb'"live": (\d+)', gateway.get("/readyz", admin=True)[1])
    assert found is not None
    return int(found[1])


def test_a_worker_carries_nothing_of_the_admin_port() -> None:
    """A third of its memory would else be the HTTP library that only the supervisor needs."""
    with Vendor(GOOD) as vendor, Gateway(config_for(vendor.url, more=TWO)) as gateway:
        assert gateway.post("/v1/chat/completions", HELLO)[0] == 200
        for pid in workers(gateway):
            mapped = Path(f"/proc/{pid}/maps").read_text()
            assert "msgspec" in mapped  # else we look in the wrong place
            assert "aiohttp" not in mapped
        assert "aiohttp" in Path(f"/proc/{gateway.pid}/maps").read_text()


def test_both_serve_and_their_numbers_are_added_up() -> None:
    with Vendor(GOOD) as vendor, Gateway(config_for(vendor.url, more=TWO)) as gateway:
        assert live(gateway) == len(workers(gateway)) == 2
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda _: gateway.post("/v1/chat/completions", HELLO), range(40))
            )
        assert {status for status, _ in answers} == {200}
        assert gateway.metric("gateway_requests_total", model="m") == 40
        hashes = {line["config"] for line in gateway.lines("ready")}
        assert len(hashes) == 1


def test_one_that_dies_is_replaced_and_its_counts_stay() -> None:
    with Vendor(GOOD) as vendor, Gateway(config_for(vendor.url, more=TWO)) as gateway:
        for _ in range(6):
            assert gateway.post("/v1/chat/completions", HELLO)[0] == 200
        assert gateway.metric("gateway_requests_total", model="m") == 6
        before = set(workers(gateway))
        os.kill(min(before), signal.SIGKILL)
        until(
            lambda: len(set(workers(gateway)) - before) == 1 and live(gateway) == 2, 10, "no heir"
        )
        for _ in range(4):
            assert gateway.post("/v1/chat/completions", HELLO)[0] == 200
        assert gateway.metric("gateway_requests_total", model="m") == 10
        assert gateway.metric("gateway_worker_restarts_total") == 1


def test_a_new_config_reaches_both() -> None:
    with Vendor(GOOD) as vendor, Gateway(config_for(vendor.url, more=TWO)) as gateway:
        gateway.rewrite(config_for(vendor.url, models="  n: up/other", more=TWO))
        until(lambda: len(gateway.lines("config_applied")) == 2, 3, "not both have the new config")
        asked = {**HELLO, "model": "n"}
        assert {gateway.post("/v1/chat/completions", asked)[0] for _ in range(10)} == {200}


def test_workers_whose_supervisor_is_gone_go_too() -> None:
    with Vendor(GOOD) as vendor:
        gateway = Gateway(config_for(vendor.url, more=TWO))
        gateway.__enter__()
        orphans = workers(gateway)
        gateway.process.kill()
        gateway.process.wait()
        try:
            until(lambda: not any(map(_runs, orphans)), 10, "the workers stayed")
        finally:
            for pid in filter(_runs, orphans):
                os.kill(pid, signal.SIGKILL)
            gateway.discard()


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_told_to_stop_all_streams_end_and_all_processes_go() -> None:
    config = """
server: {workers: 2}
backends: {sim: {provider: simulated, first_content_s: 0.1, tokens_per_second: 12, tokens: 40}}
models: {m: sim/lorem}
"""
    with Gateway(config) as gateway, ThreadPoolExecutor(10) as pool:
        pids = workers(gateway)
        asked = {**HELLO, "stream": True}
        streams = [pool.submit(gateway.post, "/v1/chat/completions", asked) for _ in range(10)]
        until(lambda: gateway.metric("gateway_open_streams") == 10, 20, "not all have begun")
        gateway.process.send_signal(signal.SIGTERM)
        answers = [stream.result(10) for stream in streams]
        assert all(status == 200 and body.endswith(b"data: [DONE]\n\n") for status, body in answers)
        assert gateway.process.wait(10) == 0
        time.sleep(0.1)
        assert not any(map(_runs, pids))
