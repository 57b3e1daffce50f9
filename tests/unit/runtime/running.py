"""A runtime for tests: the real one, its log kept, its simulated backends behind socket pairs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.app import dial_simulated
from gateway.providers import discover
from gateway.runtime.state import Runtime
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.sink import Sink
from tests.unit.telemetry.written import Written


@dataclass(frozen=True, slots=True)
class Running:
    runtime: Runtime
    metrics: Metrics
    written: Written  # reading it closes the log

    def number(self, name: str, *labels: str) -> float:
        return self.metrics.number(name, *labels).value


@contextmanager
def running() -> Iterator[Running]:
    written, metrics = Written(), Metrics()
    runtime = Runtime(discover(), Sink(metrics, written.log), dial_simulated)
    try:
        yield Running(runtime, metrics, written)
    finally:
        runtime.close()
        written.close()
