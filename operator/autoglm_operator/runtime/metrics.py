"""The metrics that every control loop has: reconciles, queue, API calls, leadership.

One registry per process, made by its composition root and passed down, so that tests do not share
counters. Labels are bounded: kinds, verbs, codes and reasons, never names of objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# Chosen around the limits that matter: 1 s for a reaction, 10 s per call, 60 s per reconcile.
_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def new_registry() -> CollectorRegistry:
    """A registry with the usual process metrics."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Metrics:
    """Counters of the machinery; each concern adds its own metrics to the same registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = new_registry() if registry is None else registry
        self._reconciles = Counter(
            "autoglm_reconciles_total",
            "Reconciles by outcome: success, requeue, retry, timeout.",
            ("queue", "outcome"),
            registry=self.registry,
        )
        self._reconcile_seconds = Histogram(
            "autoglm_reconcile_seconds",
            "Duration of one reconcile.",
            ("queue",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._queue_depth = Gauge(
            "autoglm_queue_depth",
            "Keys that wait to be reconciled.",
            ("queue",),
            registry=self.registry,
        )
        self._queue_wait_seconds = Histogram(
            "autoglm_queue_wait_seconds",
            "Time that a due key waited for a worker.",
            ("queue",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._calls = Counter(
            "autoglm_api_calls_total",
            "Calls to the API server; code 0 means no answer.",
            ("verb", "kind", "code"),
            registry=self.registry,
        )
        self._call_seconds = Histogram(
            "autoglm_api_call_seconds",
            "Duration of calls to the API server.",
            ("verb",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._leader = Gauge(
            "autoglm_leader", "1 while this process holds the Lease.", registry=self.registry
        )

    def observe_reconcile(self, queue: str, outcome: str, seconds: float) -> None:
        """Count one reconcile."""
        self._reconciles.labels(queue, outcome).inc()
        self._reconcile_seconds.labels(queue).observe(seconds)

    def observe_queue(self, queue: str, depth: int) -> None:
        """Record how many keys wait."""
        self._queue_depth.labels(queue).set(depth)

    def observe_wait(self, queue: str, seconds: float) -> None:
        """Record how long a due key waited for a worker."""
        self._queue_wait_seconds.labels(queue).observe(seconds)

    def observe_call(self, verb: str, kind: str, code: str, seconds: float) -> None:
        """Count one call to the API server."""
        self._calls.labels(verb, kind, code).inc()
        self._call_seconds.labels(verb).observe(seconds)

    def observe_leadership(self, *, leading: bool) -> None:
        """Record whether this process holds the Lease."""
        self._leader.set(1 if leading else 0)

    def value(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        """Read one sample, 0 if it was never written."""
        return self.registry.get_sample_value(name, dict(labels or {})) or 0.0

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
