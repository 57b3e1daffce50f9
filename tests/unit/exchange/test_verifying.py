"""Which hits are asked again, and what is told of it."""

import asyncio
import json
import time

import pytest

from gateway.chat.operation import Operation
from gateway.exchange.course import Course
from gateway.exchange.sought import Sought
from gateway.exchange.verifying import MAX_VERIFYING, VERIFIER, Verifying
from gateway.policy.caching import Entry
from gateway.telemetry.record import Record
from tests.unit.exchange.serving import Serving, serving, until
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Script, Send, Stall, response

CONFIG = """
backends:
  bad: {{provider: openai_compatible, base_url: "{bad}/v1"}}
  good: {{provider: openai_compatible, base_url: "{good}/v1"}}
models: {{m: {{targets: [{{use: bad/x}}], cache: {{enabled: true, verify: 0.5}}}}}}
"""
ANSWER = response(200, chat_body())


def perhaps(
    on: Serving, verifying: Verifying, times: int = 1, target: str = "bad/x", stream: bool = False
) -> None:
    for _ in range(times):
        ask = on.ask(temperature=0, stream=stream)
        course = Course(ask.route, Operation.CHAT, "m", on.caller(), lambda: 0.0)
        record = Record(Operation.CHAT)
        record.model, record.started_at, record.stream = "m", time.monotonic(), stream
        remembered = Entry({"choices": []}, 0.0, target, "fp_1")
        verifying.perhaps(Sought(ask, on.caller(), {}), course, remembered, record)


@pytest.mark.parametrize(
    ("script", "result"), [([Send(ANSWER)], "different"), ([Send(response(500))], "failed")]
)
@looped
async def test_how_equal_it_was_is_told_and_the_gateway_pays(script: Script, result: str) -> None:
    async with serving(script, config=CONFIG) as on:
        perhaps(on, Verifying(on.house.runtime, lambda: 0.49))
        number = on.house.number
        await until(lambda: number("gateway_cache_verifications_total", "m", result))
        assert on.house.runtime.sink.open_exchanges == 0
        (line,) = on.house.written.lines("exchange")
        assert (line["tenant"], line["key"]) == (VERIFIER, VERIFIER)
        failed = ("upstream_error", 502) if result == "failed" else (None, 200)
        assert (line.get("code"), line["status"]) == failed


@looped
async def test_a_stream_that_is_asked_again_is_open_until_it_has_ended() -> None:
    async with serving([Stall()], config=CONFIG) as on:
        verifying, number = Verifying(on.house.runtime, lambda: 0.0), on.house.number
        perhaps(on, verifying, stream=True)
        assert number("gateway_open_streams") == 1
        (flight,) = verifying._flights
        assert flight._task is not None
        await until(lambda: on.bad.journal)
        flight._task.cancel()
        await asyncio.wait([flight._task])
        assert number("gateway_open_streams") == 0


@looped
async def test_what_is_asked_again_counts_at_its_backend() -> None:
    limited = CONFIG.replace('url: "{bad}/v1"', 'url: "{bad}/v1", limits: {{concurrent: 1}}')
    async with serving([Send(ANSWER)], config=limited) as on:
        verifying, number = Verifying(on.house.runtime, lambda: 0.0), on.house.number
        perhaps(on, verifying, times=2)
        await until(lambda: number("gateway_cache_verifications_total", "m", "different"))
        await until(lambda: number("gateway_cache_verifications_total", "m", "failed"))
        assert len(on.bad.journal) == 1
        assert on.house.runtime.memory.in_use("backend/bad/concurrent") == 0


@looped
async def test_the_dice_decide_and_few_are_under_way_at_once() -> None:
    async with serving([Stall()], config=CONFIG) as on:
        perhaps(on, Verifying(on.house.runtime, lambda: 0.5))
        assert on.house.runtime.sink.open_exchanges == 0
        verifying = Verifying(on.house.runtime, lambda: 0.0)
        perhaps(on, verifying, times=MAX_VERIFYING + 3)
        assert on.house.runtime.sink.open_exchanges == MAX_VERIFYING
        await until(lambda: len(on.bad.journal) == MAX_VERIFYING)
        for flight in list(verifying._flights):
            assert flight._task is not None
            flight._task.cancel()
        await until(lambda: on.house.runtime.sink.open_exchanges == 0)


@pytest.mark.parametrize(
    ("target", "said", "result", "changes"),
    [
        ("bad/x", "fp_1", "different", 0),
        ("bad/x", "fp_2", "different", 1),
        ("bad/another", "fp_1", "elsewhere", 0),
    ],
)
@looped
async def test_what_is_compared_is_the_same_model_and_its_fingerprint_is_looked_at(
    target: str, said: str, result: str, changes: int
) -> None:
    answer = json.dumps({**json.loads(chat_body()), "system_fingerprint": said}).encode()
    async with serving([Send(response(200, answer))], config=CONFIG) as on:
        perhaps(on, Verifying(on.house.runtime, lambda: 0.0), target=target)
        number = on.house.number
        await until(lambda: number("gateway_cache_verifications_total", "m", result))
        assert number("gateway_cache_fingerprint_changes_total", "m") == changes
        histogram = on.house.metrics.histogram("gateway_cache_verification_agreement", "m")
        assert sum(histogram.counts) == (result == "different")
