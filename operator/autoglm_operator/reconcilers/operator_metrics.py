"""Counts what the operator does besides reconciling, and shows which endpoints are Ready."""

from autoglm_api import metrics
from autoglm_operator.runtime.metrics import Metrics, counter, gauge


class OperatorMetrics(Metrics):
    """The operator's own counters besides those of the machinery."""

    def __init__(self) -> None:
        super().__init__()
        self._probes = counter(metrics.ENDPOINT_PROBES, self.registry)
        self._pushes = counter(metrics.ROUTING_PUSHES, self.registry)
        self._ready = gauge(metrics.ENDPOINT_READY, self.registry)
        self._shown: set[tuple[str, str]] = set()

    def observe_probe(self, outcome: str) -> None:
        """Count one probe of an endpoint by its reason."""
        self._probes.labels(outcome).inc()

    def observe_push(self, outcome: str) -> None:
        """Count one push of a routing document."""
        self._pushes.labels(outcome).inc()

    def observe_endpoint(self, namespace: str, name: str, *, ready: bool | None) -> None:
        """Show whether an endpoint is Ready; None for one that is gone or suspended."""
        key = (namespace, name)
        if ready is not None:
            self._shown.add(key)
            self._ready.labels(*key).set(1 if ready else 0)
        elif key in self._shown:
            self._shown.remove(key)
            self._ready.remove(*key)
