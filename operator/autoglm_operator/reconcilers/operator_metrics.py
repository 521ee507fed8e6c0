"""Counts what the operator does besides reconciling. Labels are bounded: outcomes, no objects."""

from autoglm_api import metrics
from autoglm_operator.runtime.metrics import Metrics, counter


class OperatorMetrics(Metrics):
    """The operator's own counters besides those of the machinery."""

    def __init__(self) -> None:
        super().__init__()
        self._probes = counter(metrics.ENDPOINT_PROBES, self.registry)
        self._pushes = counter(metrics.ROUTING_PUSHES, self.registry)

    def observe_probe(self, outcome: str) -> None:
        """Count one probe of an endpoint by its reason."""
        self._probes.labels(outcome).inc()

    def observe_push(self, outcome: str) -> None:
        """Count one push of a routing document."""
        self._pushes.labels(outcome).inc()
