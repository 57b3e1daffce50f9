"""A shared store's calls and changes, told."""

from gateway.telemetry.metrics import Metrics
from gateway.telemetry.witness import Witness
from tests.unit.telemetry.written import Written


def test_calls_are_counted_and_changes_told_once() -> None:
    metrics, written = Metrics(), Written()
    witness = Witness(metrics, written.log, "redis://h:1/0")
    assert metrics.number("gateway_store_degraded").value == 0
    witness.called("claim", "ok", 0.001)
    witness.called("claim", "timeout", 0.05)
    witness.changed(True, "timeout")
    assert metrics.number("gateway_store_degraded").value == 1
    witness.changed(False, "")
    assert metrics.number("gateway_store_degraded").value == 0
    assert metrics.number("gateway_store_errors_total", "claim", "timeout").value == 1
    assert sum(metrics.histogram("gateway_store_operation_seconds", "claim", "ok").counts) == 1
    events = [line["event"] for line in written.lines()]
    assert events == ["store_degraded", "store_back"]
