"""What somebody who scrapes is told of the backends' health."""

from gateway.errors import Code
from gateway.policy.failures import Failure
from gateway.runtime.measures import measure
from tests.unit.config.reading import read
from tests.unit.runtime.running import running

T = 1000.0
CONFIG = """
backends: {a: {provider: openai_compatible, base_url: "http://a.test/v1"}}
models: {m: a/x, "w/*": a/*}
"""


def test_circuits_holds_and_credentials_are_gauges() -> None:
    with running() as house:
        snapshot = house.runtime.swap(read(CONFIG))
        measure(snapshot, house.metrics, T)
        assert house.number("gateway_circuit_state", "a", "x") == 0
        assert house.number("gateway_backend_up", "a") == 1
        health = snapshot.routes["m"].targets[0].health
        for _ in range(5):
            health.failed(Failure(Code.CONNECT_FAILED), T)
        health.hold(T, 8)
        health.failed(Failure(Code.UPSTREAM_AUTH, 401), T)
        measure(snapshot, house.metrics, T)
        assert house.number("gateway_circuit_state", "a", "x") == 2
        assert house.number("gateway_circuit_state", "a", "*") == 0
        assert house.number("gateway_upstream_hold_seconds", "a", "x") == 8
        assert house.number("gateway_backend_credential_refused", "a") == 1
        assert house.number("gateway_backend_inflight", "a") == 0
