"""What the configured limits and budgets ask of one exchange, and what its caller is told of them.

Pure. A rule is one limit of the config; before the exchange it becomes a claim, whose cost depends
on what is expected, and after it something has been spent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Final

import msgspec

from gateway.config.schema import Budget, Limits
from gateway.policy.limits import Claim, Standing, Verdict
from gateway.policy.periods import LONGEST_S, MEAN_S, Per, period


class Unit(StrEnum):
    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    USD = "usd"
    CONCURRENT = "concurrent"


class Amounts(msgspec.Struct, frozen=True, gc=False):
    """What an exchange is expected to take, or has taken."""

    input_tokens: float = 0
    output_tokens: float = 0
    usd: float = 0
    requests: float = 1
    concurrent: float = 1

    def of(self, unit: Unit) -> float:
        if unit is Unit.TOKENS:
            return self.input_tokens + self.output_tokens
        amount: float = getattr(self, unit.value)
        return amount


WINDOWS_S: Final = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86_400.0,
    "month": 2_592_000.0,  # 30 days
}


@dataclass(frozen=True, slots=True)
class Rule:
    key: str  # of its level
    name: str  # for people: "requests_per_minute of tenant search"
    scope: str  # a label: global, tenant, key, model, backend
    unit: Unit
    capacity: float
    rate: float = 0.0
    shadow: bool = False
    per: Per | None = None  # a budget of the calendar's
    zone: tzinfo = UTC
    money: bool = False  # a budget
    max_waiting: int = 0  # who may wait for it, in one process; 0: it refuses
    max_wait_s: float = 0.0

    @property
    def leased(self) -> bool:
        """Whether what is not spent comes back."""
        return self.unit is not Unit.REQUESTS

    def claim(self, amounts: Amounts, now: float) -> Claim:
        """now: unix seconds."""
        key, keep_s = self.key, 0.0
        if self.per is not None:
            key = f"{key}/{period(self.per, now, self.zone)[0]}"
            keep_s = LONGEST_S.get(self.per, 0.0) * 2
        return Claim(
            key,
            amounts.of(self.unit),
            self.capacity,
            self.rate,
            keep_s,
            leased=self.leased,
            shadow=self.shadow,
            money=self.money,
        )

    def resets_s(self, standing: Standing, now: float) -> float:
        """Until all of it is free again, if nobody claims."""
        if self.per is None or self.per == "total":
            return standing.reset_s
        return period(self.per, now, self.zone)[1] - now

    def waits_s(self, standing: Standing, now: float) -> float:
        """Until what was refused would be granted; inf if waiting is no use."""
        if self.per is None or self.per == "total" or not standing.wait_s:
            return standing.wait_s
        return period(self.per, now, self.zone)[1] - now


def rules(scope: str, name: str, limits: Limits) -> tuple[Rule, ...]:
    """One for each limit that is given. name: whose they are; empty for everybody's."""
    found = []
    whose = f"{scope} {name}" if name else "everybody"
    for key, amount in msgspec.structs.asdict(limits).items():
        unit, _, window = key.partition("_per_")
        if amount is None or (window not in WINDOWS_S and key != "concurrent"):
            continue
        rate = amount / WINDOWS_S[window] if window else 0.0
        found.append(
            Rule(
                key=f"{scope}/{_plain(name)}/{key}",
                name=f"{key} of {whose}",
                scope=scope,
                unit=Unit(unit),
                capacity=float(amount),
                rate=rate,
                shadow=limits.mode == "shadow",
                max_waiting=limits.max_waiting if limits.on_limit == "wait" else 0,
                max_wait_s=limits.max_wait_s,
            )
        )
    return tuple(found)


def budget_rule(scope: str, name: str, budget: Budget, zone: tzinfo) -> Rule:
    rolling = budget.rolling and budget.per != "total"
    return Rule(
        key=f"{scope}/{_plain(name)}/budget/{budget.per}",
        name=f"budget of {scope} {name}",
        scope=scope,
        unit=Unit.USD,
        capacity=budget.usd,
        rate=budget.usd / MEAN_S[budget.per] if rolling else 0.0,
        shadow=budget.mode == "shadow",
        per=None if rolling else budget.per,
        zone=zone,
        money=True,
    )


def _plain(name: str) -> str:
    """What may stand in a level's key: a name's own slashes and line ends must not."""
    return "".join(
        letter if letter.isalnum() or letter in "-_.*@:" else f"%{ord(letter):x}" for letter in name
    )


# ---- what the caller is told


class Refusal(msgspec.Struct, frozen=True):
    rule: Rule
    wait_s: float  # inf: waiting is no use


