"""One exchange's claims: all before, settled once after, and told as callers' SDKs read it."""

import asyncio

import pytest

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.errors import Code, GatewayError
from gateway.exchange.metering import Meter, Size
from gateway.telemetry.record import Attempt, Outcome, Record
from tests.unit.exchange.serving import CONFIG, Serving, serving, until
from tests.vendors.looped import looped

LIMITED = CONFIG + "\ntenants: {{anonymous: {{limits: {{{limits}}}}}}}\n"


def meter(on: Serving) -> tuple[Meter, Record]:
    record = Record(Operation.CHAT)
    record.model = "m"
    return Meter(on.house.runtime, on.caller(), record), record


def answered(record: Record, usage: Usage | None, code: Code | None = None) -> None:
    attempt = Attempt("bad", "openai", "x", asked_bytes=400, status=200, failure=code)
    attempt.usage = usage
    record.attempts, record.usage = [attempt], usage
    record.outcome = Outcome.COMPLETE if code is None else Outcome.ERROR


def in_use(on: Serving, what: str) -> float:
    return on.house.runtime.memory.in_use(f"tenant/anonymous/{what}")


@looped
async def test_without_limits_nothing_is_claimed() -> None:
    async with serving(()) as on:
        one, record = meter(on)
        await one.claim(on.route(), Size(100))
        one.settle()
        assert record.limits == b""


@looped
async def test_what_was_expected_is_taken_and_what_was_not_spent_comes_back() -> None:
    limits = "tokens_per_day: 5000, concurrent: 2"
    async with serving((), config=LIMITED, limits=limits) as on:
        one, record = meter(on)
        await one.claim(on.route(), Size(400, 1000, 2))
        assert 2090 < in_use(on, "tokens_per_day") <= 2101
        assert b"x-ratelimit-remaining-tokens: 2899\r\n" in record.limits
        answered(record, Usage(120, 50))
        one.settle()
        one.settle()
        assert 169 < in_use(on, "tokens_per_day") <= 170
        assert in_use(on, "concurrent") == 0


@looped
async def test_an_answer_that_was_cut_is_counted() -> None:
    async with serving((), config=LIMITED, limits="tokens_per_day: 5000") as on:
        one, record = meter(on)
        await one.claim(on.route(), Size(400, 1000))
        answered(record, None, Code.STREAM_INTERRUPTED)
        record.attempts[0].tokens = 5
        one.settle()
        assert 100 < in_use(on, "tokens_per_day") <= 105


@looped
async def test_what_reached_no_backend_costs_no_tokens() -> None:
    async with serving((), config=LIMITED, limits="tokens_per_day: 5000") as on:
        one, record = meter(on)
        await one.claim(on.route(), Size(400, 1000))
        record.attempts = [Attempt("bad", "openai", "x", failure=Code.CONNECT_FAILED)]
        one.settle()
        assert in_use(on, "tokens_per_day") == 0


@looped
@pytest.mark.parametrize(
    ("limits", "code", "waits"),
    [
        ("requests_per_minute: 1", Code.REQUEST_LIMIT, True),
        ("tokens_per_minute: 1500", Code.TOKEN_LIMIT, True),
        ("output_tokens_per_minute: 1500", Code.TOKEN_LIMIT, True),
        ("tokens_per_minute: 500", Code.TOKEN_LIMIT, False),
        ("concurrent: 1", Code.CONCURRENCY_LIMIT, True),
    ],
)
async def test_a_refusal_says_which_limit_and_how_long(
    limits: str, code: Code, waits: bool
) -> None:
    async with serving((), config=LIMITED, limits=limits) as on:
        error: GatewayError | None = None
        for _ in range(2):
            one, _ = meter(on)
            try:
                await one.claim(on.route(), Size(400, 1000))
            except GatewayError as refused:
                error = refused
        assert error is not None
        assert (error.code, error.status) == (code, 429)
        assert (error.retry_after_s is not None) is waits
        assert limits.partition(":")[0] in error.message
        assert on.house.number("gateway_ratelimit_decisions_total", "tenant", "refused") >= 1


@looped
async def test_a_limit_in_shadow_refuses_nothing_and_is_counted() -> None:
    async with serving((), config=LIMITED, limits="requests_per_minute: 1, mode: shadow") as on:
        for _ in range(3):
            one, record = meter(on)
            await one.claim(on.route(), Size(400))
            assert record.limits == b""
        count = on.house.number("gateway_ratelimit_decisions_total", "tenant", "would_refuse")
        assert count == 2


@looped
async def test_a_budget_is_held_by_the_price_of_what_may_be_spent() -> None:
    config = CONFIG + (
        "\ntenants: {{anonymous: {{budget: {{usd: 1, per: month}}}}}}\n"
        'prices: {{"bad/*": {{input_usd_per_mtok: 1, output_usd_per_mtok: 500}}}}\n'
    )
    async with serving((), config=config) as on:
        one, _ = meter(on)
        await one.claim(on.route(), Size(400, 1900))
        other, _ = meter(on)
        with pytest.raises(GatewayError) as refused:
            await other.claim(on.route(), Size(400, 1900))
        assert refused.value.code is Code.BUDGET_EXCEEDED
        assert refused.value.retry_after_s is not None


