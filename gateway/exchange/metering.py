"""What an exchange takes from the limits that hold for it: claimed before, settled after, once.

Before anything goes upstream, all of it is claimed or none; what is not known yet is estimated.
After the end, however it came, what the backends counted is settled.
"""

import math
import time
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.dialects.base import Head
from gateway.errors import Code, GatewayError
from gateway.exchange.caller import Caller
from gateway.policy import pricing, quotas
from gateway.policy.estimates import Estimate
from gateway.policy.limits import Claim, Verdict
from gateway.policy.quotas import Amounts, Refusal, Rule, Told, Unit, openai_lines
from gateway.runtime.rooms import Asked, Wanted
from gateway.runtime.rulebook import Rules
from gateway.runtime.snapshot import Route, Target
from gateway.runtime.state import Runtime
from gateway.telemetry.charges import Charge, charges
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.record import Attempt, Outcome, Record

_CODES: Final = {
    Unit.REQUESTS: Code.REQUEST_LIMIT,
    Unit.TOKENS: Code.TOKEN_LIMIT,
    Unit.INPUT_TOKENS: Code.TOKEN_LIMIT,
    Unit.OUTPUT_TOKENS: Code.TOKEN_LIMIT,
    Unit.USD: Code.SPENDING_LIMIT,
    Unit.CONCURRENT: Code.CONCURRENCY_LIMIT,
}
CONCURRENCY_WAIT_S: Final = 1.0  # told where only another exchange's end can make room
UNKNOWN_WAIT_S: Final = 1.0  # told while the store is away
_SILENT: Final = frozenset({Operation.EMBEDDINGS})  # answers that have no output tokens


class Size(msgspec.Struct, frozen=True, gc=False):
    """What is known of a request before it is asked."""

    request_bytes: int
    max_output: int | None = None  # tokens for each choice, if the client says so
    choices: int = 1
    images: int = 0  # asked of an endpoint that is not understood

    @classmethod
    def of(cls, operation: Operation, head: Head, body: bytes) -> "Size":
        return cls(len(body), 0 if operation in _SILENT else head.max_output, head.choices)


OPAQUE: Final = Size(0, 0)  # a request that is not understood


class Meter:
    """One exchange's. `claim` before anything goes upstream, `settle` however it has ended."""

    __slots__ = (
        "_asked",
        "_at_backends",
        "_caller",
        "_claims",
        "_lease",
        "_part",
        "_record",
        "_rules",
        "_runtime",
        "_size",
    )

    def __init__(
        self, runtime: Runtime, caller: Caller, record: Record, size: Size = OPAQUE
    ) -> None:
        self._runtime = runtime
        self._caller = caller
        self._record = record
        self._rules: Rules | None = None
        self._claims: Sequence[Claim] = []  # what is to be settled
        self._lease = ""
        self._at_backends: list[_AtBackend] = []
        self._asked = 0  # attempts' backends: each lease is another
        self._size = self._part = size  # of the exchange, of one attempt

    async def claim(self, route: Route, size: Size, deadline_at: float = math.inf) -> None:
        """All that it may take, or nothing; by deadline_at. Raises GatewayError."""
        self._size = self._part = size
        rules = self._caller.snapshot.rulebook.of(self._caller.key, route.model)
        if rules is None:
            return
        record = self._record
        amounts = expected(self._runtime.estimate(route.model), route.targets, rules, size)
        asked = await self._ask(record.id, rules, amounts, deadline_at)
        verdict, now = asked.verdict, time.time()
        if asked.why is not None:
            self._tell(quotas.told_of(asked.why), now)
            raise refused_for(asked.why)
        self._tell(quotas.told(rules.all, verdict.standings, now), now)
        if not verdict.granted:
            raise refused(rules.all, verdict, now)
        self._rules = rules
        if rules.leased:
            self._claims, self._lease = asked.claims, asked.lease

    def _tell(self, told: Sequence[Told], now: float) -> None:
        """In the header lines of the answer, as the client's SDK reads them."""
        anthropic = self._record.operation is Operation.MESSAGES
        lines = quotas.anthropic_lines(told, now) if anthropic else openai_lines(told)
        self._record.limits = lines

    async def _ask(self, lease: str, rules: Rules, amounts: Amounts, deadline_at: float) -> Asked:
        """What the store says, at once or where the limits let wait, when its turn has come."""
        runtime = self._runtime
        if not rules.wait:
            claims = _claims(rules, amounts)
            asked = Asked(claims, await runtime.desk.claim(lease, claims), lease=lease)
        else:
            asked = await self._wait(lease, rules, amounts, deadline_at)
        _count(runtime.sink.metrics, rules.all, asked)
        return asked

    async def _wait(self, lease: str, rules: Rules, amounts: Amounts, deadline_at: float) -> Asked:
        runtime, record, began = self._runtime, self._record, time.monotonic()
        verdict: Verdict | None = None
        if not runtime.rooms.busy(rules.all):  # nobody is overtaken
            claims = _claims(rules, amounts)
            verdict = await runtime.desk.claim(lease, claims)
            if verdict.granted:
                return Asked(claims, verdict, lease=lease)
        place = self._caller.snapshot.rulebook.place(self._caller.key)
        wanted = Wanted(lease, rules.all, amounts, place, deadline_at)
        try:
            return await runtime.rooms.wait(wanted, verdict)
        finally:
            waited_s = time.monotonic() - began
            record.limit_wait_s += waited_s
            record.waited_s += waited_s

    def divide(self, parts: int) -> None:
        """It is asked in so many attempts, each for its share."""
        whole = self._size
        self._part = Size(
            whole.request_bytes // parts, whole.max_output, max(1, whole.choices // parts)
        )

    async def claim_at(
        self, target: Target, attempt: Attempt, deadline_at: float = math.inf
    ) -> float | None:
        """The same for the limits of one attempt's backend: None, or for how long to leave it."""
        rules = self._caller.snapshot.rulebook.of_backend(target.backend.name)
        if rules is None:
            return None
        record = self._record
        amounts = expected(self._runtime.estimate(record.model), (target,), rules, self._part)
        self._asked += 1
        lease = f"{record.id}/{self._asked}"
        asked = await self._ask(lease, rules, amounts, deadline_at)
        verdict = asked.verdict
        if asked.why is not None:
            return asked.why.wait_s
        if not verdict.granted:
            if not verdict.standings:
                return UNKNOWN_WAIT_S
            return quotas.refusal(rules.all, verdict, time.time()).wait_s
        if rules.wait:
            attempt.started_at = time.monotonic()  # what it waited for here is not the backend's
        if rules.leased:
            self._at_backends.append(_AtBackend(asked.lease, attempt, rules, asked.claims))
        return None

    def settle(self) -> None:
        """With what the backends counted; once the record is complete."""
        record, desk = self._record, self._runtime.desk
        if self._claims and self._rules is not None:
            spent = spent_by(charges(record))
            desk.settle(
                self._lease, self._claims, [spent.of(rule.unit) for rule in self._rules.all]
            )
            if self._rules.wait:
                self._runtime.rooms.freed(self._rules.all)
        for at in self._at_backends:
            spent = spent_by(one for one in charges(record) if one.attempt is at.attempt)
            desk.settle(at.lease, at.claims, [spent.of(rule.unit) for rule in at.rules.all])
            if at.rules.wait:
                self._runtime.rooms.freed(at.rules.all)
        usage, size = record.usage, self._size
        limited = self._rules is not None or self._at_backends
        if limited and usage is not None and record.outcome is Outcome.COMPLETE:
            estimate = self._runtime.estimate(record.model)
            estimate.learn(size.request_bytes, usage.input, usage.output, size.choices)


