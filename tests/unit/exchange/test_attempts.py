"""Targets in turn until one commits: who is asked, what is kept of it, what is given back."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.chat.operation import Operation
from gateway.errors import Code, GatewayError
from gateway.exchange.attempts import MAX_ERROR_BODY, answer_from_first, mask
from gateway.exchange.course import Course
from gateway.exchange.understood import Understood
from gateway.policy.failures import Failure
from gateway.telemetry.record import Outcome
from tests.unit.exchange.serving import SECRET, Serving, serving, until
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body, chat_chunk, chat_events, error_body, event
from tests.vendors.scripted import (
    Close,
    Forever,
    Script,
    Send,
    Stall,
    Wait,
    chunk,
    response,
    stream_head,
    streamed,
)

GOOD: Script = [Send(response(200, chat_body("good")))]
HEAD = stream_head()
TOKEN = event(chat_chunk({"content": "token"}))


async def answers(
    on: Serving, model: str = "m", within_s: float = 5, draw: float = 0.0, **fields: object
) -> None:
    ask = on.ask(model, **fields)
    course = Course(ask.route, Operation.CHAT, model, on.caller(), lambda: draw)
    errand = Understood(ask, on.outlet, on.record)
    await answer_from_first(errand, course, on.deadline(within_s))


async def fails(
    on: Serving, model: str = "m", within_s: float = 5, draw: float = 0.0, stream: bool = False
) -> GatewayError:
    with pytest.raises(GatewayError) as error:
        await answers(on, model, within_s, draw, stream=stream)
    assert on.client.sent == b""
    return error.value


# ---- one after the other


@looped
async def test_the_first_that_can_answers() -> None:
    async with serving(GOOD, other=GOOD) as on:
        await answers(on, "pair")
        assert on.client.status == 200
        assert json.loads(on.client.body)["choices"][0]["message"]["content"] == "good"
        (attempt,) = on.record.attempts
        assert (attempt.backend, attempt.model, attempt.status) == ("bad", "real-model", 200)
        assert attempt.failure is None
        assert attempt.first_at is not None
        assert attempt.started_at <= attempt.first_at <= attempt.ended_at
        assert (on.record.status, on.record.outcome) == (200, Outcome.COMPLETE)
        assert on.record.usage is not None
        assert on.good.journal == []


@pytest.mark.parametrize("stream", [False, True])
@looped
async def test_another_stands_in_with_a_request_of_its_own(stream: bool) -> None:
    well = [Send(streamed(*chat_events()))] if stream else GOOD
    async with serving([Send(response(500))], other=well) as on:
        await answers(on, "pair", stream=stream)
        assert on.client.headers["x-gateway-model"] == "good/other-model"
        assert on.client.headers["x-gateway-attempts"] == "2"
        first, second = on.record.attempts
        assert (first.failure, first.status, first.first_at) == (Code.UPSTREAM_ERROR, 500, None)
        assert (second.failure, second.status) == (None, 200)
        waited_s = sum(attempt.ended_at - attempt.started_at for attempt in (first, second))
        assert on.record.waited_s == pytest.approx(waited_s)
        sent = [json.loads(vendor.journal[0].body)["model"] for vendor in (on.bad, on.good)]
        assert sent == ["real-model", "other-model"]


@looped
async def test_what_another_would_say_too_is_not_asked_again() -> None:
    said = error_body("messages: too short", type="invalid_request_error", param="messages")
    async with serving([Send(response(422, said))], other=GOOD) as on:
        error = await fails(on, "pair")
        assert (error.code, error.status, error.param) == (Code.UPSTREAM_REFUSED, 422, "messages")
        assert error.message == "messages: too short"
        assert on.good.journal == []


@looped
async def test_the_last_word_goes_out_when_all_have_failed() -> None:
    async with serving([Send(response(500))], other=[Send(response(400))]) as on:
        error = await fails(on, "pair")
        assert error.code is Code.UPSTREAM_REFUSED
        codes = [attempt.failure for attempt in on.record.attempts]
        assert codes[:2] == [Code.UPSTREAM_ERROR, Code.UPSTREAM_REFUSED]


@looped
async def test_no_attempt_begins_when_hardly_any_time_is_left() -> None:
    async with serving([Send(response(500))], other=GOOD) as on:
        error = await fails(on, "pair", within_s=0.2)
        assert error.code is Code.UPSTREAM_ERROR
        assert on.good.journal == []


@looped
async def test_a_full_backend_is_stood_in_for() -> None:
    async with serving(GOOD, other=GOOD) as on:
        pool = on.route().targets[0].backend.pool
        assert pool.enter()
        await answers(on, "pair")
        assert [attempt.failure for attempt in on.record.attempts] == [Code.NO_UPSTREAM, None]
        pool.leave(None)
        assert on.bad.journal == []


# ---- streams


@looped
async def test_a_stream_s_failure_after_the_commit_is_told_in_it() -> None:
    async with serving([Send(HEAD + chunk(TOKEN)), Close()], other=GOOD) as on:
        await answers(on, "pair", stream=True)  # the client has been told: nothing is raised
        first, last, rest = on.client.body.split(b"\n\n")
        assert (first + b"\n\n", rest) == (TOKEN, b"")
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "stream_interrupted"
        assert on.client.endings == ["close"]
        assert (on.record.outcome, on.record.code) == (Outcome.ERROR, Code.STREAM_INTERRUPTED)
        assert on.record.attempts[0].failure is Code.STREAM_INTERRUPTED
        assert on.good.journal == []


@looped
async def test_usage_is_kept_even_of_a_stream_that_failed() -> None:
    body = event(chat_chunk({"content": "x"}, used={"prompt_tokens": 3, "completion_tokens": 1}))
    async with serving([Send(HEAD + chunk(body)), Close()]) as on:
        await answers(on, stream=True)
        assert on.record.usage is not None
        assert (on.record.usage.input, on.record.usage.output) == (3, 1)


@looped
async def test_what_is_no_stream_is_no_answer_to_one() -> None:
    async with serving(GOOD) as on:
        assert (await fails(on, stream=True)).code is Code.BAD_RESPONSE


# ---- refusals


@looped
async def test_an_error_body_is_read_so_far_only() -> None:
    head = stream_head(400, b"content-type: application/json\r\n")
    async with serving([Send(head), Forever(chunk(b" " * 65536))]) as on:
        began = time.monotonic()
        error = await fails(on)
        assert (error.code, error.status) == (Code.UPSTREAM_REFUSED, 400)
        assert error.message == "the backend refused the request"
        assert time.monotonic() - began < 4
        left_at = await on.bad.journal[0].client_left()
        assert left_at - began < 4
        assert MAX_ERROR_BODY < 1 << 20


@looped
async def test_a_redirect_s_body_is_not_awaited() -> None:
    head = b"HTTP/1.1 302 Found\r\nlocation: http://evil.test\r\ncontent-length: 99\r\n\r\n"
    async with serving([Send(head), Stall()]) as on:
        assert (await fails(on)).code is Code.UPSTREAM_REDIRECT
        await on.bad.journal[0].client_left()


@looped
async def test_a_backend_s_words_do_not_show_what_is_ours() -> None:
    async with serving(GOOD) as on:
        backend = on.route().targets[0].backend
        said = f"key {SECRET} at {on.bad.url}/v1/chat on 127.0.0.1"
        assert mask(said, backend) == "key *** at ***/chat on ***"


# ---- left


@pytest.mark.parametrize(
    ("script", "stream"),
    [
        ([Stall()], False),
        ([Send(response(200, chat_body())[:-9]), Stall()], False),
        ([Send(response(500, error_body())[:-9]), Stall()], False),
        ([Send(HEAD), Stall()], True),
        ([Send(HEAD + chunk(TOKEN)), Stall()], True),
    ],
)
@looped
async def test_who_leaves_leaves_nothing_open(script: Script, stream: bool) -> None:
    async with serving(script) as on:
        going = asyncio.create_task(answers(on, stream=stream))
        await until(lambda: on.bad.journal)
        await asyncio.sleep(0.05)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert not any(on.in_flight)
        (attempt,) = on.record.attempts
        assert attempt.failure is Code.CLIENT_CLOSED
        assert attempt.ended_at > attempt.started_at
        await on.bad.journal[0].client_left(1)


@looped
async def test_who_leaves_the_queue_holds_no_place() -> None:
    async with serving(GOOD) as on:
        pool = on.route().targets[0].backend.pool
        assert pool.enter()
        going = asyncio.create_task(answers(on))
        await until(lambda: pool.queued)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert (pool.in_flight, pool.queued) == (1, 0)
        pool.leave(None)


# ---- what is remembered


@looped
async def test_each_probe_that_fails_doubles_the_time_that_a_circuit_is_open() -> None:
    async with serving([Send(response(500))]) as on:
        (target,) = on.route().targets
        health = target.health
        health.circuit.rule = replace(health.circuit.rule, connect_failures=1, open_s=0.1)
        health.failed(Failure(Code.CONNECT_FAILED), time.monotonic())
        assert await _waits(on, health.wait_s) == [
            pytest.approx(open_s, rel=0.25) for open_s in (0.2, 0.4, 0.8)
        ]


@looped
async def test_a_credential_that_stays_refused_is_asked_ever_less_often() -> None:
    async with serving([Send(response(401))]) as on:
        standing = on.route().targets[0].backend.standing
        standing.credential.rule = replace(standing.credential.rule, open_s=0.1)
        await fails(on)
        assert await _waits(on, standing.wait_s) == [
            pytest.approx(open_s, rel=0.25) for open_s in (0.2, 0.4, 0.8)
        ]


async def _waits(on: Serving, wait_s: Callable[[float], float]) -> list[float]:
    """For how long it is left alone after each of three probes, asked as soon as one is due."""
    waits = []
    for _ in range(3):
        await asyncio.sleep(wait_s(time.monotonic()) + 0.01)
        await fails(on)
        waits.append(wait_s(time.monotonic()))
    return waits


@looped
async def test_a_spent_limit_rests_from_the_head_on() -> None:
    """Not from the stream's end: others would run into it until then, and wait after it."""
    spent = (
        b"content-type: text/event-stream\r\n"
        b"x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 5s\r\n"
    )
    async with serving([Send(stream_head(200, spent) + chunk(TOKEN)), Stall()]) as on:
        health = on.route().targets[0].health
        going = asyncio.create_task(answers(on, stream=True))
        await until(lambda: health.held_until)
        assert not health.usable(time.monotonic())
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going


