"""What is known of the backends' health. It outlives snapshots: a reload changes none of it.

A target is left alone while its circuit is open, while it is on hold (a 429 said how long), while
its backend refuses our credential, and while an active check finds the backend down.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from enum import Flag
from typing import Final

from gateway.config.schema import HealthCheck
from gateway.errors import Code
from gateway.policy.circuit import Circuit, State
from gateway.policy.circuit import Rule as CircuitRule
from gateway.policy.failures import RULES, Failure, Mark
from gateway.policy.pulse import Pulse
from gateway.policy.retries import Budget

BARE_HOLD_S: Final = 1.0  # for a 429 that does not say for how long
QUOTA_HOLD_S: Final = 60.0
HEDGES_PER_S: Final = 0.1  # that are always granted, so that a route with few requests has some
LAST_RESORT_S: Final = 0.5  # between two tries of a target that should be left alone
_CREDENTIAL: Final = CircuitRule(
    enabled=True,
    failure_ratio=1.0,
    min_requests=1,
    window_s=10.0,
    open_s=1.0,
    open_max_s=60.0,
    connect_failures=1,
    slow_start_s=0.0,
)


class Probe(Flag):
    """Which questions an attempt answers for all that come behind it."""

    NONE = 0
    OF_CIRCUIT = 1
    OF_CREDENTIAL = 2


class Standing:
    """What all targets of one backend share."""

    __slots__ = ("_streak", "budget", "credential", "up", "well")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget  # for retries
        # A refused one is tried again by one request at a time, ever less often.
        self.credential = Circuit(_CREDENTIAL)
        self.up = True  # as an active check last found it
        self.well = True  # nothing speaks against it; False means: look closer
        self._streak = 0  # checks in a row that were not as `up` says

    def wait_s(self, now: float) -> float:
        wait_s = self.credential.wait_s(now)
        self.well = self.up and wait_s == 0.0 and self.credential.state(now) is State.CLOSED
        return wait_s

    def refuses(self, now: float) -> bool:
        """Whether our credential was refused when it was last tried."""
        return self.credential.state(now) is not State.CLOSED

    def found(self, *, good: bool, check: HealthCheck) -> None:
        """What an active check has found; one that is switched off finds nothing bad."""
        self._streak = 0 if good is self.up else self._streak + 1
        needed = check.healthy_after if good else check.unhealthy_after
        if self._streak >= needed or (good and not check.enabled):
            self.up, self._streak = good, 0
        self.well = self.well and self.up

    def remember(self, *, refusals: bool) -> None:
        """Whether a refused credential is left alone."""
        self.credential.rule = replace(_CREDENTIAL, enabled=refusals)

    def refused(self, now: float, draw: float) -> None:
        """Our credential was."""
        self.well = False
        self.credential.failed(now, connect=True, draw=draw)


class Health:
    """One target's."""

    __slots__ = (
        "_draw",
        "_last_resort_at",
        "circuit",
        "hedges",
        "held_until",
        "in_flight",
        "max_hold_s",
        "pulse",
        "shadows",
        "standing",
        "well",
    )

    def __init__(
        self, standing: Standing, rule: CircuitRule, draw: Callable[[], float] = random.random
    ) -> None:
        self.standing = standing
        self.circuit = Circuit(rule)
        self.pulse = Pulse()
        self.hedges = Budget(0.0, HEDGES_PER_S)  # for second targets beside this one
        self.held_until = 0.0
        self.max_hold_s = 60.0
        self.in_flight = 0
        self.shadows = 0  # copies of requests under way
        self.well = True  # nothing speaks against it; False means: look closer
        self._last_resort_at = 0.0
        self._draw = draw

    # ---- may it be asked

    def wait_s(self, now: float) -> float:
        """Seconds until it may be asked; 0.0 for now. A probe that is due counts as now."""
        if self.well and self.standing.well:
            return 0.0
        wait_s = max(self.circuit.wait_s(now), self.held_until - now, 0.0)
        self.well = wait_s == 0.0 and self.circuit.calm(now)
        return max(wait_s, self.standing.wait_s(now))

    def usable(self, now: float) -> bool:
        """Whether it may be asked now. One that has just recovered gets a growing share."""
        if self.well and self.standing.well:
            return True
        return (
            self.wait_s(now) == 0.0
            and self.standing.up
            and self.circuit.admits(now, self._draw())
            and self.standing.credential.admits(now, self._draw())
        )

    def repeatable(self, now: float) -> bool:
        """Whether it may be asked again by one that it has failed; a hold is waited for then."""
        if self.well and self.standing.well:
            return True
        return self.circuit.admits(now, 0.0) and self.standing.credential.admits(now, 0.0)

    def last_resort(self, now: float) -> bool:
        """Whether it may be tried though it should be left alone, because nothing else is there.

        Where a credential is refused, one request at a time learns whether it still is; where the
        circuit is open, one now and then. What a 429 told to wait does wait.
        """
        credential = self.standing.credential
        if self.held_until > now:
            return False
        credential.probe_now()
        if not credential.admits(now, 0.0):
            return False
        if self.circuit.admits(now, 0.0):
            return True
        if now < self._last_resort_at:
            return False
        self._last_resort_at = now + LAST_RESORT_S
        self.circuit.probe_now()
        return True

    # ---- what came of it

    def begun(self, now: float) -> Probe:
        """An attempt begins; whether it is a probe that decides if others may follow."""
        self.in_flight += 1
        probe = Probe.NONE
        if self.well and self.standing.well:
            return probe
        if self.circuit.enter(now):
            probe |= Probe.OF_CIRCUIT
        if self.standing.credential.enter(now):
            probe |= Probe.OF_CREDENTIAL
        return probe

    def ended(self, probe: Probe) -> None:
        """The attempt is over, and succeeded() or failed() have said what there is to say of it:
        a probe that is given back before its verdict is none.
        """
        self.in_flight -= 1
        if probe is Probe.NONE:
            return
        if Probe.OF_CIRCUIT in probe:
            self.circuit.released()
        if Probe.OF_CREDENTIAL in probe:
            self.standing.credential.released()

    def succeeded(self, now: float) -> None:
        """It has answered: the first content is there."""
        self.circuit.succeeded(now)
        if not self.standing.well:
            self.standing.credential.succeeded(now)

    def failed(self, failure: Failure, now: float) -> None:
        match RULES[failure.code].mark:
            case Mark.CONNECT:
                self.well = False
                self.circuit.failed(now, connect=True, draw=self._draw())
            case Mark.TRIPS:
                self.well = False
                self.circuit.failed(now, connect=False, draw=self._draw())
            case Mark.ALIVE:
                self.succeeded(now)
            case Mark.NOTHING:
                self._rest(failure, now)

    def hold(self, now: float, seconds: float) -> None:
        """Leaves it alone for so long."""
        self.well = False
        self.held_until = max(self.held_until, now + min(seconds, self.max_hold_s))

    def _rest(self, failure: Failure, now: float) -> None:
        """What says nothing of its health may still ask us to wait."""
        match failure.code:
            case Code.UPSTREAM_RATE_LIMITED:
                asked_s = failure.retry_after_s
                self.hold(now, BARE_HOLD_S if asked_s is None else asked_s)
            case Code.UPSTREAM_QUOTA:
                self.hold(now, QUOTA_HOLD_S)
            case Code.UPSTREAM_AUTH if failure.status == 403:
                # Of this model, it may be, and not of the credential for others.
                self.well = False
                self.circuit.failed(now, connect=False, draw=self._draw())
            case Code.UPSTREAM_AUTH:
                self.standing.refused(now, self._draw())
            case _:
                pass
