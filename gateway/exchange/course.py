"""Where an exchange goes next: which target first, which after a failure, and after what pause.

Decided from what is known at that moment; nothing here waits or sends. First another target, then
another model where the route has fallbacks for that kind of failure, then the same target again.
A second visit of one exchange to one backend is a retry, and takes from that backend's budget: so
no backend sees more than its requests and a share of them, whatever fails.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.chat.operation import Operation
from gateway.errors import Code, GatewayError
from gateway.exchange.caller import Caller
from gateway.policy.failures import RULES, Cause, Failure
from gateway.policy.retries import backoff_s, bearable
from gateway.policy.routing import Candidate, Place, explain, order
from gateway.runtime.snapshot import Route, Target, named

MIN_LEFT_S: Final = 0.25  # no attempt begins with less time than this


Fits = Callable[[Target], bool]


def _any(target: Target) -> bool:
    return True


class Choice(msgspec.Struct, frozen=True, eq=False):
    target: Target
    route: Route  # the one it was found on: its defaults and what it forces hold


class Step(msgspec.Struct, frozen=True, eq=False):
    choice: Choice
    wait_s: float


class Course:
    """One exchange's way over its targets."""

    __slots__ = (
        "_asked",
        "_caller",
        "_choices",
        "_draw",
        "_fallbacks",
        "_first",
        "_operation",
        "_route",
        "_session",
        "_tried",
    )

    def __init__(
        self,
        route: Route,
        operation: Operation,
        asked: str,
        caller: Caller,
        draw: Callable[[], float],
        session: bytes = b"",
    ) -> None:
        self._route = route
        self._operation = operation
        self._asked = asked  # the model's name as the client wrote it
        self._caller = caller
        self._draw = draw
        self._session = session
        self._first: Choice | None = None
        self._choices: list[Choice] = []  # best first, of all routes so far
        self._tried: list[tuple[Choice, Failure]] = []
        self._fallbacks: list[str] | None = None  # still to be asked; None: not looked up yet

    @property
    def failures(self) -> list[Failure]:
        return [failure for _, failure in self._tried]

    def first(self, now: float) -> Choice:
        """The same however often it is asked. Raises GatewayError when no target offers the
        operation, or none can be asked now.
        """
        if self._first is None:
            self._first = self._best(now)
        return self._first

    def _best(self, now: float) -> Choice:
        route = self._route
        offering = route.offering[self._operation]
        if not offering:
            raise GatewayError(
                Code.OPERATION_NOT_SUPPORTED,
                f"no backend of model {route.model!r} offers {self._operation.value}",
                param="model",
            )
        if len(offering) == 1 and offering[0].health.usable(now):
            choice = Choice(named(offering[0], route, self._asked), route)
        else:
            ranked = self._candidates(route, now)
            self._choices = self._named(route, ranked)
            choice = self._choices[0] if ranked[0].usable else self._least_bad(now)
        choice.target.backend.standing.budget.requested(now)
        return choice

    def note(self, choice: Choice, failure: Failure) -> None:
        self._tried.append((choice, failure))

    def beside(self, choice: Choice, now: float) -> Choice | None:
        """Another target that may be asked while choice still is."""
        if not self._choices:
            self._choices = self._named(self._route, self._candidates(self._route, now))
        name = choice.target.name
        for other in self._choices:
            if other.target.name != name and other.target.health.usable(now):
                other.target.backend.standing.budget.requested(now)
                return other
        return None

    def after(
        self, choice: Choice, failure: Failure, now: float, left_s: float, fits: Fits = _any
    ) -> Step | None:
        """What to try after a failure; None if it stands. fits: the targets that still can."""
        self.note(choice, failure)
        if len(self._tried) >= self._route.retrying.attempts or left_s < MIN_LEFT_S:
            return None
        elsewhere = self._elsewhere(failure, now, fits)
        if elsewhere is not None:
            return Step(elsewhere, 0.0)
        rule = RULES[failure.code]
        return self._again(now, left_s, fits) if rule.again or rule.elsewhere else None

    # ---- elsewhere

    def _elsewhere(self, failure: Failure, now: float, fits: Fits) -> Choice | None:
        rule = RULES[failure.code]
        if rule.elsewhere:
            if not self._choices:
                self._choices = self._named(self._route, self._candidates(self._route, now))
            choice = self._next(now, fits)
            if choice is not None:
                return choice
        return None if rule.fallback is None else self._of_another_model(rule.fallback, now, fits)

    def _of_another_model(self, cause: Cause, now: float, fits: Fits) -> Choice | None:
        """The best target of the first model that the route has for this and the caller may use."""
        if self._fallbacks is None:
            self._fallbacks = list(_fallbacks(self._route, cause))
        while self._fallbacks:
            name = self._fallbacks.pop(0)
            route = self._caller.snapshot.route(name)
            if route is None or not self._caller.key.may_use(name):
                continue
            self._asked = name
            self._choices = self._named(route, self._candidates(route, now))
            self._fallbacks += _fallbacks(route, cause)
            choice = self._next(now, fits)
            if choice is not None:
                return choice
        return None

    def _next(self, now: float, fits: Fits) -> Choice | None:
        """The best target that has not been tried and may be asked."""
        tried = {choice.target.name for choice, _ in self._tried}
        for choice in self._choices:
            target = choice.target
            fresh = target.name not in tried and target.health.usable(now) and fits(target)
            if fresh and self._granted(target, now):
                return choice
        return None

    def _granted(self, target: Target, now: float) -> bool:
        """A first visit to a backend is a request to it; a further one needs its budget."""
        standing = target.backend.standing
        if any(choice.target.backend.standing is standing for choice, _ in self._tried):
            return standing.budget.take(now)
        standing.budget.requested(now)
        return True

    # ---- again

    def _again(self, now: float, left_s: float, fits: Fits) -> Step | None:
        """The latest of those that may be tried again, once its pause is over."""
        retrying = self._route.retrying
        for choice, failure in reversed(self._tried):
            if not RULES[failure.code].again:
                continue
            health = choice.target.health
            if not (health.repeatable(now) and fits(choice.target)):
                continue
            floor_s = max(failure.retry_after_s or 0.0, health.held_until - now, 0.0)
            number = len(self._tried)
            wait_s = backoff_s(number, retrying.base_s, retrying.cap_s, self._draw(), floor_s)
            if not bearable(floor_s, left_s, retrying.max_retry_after_s):
                continue
            if wait_s > left_s - MIN_LEFT_S or not choice.target.backend.standing.budget.take(now):
                continue
            return Step(choice, wait_s)
        return None

    # ---- ranking

    def places(self, now: float) -> list[Place[Target]]:
        """The targets as first() would try them now, and why in this order."""
        return explain(*self._question(self._route, now))

    def _candidates(self, route: Route, now: float) -> list[Candidate[Target]]:
        return order(*self._question(route, now))

    def _question(
        self, route: Route, now: float
    ) -> tuple[str, list[Candidate[Target]], float, bytes, float]:
        candidates = [candidate(target, now) for target in route.offering[self._operation]]
        return route.strategy, candidates, self._draw(), self._session, route.sticky.load_bound

    def _named(self, route: Route, ranked: list[Candidate[Target]]) -> list[Choice]:
        return [Choice(named(one.target, route, self._asked), route) for one in ranked]

    def _least_bad(self, now: float) -> Choice:
        """No target may be asked: another model's, or the least bad one, now and then; or none."""
        healths = [choice.target.health for choice in self._choices]
        own = self._choices
        held = all(health.held_until > now for health in healths)
        other = self._of_another_model(Cause.RATE_LIMIT if held else Cause.ANY, now, _any)
        if other is not None:
            return other
        for choice in own:
            if choice.target.health.last_resort(now):
                return choice
        if all(health.standing.refuses(now) for health in healths):
            raise GatewayError(Code.UPSTREAM_AUTH, RULES[Code.UPSTREAM_AUTH].shows)
        raise GatewayError(
            Code.NO_UPSTREAM,
            "no backend of this model takes requests now",
            retry_after_s=min(health.wait_s(now) for health in healths),
        )


def _fallbacks(route: Route, cause: Cause) -> tuple[str, ...]:
    """The further models for a cause; a limit that is reached is a failure like any."""
    models = route.fallbacks.get(cause, ())
    if not models and cause is Cause.RATE_LIMIT:
        return route.fallbacks.get(Cause.ANY, ())
    return models


def candidate(target: Target, now: float) -> Candidate[Target]:
    """What is known of a target at this moment."""
    health = target.health
    return Candidate(
        target,
        target.weight,
        target.tier,
        target.identity,
        wait_s=health.wait_s(now),
        usable=health.usable(now),
        in_flight=health.in_flight,
        score=health.pulse.score(now, health.in_flight),
        price=target.mixed_price,
    )
