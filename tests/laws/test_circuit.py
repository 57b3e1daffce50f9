"""A circuit never lets two probes through, never admits while open, and always recovers."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.circuit import Circuit, Rule, State

RULES = st.builds(
    Rule,
    enabled=st.just(True),
    failure_ratio=st.floats(0.05, 1.0),
    min_requests=st.integers(1, 20),
    window_s=st.floats(0.5, 30),
    open_s=st.floats(0.1, 10),
    open_max_s=st.floats(10, 60),
    connect_failures=st.integers(1, 10),
    slow_start_s=st.floats(0, 20),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "good", "bad", "unreached", "left"]),
        st.floats(0, 5),
        st.floats(0, 1),
    ),
    max_size=80,
)


@given(RULES, STEPS)
def test_at_most_one_probe_is_under_way(rule: Rule, steps: list[tuple[str, float, float]]) -> None:
    circuit, now, probing = Circuit(rule), 100.0, 0
    for what, pause_s, draw in steps:
        now += pause_s
        before = circuit.state(now)
        match what:
            case "ask":
                admitted = circuit.admits(now, draw)
                assert not (admitted and before is State.OPEN)
                if admitted and circuit.enter(now):
                    probing += 1
            case "good":
                circuit.succeeded(now)
            case "bad" | "unreached":
                circuit.failed(now, connect=what == "unreached", draw=draw)
            case _:
                circuit.released()
                probing = 0
        if circuit.state(now) is not State.HALF_OPEN:
            probing = 0
        assert probing <= 1


@given(RULES, STEPS)
def test_it_recovers_when_all_goes_well(rule: Rule, steps: list[tuple[str, float, float]]) -> None:
    circuit, now = Circuit(rule), 100.0
    for what, pause_s, draw in steps:
        now += pause_s
        if what in ("bad", "unreached"):
            circuit.failed(now, connect=what == "unreached", draw=draw)
    now += 1.2 * rule.open_max_s + 1
    circuit.released()
    assert circuit.admits(now, 0.0)
    circuit.enter(now)
    circuit.succeeded(now)
    assert circuit.state(now) is State.CLOSED
    assert circuit.admits(now + rule.slow_start_s + 0.001, 1.0 - 1e-9)
