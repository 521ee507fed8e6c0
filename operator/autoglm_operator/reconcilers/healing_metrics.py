"""Counts what the healer does. Labels are bounded: actions, outcomes and reasons, never objects."""

from collections import Counter as Counts

from prometheus_client import CollectorRegistry

from autoglm_api import metrics
from autoglm_api.conditions import ConditionType, find_condition
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import HealingRunStatus
from autoglm_operator.decisions.healing import Outcome
from autoglm_operator.runtime.metrics import counter, gauge


class HealingMetrics:
    """The healer's own counters, in the registry of its process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = counter(metrics.HEALING_RUNS, registry)
        self._actions = counter(metrics.HEALING_ACTIONS, registry)
        self._held = gauge(metrics.HEALING_HELD, registry)
        self._known_reasons: set[str] = set()

    def acted(self, action: ActionName, outcome: Outcome) -> None:
        """Count a call."""
        self._actions.labels(action, outcome.kind).inc()

    def journaled(
        self, before: HealingRunStatus, after: HealingRunStatus, held: Counts[str]
    ) -> None:
        """Count a run that has just ended, and how many are held by what."""
        if before.finished_at is None and after.finished_at is not None:
            progressing = find_condition(after.conditions, ConditionType.PROGRESSING)
            reason = progressing.reason if progressing is not None else "Unknown"
            self._runs.labels(after.phase or "Unknown", reason).inc()
        self._known_reasons |= set(held)
        for reason in self._known_reasons:
            self._held.labels(reason).set(held[reason])