class _AtBackend(msgspec.Struct, frozen=True, eq=False):
    """What one attempt has claimed of its backend's limits."""

    lease: str
    attempt: Attempt
    rules: Rules
    claims: Sequence[Claim]


def expected(estimate: Estimate, targets: Iterable[Target], rules: Rules, size: Size) -> Amounts:
    """The most that it will probably take."""
    into = estimate.input(size.request_bytes)
    out = estimate.output(size.max_output, size.choices)
    usd = 0.0
    if rules.priced:
        prices = [target.price for target in targets if target.price is not None]
        usd = max(
            (pricing.most(price, int(into), int(out), size.images) for price in prices), default=0.0
        )
    return Amounts(into, out, usd)


def spent_by(charges: Iterable[Charge]) -> Amounts:
    """What the backends will want to be paid for."""
    into, out, usd = 0, 0, 0.0
    for charge in charges:
        usage = charge.usage or Usage()
        into += usage.input
        out += usage.output
        usd += charge.usd or 0.0
    return Amounts(into, out, usd, concurrent=0)


def refused(rules: Sequence[Rule], verdict: Verdict, now: float) -> GatewayError:
    if not verdict.standings:
        return GatewayError(
            Code.LIMITS_UNKNOWN,
            "the limits cannot be looked up now",
            retry_after_s=UNKNOWN_WAIT_S,
        )
    return refused_for(quotas.refusal(rules, verdict, now))


def refused_for(why: Refusal) -> GatewayError:
    rule, wait_s = why.rule, why.wait_s
    code = Code.BUDGET_EXCEEDED if rule.money else _CODES[rule.unit]
    if math.isfinite(wait_s):
        return GatewayError(code, _message(why), retry_after_s=wait_s)
    if rule.unit is Unit.CONCURRENT:
        return GatewayError(code, _message(why), retry_after_s=CONCURRENCY_WAIT_S)
    return GatewayError(code, _message(why), headers=_NO_RETRY if not rule.money else b"")


_NO_RETRY: Final = b"x-should-retry: false\r\n"


def _message(why: Refusal) -> str:
    rule = why.rule
    amount = f"{rule.capacity:g}"
    if rule.money:
        return f"the {rule.name}, {amount} USD, does not pay for this request"
    if math.isfinite(why.wait_s) or rule.unit is Unit.CONCURRENT:
        return f"the limit of {amount} {rule.name} is reached"
    return f"this request may take more than the limit of {amount} {rule.name}"


def _claims(rules: Rules, amounts: Amounts) -> list[Claim]:
    now = time.time()
    return [rule.claim(amounts, now) for rule in rules.all]


def _count(metrics: Metrics, rules: Sequence[Rule], asked: Asked) -> None:
    """One decision for each scope that has a limit here."""
    results: dict[str, str] = {}
    verdict = asked.verdict
    if asked.why is not None:
        results[asked.why.rule.scope] = "refused"
        rules = ()
    for number, rule in enumerate(rules):
        standing = verdict.standings[number] if verdict.standings else None
        if standing is None:
            results[rule.scope] = "unknown"
        elif standing.wait_s > 0:
            results[rule.scope] = "would_refuse" if rule.shadow else "refused"
        else:
            results.setdefault(rule.scope, "granted" if verdict.granted else "elsewhere")
    for scope, result in results.items():
        metrics.number("gateway_ratelimit_decisions_total", scope, result).value += 1
