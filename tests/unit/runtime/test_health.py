"""When a target is left alone, and how it comes back."""

from dataclasses import replace

import pytest

from gateway.config.schema import HealthCheck
from gateway.errors import Code
from gateway.policy.circuit import Rule, State
from gateway.policy.failures import Failure
from gateway.policy.retries import Budget
from gateway.runtime.health import BARE_HOLD_S, LAST_RESORT_S, Health, Probe, Standing

RULE = Rule(
    enabled=True,
    failure_ratio=0.5,
    min_requests=2,
    window_s=10.0,
    open_s=5.0,
    open_max_s=60.0,
    slow_start_s=0.0,
)
T = 1000.0
CHECK = HealthCheck(enabled=True, unhealthy_after=2, healthy_after=2)


def healthy(standing: Standing | None = None) -> Health:
    return Health(standing or Standing(Budget(0.2, 1.0)), RULE, lambda: 0.5)


def broken(health: Health, now: float = T) -> Health:
    for _ in range(2):
        health.failed(Failure(Code.UPSTREAM_ERROR, 500), now)
    assert health.circuit.state(now) is State.OPEN
    return health


def test_nothing_speaks_against_a_new_target() -> None:
    health = healthy()
    assert health.usable(T)
    assert health.wait_s(T) == 0.0
    assert not health.begun(T)
    health.ended(Probe.NONE)
    assert health.in_flight == 0


def test_failures_open_its_circuit_and_a_probe_closes_it() -> None:
    health = broken(healthy())
    assert not health.usable(T)
    assert health.wait_s(T) == pytest.approx(5.0)
    now = T + 5.1
    assert health.usable(now)
    assert health.begun(now)
    assert not health.usable(now)
    health.succeeded(now)
    health.ended(Probe.OF_CIRCUIT)
    assert health.usable(now)
    assert health.well or health.wait_s(now) == 0.0


def test_a_probe_whose_client_leaves_is_given_back() -> None:
    health = broken(healthy())
    now = T + 5.1
    probe = health.begun(now)
    health.ended(probe)
    assert health.usable(now)


def test_who_is_no_probe_gives_no_probe_back() -> None:
    health = healthy()
    early = health.begun(T)
    broken(health)
    now = T + 5.1
    assert health.begun(now)
    health.ended(early)
    assert not health.usable(now)


@pytest.mark.parametrize(
    ("failure", "wait_s"),
    [
        (Failure(Code.UPSTREAM_RATE_LIMITED, 429), BARE_HOLD_S),
        (Failure(Code.UPSTREAM_RATE_LIMITED, 429, retry_after_s=7.0), 7.0),
        (Failure(Code.UPSTREAM_RATE_LIMITED, 429, retry_after_s=900.0), 60.0),
        (Failure(Code.UPSTREAM_QUOTA, 429), 60.0),
        (Failure(Code.UPSTREAM_REFUSED, 400), 0.0),
        (Failure(Code.CONTEXT_LENGTH, 400), 0.0),
        (Failure(Code.NO_UPSTREAM), 0.0),
        (Failure(Code.TOTAL_TIMEOUT), 0.0),
    ],
)
def test_what_is_told_to_wait_waits_and_no_circuit_opens(failure: Failure, wait_s: float) -> None:
    health = healthy()
    for _ in range(3):
        health.failed(failure, T)
    assert health.wait_s(T) == pytest.approx(wait_s)
    assert health.usable(T) is (wait_s == 0.0)
    assert health.circuit.state(T) is State.CLOSED
    assert health.usable(T + 61)


def test_no_hold_is_longer_than_the_config_has_it() -> None:
    health = healthy()
    health.max_hold_s = 0.0
    health.failed(Failure(Code.UPSTREAM_RATE_LIMITED, 429, retry_after_s=7.0), T)
    assert health.usable(T)


def test_a_refused_credential_is_remembered_for_all_targets_of_its_backend() -> None:
    standing = Standing(Budget(0.2, 1.0))
    one, other = healthy(standing), healthy(standing)
    one.failed(Failure(Code.UPSTREAM_AUTH, 401), T)
    assert not one.usable(T)
    assert not other.usable(T)
    assert other.wait_s(T) == pytest.approx(1.0)
    now = T + 1.1
    assert other.begun(now)  # one asks whether it is good again
    assert not one.usable(now)
    assert not one.last_resort(now)
    other.succeeded(now)
    other.ended(Probe.OF_CREDENTIAL)
    assert one.usable(now)