@looped
async def test_an_attempts_backend_is_claimed_for_by_itself() -> None:
    config = CONFIG.replace("max_in_flight: 1", "limits: {{tokens_per_day: 600, concurrent: 1}}")
    async with serving((), config=config) as on:
        level = on.house.runtime.memory.in_use
        (target,) = on.route().targets
        one, record = meter(on)
        await one.claim(on.route(), Size(400, 300))
        answered(record, Usage(100, 50))
        assert await one.claim_at(target, record.attempts[0]) is None
        other, refused = meter(on)
        refused.attempts = [Attempt("bad", "openai", "x")]
        await other.claim(on.route(), Size(400, 300))
        assert await other.claim_at(target, refused.attempts[0]) is not None
        one.settle()
        other.settle()
        assert 149 < level("backend/bad/tokens_per_day") <= 150
        assert level("backend/bad/concurrent") == 0


@looped
async def test_attempts_that_begin_together_hold_a_place_each_and_give_it_back() -> None:
    config = CONFIG.replace("max_in_flight: 1", "limits: {{concurrent: 3}}")
    async with serving((), config=config) as on:
        (target,) = on.route().targets
        one, record = meter(on)
        await one.claim(on.route(), Size(400, 300))
        record.attempts = [Attempt("bad", "openai", "x") for _ in range(2)]
        for attempt in record.attempts:
            assert await one.claim_at(target, attempt) is None
        assert on.house.runtime.memory.in_use("backend/bad/concurrent") == 2
        one.settle()
        assert on.house.runtime.memory.in_use("backend/bad/concurrent") == 0


@looped
async def test_the_parts_of_a_request_claim_their_share_of_a_backend_each() -> None:
    config = CONFIG.replace("max_in_flight: 1", "limits: {{tokens_per_day: 1000}}")
    async with serving((), config=config) as on:
        (target,) = on.route().targets
        one, record = meter(on)
        await one.claim(on.route(), Size(400, 150, 4))  # 700 tokens, if the answers are long
        one.divide(4)
        record.attempts = []
        for _ in range(4):
            record.attempts.append(Attempt("bad", "openai", "x"))
            assert await one.claim_at(target, record.attempts[-1]) is None
        one.settle()


@looped
async def test_a_limit_that_lets_wait_is_waited_for_and_that_is_told_apart() -> None:
    limits = "requests_per_second: 20, on_limit: wait, max_wait_s: 2"
    async with serving((), config=LIMITED, limits=limits) as on:
        for _ in range(20):
            await meter(on)[0].claim(on.route(), Size(1))
        one, record = meter(on)
        await one.claim(on.route(), Size(1))
        assert 0.02 < record.limit_wait_s < 1
        assert record.waited_s == record.limit_wait_s
        assert b"x-ratelimit-remaining-requests: 0\r\n" in record.limits


@looped
async def test_who_waits_in_vain_is_refused_as_ever_by_its_deadline() -> None:
    async with serving((), config=LIMITED, limits="concurrent: 1, on_limit: wait") as on:
        first, record = meter(on)
        await first.claim(on.route(), Size(1))
        second, waited = meter(on)
        with pytest.raises(GatewayError) as told:
            await second.claim(on.route(), Size(1), waited.started_at + 0.05)
        assert told.value.code is Code.CONCURRENCY_LIMIT
        assert told.value.retry_after_s == 1.0
        assert 0.04 < waited.limit_wait_s < 0.5
        assert on.house.number("gateway_ratelimit_decisions_total", "tenant", "refused") == 1
        answered(record, None)
        first.settle()
        second.settle()
        assert in_use(on, "concurrent") == 0


@looped
async def test_a_backends_limit_that_lets_wait_is_waited_for() -> None:
    config = CONFIG.replace(
        "max_in_flight: 1}}", "max_in_flight: 1, limits: {{concurrent: 1, on_limit: wait}}}}"
    )
    async with serving((), config=config) as on:
        (target,) = on.route().targets
        first, record = meter(on)
        attempt = Attempt("bad", "openai", "x")
        assert await first.claim_at(target, attempt) is None
        second, later = meter(on), Attempt("bad", "openai", "x")
        asking = asyncio.ensure_future(second[0].claim_at(target, later))
        await until(lambda: on.house.number("gateway_limit_waiting", "normal"))
        record.attempts = [attempt]
        first.settle()
        assert await asking is None
        assert later.started_at > attempt.started_at + second[1].limit_wait_s


@looped
async def test_who_waited_in_vain_is_told_of_the_limit_that_is_full() -> None:
    limits = "requests_per_second: 1, on_limit: wait, max_wait_s: 2"
    async with serving((), config=LIMITED, limits=limits) as on:
        await meter(on)[0].claim(on.route(), Size(1))
        ahead = asyncio.ensure_future(meter(on)[0].claim(on.route(), Size(1)))
        await until(lambda: on.house.number("gateway_limit_waiting", "normal"))
        second, waited = meter(on)
        with pytest.raises(GatewayError) as told:
            await second.claim(on.route(), Size(1), waited.started_at + 0.05)
        assert told.value.code is Code.REQUEST_LIMIT
        assert 1.5 < (told.value.retry_after_s or 0) < 2
        assert b"x-ratelimit-remaining-requests: 0\r\n" in waited.limits
        await ahead
