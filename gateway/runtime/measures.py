"""Gauges of the backends' health, read off when somebody scrapes."""

from collections.abc import Iterable
from typing import Final

from gateway.policy.circuit import State
from gateway.runtime.snapshot import Snapshot, Target
from gateway.telemetry.metrics import Metrics

_STATES: Final = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
_GAUGES: Final = (
    "gateway_backend_inflight",
    "gateway_backend_queue_depth",
    "gateway_backend_up",
    "gateway_backend_credential_refused",
    "gateway_circuit_state",
    "gateway_upstream_hold_seconds",
)


def measure(snapshot: Snapshot, metrics: Metrics, now: float) -> None:
    """What has left the config has no series any more."""
    for gauge in _GAUGES:
        metrics.clear(gauge)
    for backend in snapshot.backends.values():
        name, pool, standing = backend.name, backend.pool, backend.standing
        metrics.number("gateway_backend_inflight", name).value = pool.in_flight
        metrics.number("gateway_backend_queue_depth", name).value = pool.queued
        metrics.number("gateway_backend_up", name).value = float(standing.up)
        metrics.number("gateway_backend_credential_refused", name).value = float(
            standing.refuses(now) or (backend.token is not None and not backend.token.current())
        )
        metrics.number("gateway_upstream_stale_total", name).value = pool.stale
        if pool.name is not None:
            metrics.number("gateway_dns_errors_total", name).value = pool.name.errors
    for target in _targets(snapshot):
        labels, health = (target.backend.name, target.model), target.health
        held_s = max(0.0, health.held_until - now)
        metrics.number("gateway_circuit_state", *labels).value = _STATES[health.circuit.state(now)]
        metrics.number("gateway_upstream_hold_seconds", *labels).value = held_s


def _targets(snapshot: Snapshot) -> Iterable[Target]:
    routes = [*snapshot.routes.values(), *(route for _, route in snapshot.wildcards)]
    return {target.name: target for route in routes for target in route.targets}.values()
