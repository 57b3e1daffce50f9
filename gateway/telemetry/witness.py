"""What a shared store is like to work with: metrics of every call, a log line for every change."""

from gateway.telemetry.logs import Log
from gateway.telemetry.metrics import Histogram, Metrics


class Witness:
    """store: its address, without a password."""

    def __init__(self, metrics: Metrics, log: Log, store: str) -> None:
        self._metrics = metrics
        self._log = log
        self._store = store
        self._times: dict[tuple[str, str], Histogram] = {}
        metrics.number("gateway_store_degraded").value = 0

    def called(self, operation: str, result: str, seconds: float) -> None:
        """result: ok, or the kind of error."""
        times = self._times.get((operation, result))
        if times is None:
            times = self._times[operation, result] = self._metrics.histogram(
                "gateway_store_operation_seconds", operation, result
            )
        times.observe(seconds)
        if result != "ok":
            self._metrics.number("gateway_store_errors_total", operation, result).value += 1

    def changed(self, degraded: bool, kind: str) -> None:
        self._metrics.number("gateway_store_degraded").value = int(degraded)
        if degraded:
            self._log.say("error", "store_degraded", store=self._store, kind=kind)
        else:
            self._log.say("info", "store_back", store=self._store)