def test_a_refused_credential_is_asked_again_at_once_if_nothing_else_is_left() -> None:
    health = healthy()
    health.failed(Failure(Code.UPSTREAM_AUTH, 401), T)
    assert health.last_resort(T)
    assert health.begun(T)
    assert not health.last_resort(T)


def test_a_403_is_of_the_target_not_of_the_credential() -> None:
    standing = Standing(Budget(0.2, 1.0))
    one, other = healthy(standing), healthy(standing)
    for _ in range(2):
        one.failed(Failure(Code.UPSTREAM_AUTH, 403), T)
    assert not one.usable(T)
    assert other.usable(T)


def test_without_circuits_a_refused_credential_is_not_remembered() -> None:
    health = healthy()
    health.standing.remember(refusals=False)
    health.failed(Failure(Code.UPSTREAM_AUTH, 401), T)
    assert health.usable(T)


def test_checks_in_a_row_make_a_backend_down_and_up() -> None:
    health = healthy()
    standing = health.standing
    standing.found(good=False, check=CHECK)
    assert health.usable(T)
    standing.found(good=False, check=CHECK)
    assert not health.usable(T)
    standing.found(good=True, check=CHECK)
    assert not health.usable(T)
    standing.found(good=True, check=CHECK)
    assert health.usable(T)


def test_a_check_that_is_switched_off_finds_nothing_bad() -> None:
    health = healthy()
    for _ in range(2):
        health.standing.found(good=False, check=CHECK)
    health.standing.found(good=True, check=HealthCheck())
    assert health.usable(T)


def test_the_last_resort_is_seldom_when_its_circuit_is_open() -> None:
    health = broken(healthy())
    assert health.last_resort(T)
    probe = health.begun(T)
    assert probe
    assert not health.last_resort(T)
    health.failed(Failure(Code.UPSTREAM_ERROR), T)
    health.ended(probe)
    assert not health.last_resort(T + LAST_RESORT_S / 2)
    assert health.last_resort(T + LAST_RESORT_S)


def test_the_last_resort_is_free_when_only_a_check_speaks_against_it() -> None:
    health = healthy()
    for _ in range(2):
        health.standing.found(good=False, check=CHECK)
    assert all(health.last_resort(T) for _ in range(3))


def test_what_is_on_hold_is_no_last_resort() -> None:
    health = healthy()
    health.hold(T, 5.0)
    assert not health.last_resort(T)
    assert health.repeatable(T)  # whoever was told to wait may come again then


def test_one_that_comes_back_gets_a_growing_share() -> None:
    drawn = [0.99]
    slow = replace(RULE, slow_start_s=10.0)
    health = broken(Health(Standing(Budget(0.2, 1.0)), slow, lambda: drawn[0]))
    now = T + 6.1
    probe = health.begun(now)
    health.succeeded(now)
    health.ended(probe)
    for _ in range(3):  # looking does not make it well
        assert health.wait_s(now) == 0.0
        assert not health.usable(now)
    drawn[0] = 0.05
    assert health.usable(now)
    drawn[0] = 0.5
    assert not health.usable(now + 2)
    assert health.usable(now + 6)
    drawn[0] = 0.99
    assert health.usable(now + 10.1)
    assert health.well


def test_what_may_be_asked_once_for_circuit_and_credential_is_two_probes() -> None:
    """The end of one never gives the other back."""
    standing = Standing(Budget(0.2, 1.0))
    one, other = broken(healthy(standing)), healthy(standing)
    now = T + 5.1
    of_circuit = one.begun(now)
    other.failed(Failure(Code.UPSTREAM_AUTH, 401), now)
    later = now + 1.3
    of_credential = other.begun(later)
    assert of_circuit
    assert of_credential
    one.ended(of_circuit)
    assert not other.usable(later)  # somebody still asks whether the credential is good
    other.ended(of_credential)
    assert other.usable(later)