def refusal(rules: Sequence[Rule], verdict: Verdict, now: float) -> Refusal:
    """The limit that keeps the exchange out for longest."""
    waits = [
        (rule.waits_s(standing, now), rule)
        for rule, standing in zip(rules, verdict.standings, strict=True)
        if not rule.shadow and standing.wait_s > 0
    ]
    wait_s, rule = max(waits, key=lambda pair: pair[0])
    return Refusal(rule, wait_s)


def waited_for(rules: Sequence[Rule], verdict: Verdict, now: float) -> tuple[Rule | None, float]:
    """The limit that a refused exchange has to wait for, and for how long as far as is known.

    None where one of those that refuse it does not let wait, or never has so much.
    """
    longest: tuple[Rule | None, float] = None, 0.0
    if not verdict.standings:
        return longest
    for rule, standing in zip(rules, verdict.standings, strict=True):
        if rule.shadow or not standing.wait_s > 0:
            continue
        wait_s = rule.waits_s(standing, now)
        if not rule.max_waiting or (rule.rate > 0 and math.isinf(wait_s)):
            return None, 0.0
        if wait_s > longest[1]:
            longest = rule, wait_s
    return longest


_KINDS: Final = {
    Unit.REQUESTS: "requests",
    Unit.TOKENS: "tokens",
    Unit.INPUT_TOKENS: "tokens",
    Unit.OUTPUT_TOKENS: "tokens",
}


class Told(msgspec.Struct, frozen=True):
    """The tightest limit of its kind."""

    kind: str  # requests or tokens
    limit: int
    remaining: int
    reset_s: float


def told(rules: Sequence[Rule], standings: Sequence[Standing], now: float) -> list[Told]:
    """At most one for requests and one for tokens; none where nobody could say."""
    if not standings:
        return []
    found: dict[str, tuple[float, Rule, Standing]] = {}
    for rule, standing in zip(rules, standings, strict=True):
        kind = _KINDS.get(rule.unit)
        if kind is None or rule.shadow:
            continue
        share = standing.remaining / rule.capacity
        if kind not in found or share < found[kind][0]:
            found[kind] = share, rule, standing
    return [
        Told(kind, int(rule.capacity), math.floor(one.remaining + 1e-6), rule.resets_s(one, now))
        for kind, (_, rule, one) in found.items()
    ]


def told_of(why: Refusal) -> list[Told]:
    """Of a limit for which others wait: it is full."""
    rule = why.rule
    kind = _KINDS.get(rule.unit)
    reset_s = rule.capacity / rule.rate if rule.rate > 0 else 0.0
    return [] if kind is None else [Told(kind, int(rule.capacity), 0, reset_s)]


def openai_lines(told: Sequence[Told]) -> bytes:
    """Header lines in OpenAI's format."""
    return b"".join(
        b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %b\r\n"
        % (kind, one.limit, kind, one.remaining, kind, duration(one.reset_s))
        for one in told
        for kind in (one.kind.encode(),)
    )


def anthropic_lines(told: Sequence[Told], now: float) -> bytes:
    """The same in Anthropic's format, with instants (RFC 3339) instead of durations."""
    return b"".join(
        b"anthropic-ratelimit-%b-limit: %d\r\n"
        b"anthropic-ratelimit-%b-remaining: %d\r\n"
        b"anthropic-ratelimit-%b-reset: %b\r\n"
        % (kind, one.limit, kind, one.remaining, kind, _instant(now + one.reset_s))
        for one in told
        for kind in (one.kind.encode(),)
    )


def _instant(unix_s: float) -> bytes:
    try:
        return f"{datetime.fromtimestamp(math.ceil(unix_s), UTC):%Y-%m-%dT%H:%M:%SZ}".encode()
    except (OverflowError, ValueError):  # never
        return b"9999-12-31T23:59:59Z"


def duration(seconds: float) -> bytes:
    """As OpenAI spells it: 120ms, 1.5s, 6m0s, 1h0m0s. Rounded up to the millisecond."""
    if not math.isfinite(seconds):
        seconds = 0.0
    ms = math.ceil(seconds * 1000 - 1e-6)
    if ms < 1000:
        return b"%dms" % max(0, ms)
    whole, rest = divmod(ms, 1000)
    tail = b"%d" % (whole % 60)
    if rest:
        tail += (b".%03d" % rest).rstrip(b"0")
    minutes = whole // 60
    if minutes >= 60:
        return b"%dh%dm%bs" % (minutes // 60, minutes % 60, tail)
    return b"%dm%bs" % (minutes, tail) if minutes else tail + b"s"
