"""Registers the metrics that `autoglm_api.metrics` names, and records those of the machinery.

One registry per process, made by its composition root and passed down, so that tests do not share
counters. Never invents a name: dashboards and alert rules are written against the table.
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

from autoglm_api import metrics as names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoglm_api.metrics import Metric

# Chosen around the limits that matter: 1 s for a reaction, 10 s per call, 60 s per reconcile.
_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def new_registry() -> CollectorRegistry:
    """A registry with the usual process metrics."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """Register a counter of the table."""
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """Register a gauge of the table."""
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """Register a histogram of seconds of the table."""
    return Histogram(metric.name, metric.help, metric.labels, buckets=_BUCKETS, registry=registry)


class Metrics:
    """What queue, workers, client and elector report; other concerns register their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = new_registry() if registry is None else registry
        self._reconciles = counter(names.RECONCILES, self.registry)
        self._reconcile_seconds = histogram(names.RECONCILE_DURATION, self.registry)
        self._queue_depth = gauge(names.QUEUE_DEPTH, self.registry)
        self._queue_wait = histogram(names.QUEUE_WAIT, self.registry)
        self._calls = counter(names.API_REQUESTS, self.registry)
        self._call_seconds = histogram(names.API_DURATION, self.registry)
        self._leader = gauge(names.LEADER, self.registry)

    def observe_reconcile(self, queue: str, outcome: str, seconds: float) -> None:
        """Count one reconcile: success, requeue, retry or timeout."""
        self._reconciles.labels(queue, outcome).inc()
        self._reconcile_seconds.labels(queue).observe(seconds)

    def observe_queue(self, queue: str, depth: int) -> None:
        """Record how many keys wait."""
        self._queue_depth.labels(queue).set(depth)

    def observe_wait(self, queue: str, seconds: float) -> None:
        """Record how long a due key waited for a worker."""
        self._queue_wait.labels(queue).observe(seconds)

    def observe_call(self, verb: str, kind: str, code: str, seconds: float) -> None:
        """Count one call to the API server; code 0 means that there was no answer."""
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
