"""Outages under load: a backend killed and revived, all of them failing, one of two that stalls, a
reload in the middle of it, and a gateway that has enough to do.
"""

import asyncio
import contextlib
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.harness import KEY, ROOT, Gateway, config_for
from tests.journeys.traffic import Answer, Steady, asked, chat, connected
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Script, Send, Stall, Vendor, response

PER_SECOND: Final = 200
GOOD: Final[Script] = [Send(response(200, chat_body()))]
FAILS: Final[Script] = [Send(response(500))]


class Simulated:
    """The simulated model as a process of its own: it can be killed, and revived where it was."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(ROOT / "gateway/_boot.py"), "simulate",
             "--listen", f"127.0.0.1:{self.port}", "--first-content-s", "0", "--tokens", "3",
             "--tokens-per-second", "0"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        ready = re.fullmatch(r"ready http://127\.0\.0\.1:(\d+)\n", self._process.stdout.readline())
        assert ready is not None
        self.port = int(ready[1])

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def simulated() -> Iterator[Simulated]:
    backend = Simulated()
    try:
        yield backend
    finally:
        backend.kill()


class Watched(Steady):
    """Steady traffic that knows when each answer came."""

    def since(self, number: int) -> list[Answer]:
        return self.answers[number:]


async def seconds(times: int, each: Callable[[int], None]) -> None:
    for number in range(times):
        await asyncio.sleep(1)
        each(number)


@looped
async def test_a_backend_is_killed_and_revived_and_the_callers_hardly_notice() -> None:
    """At 200 requests/s, half of them its own: no failure after the first second, all traffic back
    within 20 s of the revival, never above twice the steady rate.
    """
    with simulated() as one, simulated() as two:
        config = f"""
keys: [{{name: tester, tenant: testers, key: "{KEY}"}}]
backends:
  one: {{provider: openai_compatible, base_url: "http://127.0.0.1:{one.port}/v1"}}
  two: {{provider: openai_compatible, base_url: "http://127.0.0.1:{two.port}/v1"}}
models: {{m: {{targets: [{{use: one/x}}, {{use: two/x}}]}}}}
"""
        with Gateway(config) as gateway:
            load = Watched(gateway, [chat()], per_second=PER_SECOND)
            seen: list[tuple[int, int]] = []  # in each second: answers by one, by all
            before = 0

            def count(_: int) -> None:
                nonlocal before
                fresh = load.since(before)
                before += len(fresh)
                seen.append((sum(answer.target == "one/x" for answer in fresh), len(fresh)))

            await seconds(3, count)
            steady = statistics.mean(by_one for by_one, _ in seen[1:])
            one.kill()
            await asyncio.sleep(1)
            count(0)
            behind = before  # what comes later is behind the first second
            await seconds(3, count)
            one.start()
            revived_at, back_after_s = time.monotonic(), None
            while time.monotonic() - revived_at < 20 and back_after_s is None:
                await seconds(1, count)
                by_one, all_of_them = seen[-1]
                if by_one > 0.4 * all_of_them:
                    back_after_s = time.monotonic() - revived_at
            await load.stop()
        failed = [answer for answer in load.answers[behind:] if answer.status != 200]
        assert (load.faults, failed) == ([], [])
        assert back_after_s is not None, seen
        assert max(by_one for by_one, _ in seen) <= 2 * steady, seen
        assert sum(answer.status != 200 for answer in load.answers) <= 5


@looped
async def test_when_all_backends_fail_they_are_not_run_over() -> None:
    """No more than 1.2 times the requests and one a second, until the circuits are open; then
    probes only.
    """
    async with Vendor(FAILS) as vendor:
        with Gateway(config_for(vendor.url)) as gateway:
            load = Steady(gateway, [chat()], per_second=100)
            began = time.monotonic()
            asked_when_open = 0
            while time.monotonic() - began < 6:
                await asyncio.sleep(0.05)
                if not asked_when_open and any(a.status == 503 for a in load.answers):
                    asked_when_open = len(vendor.journal)
                    opened_s = time.monotonic() - began
                    requests = len(load.answers) + 20  # and those under way
                    assert asked_when_open <= 1.2 * requests + opened_s + 10
            await load.stop()
            elapsed_s = time.monotonic() - began
        assert asked_when_open
        assert len(vendor.journal) - asked_when_open <= 2 * elapsed_s + 20
        assert {answer.status for answer in load.answers} == {502, 503}
        late = load.answers[len(load.answers) // 2 :]
        assert sum(answer.status == 503 for answer in late) > 0.9 * len(late)
        assert all("retry-after" in answer.headers for answer in late if answer.status == 503)


async def latencies(gateway: Gateway, model: str, number: int) -> list[float]:
    taken = []
    async with connected(gateway) as client:
        for _ in range(number):
            began = time.monotonic()
            assert (await client.ask(chat(model))).status == 200
            taken.append(time.monotonic() - began)
    return taken


@looped
async def test_a_backend_that_stalls_slows_no_other() -> None:
    async with Vendor([Stall()]) as stalled, Vendor(GOOD) as good:
        more = f"""
  other: {{targets: [{{use: good/x}}]}}
