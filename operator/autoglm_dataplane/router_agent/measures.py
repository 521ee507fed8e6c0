"""The agent's own metrics. HAProxy serves those of the traffic itself."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from autoglm_api.metrics import ROUTING_APPLIES, ROUTING_VERSION


class Measures:
    """Counts documents and shows the version in force."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._version = Gauge(ROUTING_VERSION.name, ROUTING_VERSION.help, registry=registry)
        self._applies = Counter(
            ROUTING_APPLIES.name, ROUTING_APPLIES.help, ROUTING_APPLIES.labels, registry=registry
        )

    def applied(self, outcome: str, version: int | None = None) -> None:
        """Count one document; the version is that in force, if it came into force."""
        self._applies.labels(outcome).inc()
        if version is not None:
            self._version.set(version)
