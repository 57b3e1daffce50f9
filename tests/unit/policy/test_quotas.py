"""Rules of the config as claims; refusals and headers as callers read them."""

import math
from datetime import UTC, datetime

import pytest

from gateway.config.schema import Budget, Limits
from gateway.policy import quotas
from gateway.policy.limits import NOTHING, Standing, Verdict, take
from gateway.policy.quotas import Amounts, Unit, budget_rule, rules

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()


def test_every_limit_that_can_be_configured_becomes_a_rule() -> None:
    names = (name for name in Limits.__struct_fields__ if "_per_" in name or name == "concurrent")
    every = dict.fromkeys(names, 5)
    made = rules("tenant", "t", Limits(**every))  # type: ignore[arg-type]  # all of them at once
    assert len(made) == len(every) == 26
    assert {rule.unit for rule in made} == set(Unit)
    assert len({rule.key for rule in made}) == 26


def test_a_rule_claims_its_own_unit_of_what_is_expected() -> None:
    amounts = Amounts(input_tokens=10, output_tokens=20, usd=0.5)
    limits = Limits(requests_per_minute=60, tokens_per_day=100, usd_per_hour=3, concurrent=2)
    claims = {rule.unit: rule.claim(amounts, NOW) for rule in rules("key", "a/b", limits)}
    assert {unit: claim.cost for unit, claim in claims.items()} == {
        Unit.REQUESTS: 1,
        Unit.TOKENS: 30,
        Unit.USD: 0.5,
        Unit.CONCURRENT: 1,
    }
    assert claims[Unit.REQUESTS].rate == 1
    assert not claims[Unit.REQUESTS].leased
    assert claims[Unit.CONCURRENT].rate == 0
    assert claims[Unit.TOKENS].key == "key/a%2fb/tokens_per_day"


def test_a_calendar_budget_begins_anew_with_its_period() -> None:
    rule = budget_rule("tenant", "t", Budget(usd=5, per="day"), UTC)
    today, tomorrow = (rule.claim(Amounts(usd=1), NOW + days * 86_400) for days in (0, 1))
    assert today.key == "tenant/t/budget/day/2026-11-25"
    assert tomorrow.key == "tenant/t/budget/day/2026-11-26"
    assert today.money
    refused = Standing(0, math.inf, math.inf)
    assert rule.waits_s(refused, NOW) == 12 * 3600


def test_a_rolling_budget_comes_free_bit_by_bit() -> None:
    rule = budget_rule("tenant", "t", Budget(usd=86.4, per="day", rolling=True), UTC)
    claim = rule.claim(Amounts(usd=1), NOW)
    assert math.isclose(claim.rate, 0.001)
    assert claim.key == rule.key


def test_the_longest_wait_is_told() -> None:
    made = rules("key", "k", Limits(requests_per_minute=60, requests_per_hour=60))
    verdict = Verdict(False, (Standing(0, 0.5, 60), Standing(0, 30, 3600)))
    why = quotas.refusal(made, verdict, NOW)
    assert (why.rule.name, why.wait_s) == ("requests_per_hour of key k", 30)


def test_a_shadow_limit_is_never_the_reason() -> None:
    made = rules("key", "k", Limits(requests_per_minute=1)) + rules(
        "tenant", "t", Limits(requests_per_day=1, mode="shadow")
    )
    verdict = Verdict(False, (Standing(0, 1, 60), Standing(0, 9000, 60)))
    assert quotas.refusal(made, verdict, NOW).wait_s == 1


def test_the_tightest_limit_of_each_kind_is_told_as_openai_does() -> None:
    made = rules(
        "key", "k", Limits(requests_per_minute=100, tokens_per_minute=1000, tokens_per_day=5000)
    )
    _, verdict = take([NOTHING] * 3, [rule.claim(Amounts(30, 60), NOW) for rule in made], NOW)
    lines = quotas.openai_lines(quotas.told(made, verdict.standings, NOW))
    assert lines == (
        b"x-ratelimit-limit-requests: 100\r\n"
        b"x-ratelimit-remaining-requests: 99\r\n"
        b"x-ratelimit-reset-requests: 600ms\r\n"
        b"x-ratelimit-limit-tokens: 1000\r\n"
        b"x-ratelimit-remaining-tokens: 910\r\n"
        b"x-ratelimit-reset-tokens: 5.4s\r\n"
    )


def test_the_same_as_anthropic_does() -> None:
    told = [quotas.Told("requests", 50, 49, 1.2)]
    assert quotas.anthropic_lines(told, NOW) == (
        b"anthropic-ratelimit-requests-limit: 50\r\n"
        b"anthropic-ratelimit-requests-remaining: 49\r\n"
        b"anthropic-ratelimit-requests-reset: 2026-11-25T12:00:02Z\r\n"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, b"0ms"),
        (0.0001, b"1ms"),
        (0.12, b"120ms"),
        (1, b"1s"),
        (1.5, b"1.5s"),
        (59.9999, b"1m0s"),
        (360, b"6m0s"),
        (3600, b"1h0m0s"),
        (90_061.25, b"25h1m1.25s"),
        (math.inf, b"0ms"),
    ],
)
def test_durations_are_spelled_as_openai_spells_them(seconds: float, text: bytes) -> None:
    assert quotas.duration(seconds) == text