backends:
  up: {{provider: openai_compatible, base_url: "{stalled.url}/v1", max_in_flight: 8, max_queued: 4}}
  good: {{provider: openai_compatible, base_url: "{good.url}/v1"}}
timeouts: {{first_content_s: 3}}
"""
        text = config_for(stalled.url)
        text = text[: text.index("backends:")] + "models:\n  m: up/real-model" + more
        with Gateway(text) as gateway:
            await latencies(gateway, "other", 50)
            calm = await latencies(gateway, "other", 200)
            waiting = [asyncio.create_task(asked(gateway, chat())) for _ in range(40)]
            await asyncio.sleep(0.3)
            storm = await latencies(gateway, "other", 200)
            answers = await asyncio.gather(*waiting)
            assert statistics.median(storm) < 1.5 * statistics.median(calm) + 0.005
            codes = {answer.code for answer in answers}
            assert codes == {"first_token_timeout", "no_upstream_available"}


@looped
async def test_reloads_in_the_middle_of_it_change_no_circuit_of_what_is_unchanged() -> None:
    """One backend's circuit is open, another's target on hold; a third one changes each time."""
    held = [Send(response(429, headers=b"retry-after: 50\r\n"))]
    async with Vendor(FAILS) as failing, Vendor(held) as limited, Vendor(GOOD) as good:

        def config(number: int) -> str:
            return f"""
keys: [{{name: tester, tenant: testers, key: "{KEY}"}}]
backends:
  failing: {{provider: openai_compatible, base_url: "{failing.url}/v1"}}
  limited: {{provider: openai_compatible, base_url: "{limited.url}/v1"}}
  good: {{provider: openai_compatible, base_url: "{good.url}/v1", max_in_flight: {number}}}
models:
  m: {{targets: [{{use: failing/x}}, {{use: good/x-{number}, tier: 2}}]}}
  n: {{targets: [{{use: limited/x}}, {{use: good/x, tier: 2}}]}}
  new-{number}: good/x
circuit: {{open_s: 50}}
attempts: {{retry_budget_per_s: {number / 10}}}
"""

        with Gateway(config(20)) as gateway:
            load = Steady(gateway, [chat("m"), chat("n")], per_second=60)
            await asyncio.sleep(1.5)
            seen = len(failing.journal), len(limited.journal)
            for number in (21, 22, 23):
                gateway.rewrite(config(number))
                until = time.monotonic() + 5
                while gateway.get(f"/v1/models/new-{number}")[0] != 200:
                    assert time.monotonic() < until
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            await load.stop()
            assert (len(failing.journal), len(limited.journal)) == seen
            assert gateway.metric("gateway_circuit_state", backend="failing", target="x") == 2
            assert gateway.metric("gateway_upstream_hold_seconds", target="x") > 40
        assert load.faults == []
        assert {answer.status for answer in load.answers} == {200}


@pytest.mark.parametrize("stream", [False, True])
@looped
async def test_who_has_enough_to_do_says_so_at_once(stream: bool) -> None:
    async with Vendor(GOOD) as vendor:
        with Gateway(config_for(vendor.url, more="server: {shed: {memory_bytes: 1}}")) as gateway:
            await asyncio.sleep(0.5)  # for it to look at itself
            async with connected(gateway) as client:
                began = time.monotonic()
                answer = await client.ask(chat(stream=stream))
                took_s = time.monotonic() - began
            assert (answer.status, answer.code, answer.headers["retry-after"]) == (
                503,
                "overloaded",
                "1",
            )
            assert took_s < 0.5
            assert vendor.journal == []
            assert gateway.get("/healthz")[0] == 200
            assert gateway.metric("gateway_shed_total", reason="memory") == 1
