"""Whatever happens, retries stay within a share of the requests and a few a second (G12)."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.retries import MEMORY_S, Budget

HISTORY = st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=300)


@given(st.floats(0, 1), st.floats(0, 5), HISTORY)
def test_retries_never_amplify(
    ratio: float, per_s: float, history: list[tuple[bool, float]]
) -> None:
    budget, now = Budget(ratio, per_s), 1000.0
    requests = retries = 0
    for retry, pause_s in history:
        now += pause_s
        if retry:
            retries += budget.take(now)
        else:
            budget.requested(now)
            requests += 1
    elapsed_s = now - 1000.0
    assert retries <= ratio * requests + per_s * (elapsed_s + MEMORY_S) + 1e-6