@looped
async def test_the_deadline_counts_in_the_queue() -> None:
    async with serving(GOOD) as on:
        pool = on.route().targets[0].backend.pool
        pool.queue_wait_s = 5.0
        assert pool.enter()
        began = time.monotonic()
        error = await fails(on, within_s=0.3)
        assert error.code is Code.TOTAL_TIMEOUT
        assert time.monotonic() - began < 0.4
        assert pool.queued == 0
        pool.leave(None)


HEDGED = """
backends:
  bad: {{provider: openai_compatible, base_url: "{bad}/v1", credential: {secret}}}
  good: {{provider: openai_compatible, base_url: "{good}/v1", credential: {secret}}}
models:
  m:
    targets: [{{use: bad/real-model}}, {{use: good/other-model, tier: 2}}]
    hedging: {{enabled: true, after_s: 0.05, budget_ratio: 1}}
    strategy: fastest
    attempts: {attempts}
"""


@looped
async def test_a_race_is_no_more_than_the_attempts_that_there_may_be() -> None:
    slow = [Wait(0.3), *GOOD]
    async with serving(slow, other=GOOD, config=HEDGED, attempts=1) as on:
        await answers(on)
        assert on.client.headers["x-gateway-model"] == "bad/real-model"
        assert on.good.journal == []
        assert len(on.record.attempts) == 1


@looped
async def test_who_loses_a_race_or_fails_is_expected_to_be_slow() -> None:
    async with serving([Stall()], other=GOOD, config=HEDGED, attempts=3) as on:
        slow, quick = on.route().targets
        await answers(on)
        now = time.monotonic()
        assert slow.health.pulse.score(now, 0) > quick.health.pulse.score(now, 0) > 0
    async with serving([Send(response(500))], config=HEDGED, attempts=1) as on:
        await fails(on)
        assert on.route().targets[0].health.pulse.score(time.monotonic(), 0) > 0.9


@looped
async def test_nobody_is_asked_again_whose_circuit_has_opened_meanwhile() -> None:
    async with serving([Send(response(500))]) as on:
        health = on.route().targets[0].health
        going = asyncio.create_task(fails(on, draw=0.9))
        await until(lambda: len(on.record.attempts) == 1 and on.record.attempts[0].ended_at)
        for _ in range(20):
            health.failed(Failure(Code.UPSTREAM_ERROR, 500), time.monotonic())
        assert (await going).code is Code.UPSTREAM_ERROR
        assert len(on.bad.journal) == 1
