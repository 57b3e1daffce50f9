"""A circuit opens on failures, is probed by one at a time, and comes back slowly."""

from dataclasses import replace

import pytest

from gateway.policy.circuit import UNREACHED_MAX_S, Circuit, Rule, State

RULE = Rule(
    enabled=True, failure_ratio=0.5, min_requests=10, window_s=10.0, open_s=5.0, open_max_s=60.0
)
T = 1000.0


def fail(circuit: Circuit, times: int, now: float = T, *, connect: bool = False) -> None:
    for _ in range(times):
        circuit.failed(now, connect=connect, draw=0.5)


def succeed(circuit: Circuit, times: int, now: float = T) -> None:
    for _ in range(times):
        circuit.succeeded(now)


def opened(rule: Rule = RULE) -> Circuit:
    circuit = Circuit(rule)
    fail(circuit, 10)
    assert circuit.state(T) is State.OPEN
    return circuit


def test_few_failures_do_not_open_it() -> None:
    circuit = Circuit(RULE)
    fail(circuit, 9)
    assert circuit.state(T) is State.CLOSED


@pytest.mark.parametrize(("good", "bad", "state"), [(6, 5, State.CLOSED), (5, 5, State.OPEN)])
def test_the_share_of_failures_decides(good: int, bad: int, state: State) -> None:
    circuit = Circuit(RULE)
    succeed(circuit, good)
    fail(circuit, bad)
    assert circuit.state(T) is state


def test_what_lies_outside_the_window_is_forgotten() -> None:
    circuit = Circuit(RULE)
    fail(circuit, 9)
    fail(circuit, 1, T + 11)
    assert circuit.state(T + 11) is State.CLOSED
    fail(circuit, 9, T + 11)
    assert circuit.state(T + 11) is State.OPEN


def test_the_window_slides() -> None:
    circuit = Circuit(RULE)
    for second in range(9):
        fail(circuit, 1, T + second)
    assert circuit.state(T + 9) is State.CLOSED
    fail(circuit, 1, T + 9)
    assert circuit.state(T + 9) is State.OPEN


def test_connections_that_fail_in_a_row_open_it_sooner() -> None:
    circuit = Circuit(RULE)
    fail(circuit, 4, connect=True)
    circuit.succeeded(T)
    fail(circuit, 4, connect=True)
    assert circuit.state(T) is State.CLOSED
    circuit = Circuit(RULE)
    fail(circuit, 5, connect=True)
    assert circuit.state(T) is State.OPEN


def test_while_it_is_open_nobody_is_admitted_and_the_wait_is_known() -> None:
    circuit = opened()
    assert circuit.wait_s(T) == pytest.approx(5.0)
    assert not circuit.admits(T + 4.9, 0.0)
    assert circuit.wait_s(T + 5.1) == 0.0


@pytest.mark.parametrize(("draw", "wait_s"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_how_long_it_is_open_is_drawn(draw: float, wait_s: float) -> None:
    circuit = Circuit(replace(RULE, min_requests=1))
    circuit.failed(T, connect=False, draw=draw)
    assert circuit.wait_s(T) == pytest.approx(wait_s)


def test_one_probe_at_a_time() -> None:
    circuit = opened()
    now = T + 6
    assert circuit.state(now) is State.HALF_OPEN
    assert circuit.admits(now, 0.99)
    assert circuit.enter(now)
    assert not circuit.admits(now, 0.0)
    assert not circuit.enter(now)
    circuit.released()
    assert circuit.enter(now)


def test_asking_takes_nothing() -> None:
    circuit = opened()
    assert all(circuit.admits(T + 6, 0.5) for _ in range(5))


def test_a_good_probe_closes_it_and_its_share_grows() -> None:
    circuit = opened()
    assert circuit.enter(T + 6)
    circuit.succeeded(T + 6)
    assert circuit.state(T + 6) is State.CLOSED
    assert circuit.admits(T + 6, 0.09)
    assert not circuit.admits(T + 6, 0.11)
    assert circuit.admits(T + 11, 0.54)
    assert not circuit.admits(T + 11, 0.56)
    assert circuit.admits(T + 16.1, 0.999)


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_the_most() -> None:
    circuit, now = opened(), T
    waits = []
    for _ in range(5):
        waits.append(circuit.wait_s(now))
        now += waits[-1] + 0.01
        assert circuit.enter(now)
        fail(circuit, 1, now)
    assert waits == pytest.approx([5, 10, 20, 40, 60], abs=0.02)


def test_after_long_health_it_begins_anew() -> None:
    circuit = opened()
    assert circuit.enter(T + 6)
    fail(circuit, 1, T + 6)
    assert circuit.wait_s(T + 6) == pytest.approx(10)
    assert circuit.enter(T + 17)
    circuit.succeeded(T + 17)
    fail(circuit, 10, T + 200)
    assert circuit.wait_s(T + 200) == pytest.approx(5)


def test_a_later_failure_extends_it() -> None:
    circuit = opened()
    fail(circuit, 1, T + 4.5)
    assert circuit.wait_s(T + 4.5) == pytest.approx(4.0)


def test_a_probe_may_be_early_if_nothing_else_is_left() -> None:
    circuit = opened()
    circuit.probe_now()
    assert circuit.enter(T)
    circuit.succeeded(T)
    assert circuit.state(T) is State.CLOSED


def test_a_straggler_s_success_does_not_close_it() -> None:
    circuit = opened()
    circuit.succeeded(T + 1)
    assert circuit.state(T + 1) is State.OPEN


def test_without_circuits_nothing_opens() -> None:
    circuit = Circuit(replace(RULE, enabled=False))
    fail(circuit, 100, connect=True)
    assert circuit.state(T) is State.CLOSED
    assert circuit.admits(T, 0.999)


def test_switched_off_an_open_one_is_closed() -> None:
    circuit = opened()
    circuit.rule = replace(RULE, enabled=False)
    assert circuit.admits(T, 0.999)
    assert circuit.wait_s(T) == 0.0


def test_a_probe_before_its_time_that_fails_changes_nothing() -> None:
    """Where nothing else is left there is one every half second: that is no news each time."""
    circuit = Circuit(RULE)
    for _ in range(RULE.connect_failures):
        circuit.failed(T, connect=True, draw=0.5)
    wait_s = circuit.wait_s(T)
    for number in range(1, 8):
        now = T + 0.5 * number
        circuit.probe_now()
        assert circuit.enter(now)
        circuit.failed(now, connect=True, draw=0.5)
        assert not circuit.admits(now, 0.0)
        assert circuit.wait_s(now) == pytest.approx(wait_s - 0.5 * number)


def test_what_cannot_be_reached_is_tried_more_often_than_what_fails() -> None:
    """A connection that is refused costs the probe's caller nothing, and the first that is not
    tells that the backend is back.
    """
    unreached, failing = Circuit(RULE), Circuit(RULE)
    fail(unreached, RULE.connect_failures, connect=True)
    fail(failing, RULE.min_requests)
    waits = []
    for circuit, connect in ((unreached, True), (failing, False)):
        now = T
        for _ in range(8):
            now += circuit.wait_s(now)
            assert circuit.enter(now)
            circuit.failed(now, connect=connect, draw=0.5)
        waits.append(circuit.wait_s(now))
    assert waits == [pytest.approx(UNREACHED_MAX_S), pytest.approx(RULE.open_max_s)]
