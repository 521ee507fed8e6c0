"""Counts what the healer does. Labels are bounded: actions, outcomes and reasons, never objects."""

from collections import Counter as Counts
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from autoglm_api import metrics
from autoglm_api.conditions import ConditionType, find_condition
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import HealingRun, HealingRunStatus, LeaseState
from autoglm_operator.decisions.healing import Outcome
from autoglm_operator.decisions.surroundings import Budget
from autoglm_operator.reconcilers.usage import RunUsage
from autoglm_operator.runtime.metrics import counter, gauge, histogram


class HealingMetrics:
    """The healer's own counters, in the registry of its process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = counter(metrics.HEALING_RUNS, registry)
        self._actions = counter(metrics.HEALING_ACTIONS, registry)
        self._held = gauge(metrics.HEALING_HELD, registry)
        self._reaction = histogram(metrics.HEALING_REACTION, registry)
        self._leases = counter(metrics.HEALING_LEASES, registry)
        self._paused = gauge(metrics.HEALING_PAUSED, registry)
        self._storms = gauge(metrics.HEALING_STORMS, registry)
        self._used = gauge(metrics.HEALING_BUDGET_USED, registry)
        self._limit = gauge(metrics.HEALING_BUDGET_LIMIT, registry)
        self._known_reasons: set[str] = set()

    def acted(self, action: ActionName, outcome: Outcome) -> None:
        """Count a call."""
        self._actions.labels(action, outcome.kind).inc()

    def journaled(self, before: HealingRunStatus, run: HealingRun, held: Counts[str]) -> None:
        """Count what a write of the journal said for the first time, and the runs that are held."""
        after = run.status
        if before.finished_at is None and after.finished_at is not None:
            progressing = find_condition(after.conditions, ConditionType.PROGRESSING)
            reason = progressing.reason if progressing is not None else "Unknown"
            self._runs.labels(after.phase or "Unknown", reason).inc()
        if not _begun(before) and (began := _begun(after)) and run.metadata.creation_timestamp:
            stored = datetime.fromisoformat(run.metadata.creation_timestamp).astimezone(UTC)
            # The API server cuts its times to seconds.
            self._reaction.observe(max((min(began) - stored).total_seconds(), 0.0))
        for (action, state), count in (_leases(after) - _leases(before)).items():
            self._leases.labels(action, state).inc(count)
        self._known_reasons |= set(held)
        for reason in self._known_reasons:
            self._held.labels(reason).set(held[reason])

    def show(self, usage: RunUsage, budget: Budget, now: datetime, *, paused: bool) -> None:
        """Record the state of the switch, of the cluster's budgets and of storms."""
        load = usage.load("", "", "", now)
        self._paused.set(1 if paused else 0)
        self._storms.set(usage.storms())
        for name, used, limit in (
            ("concurrent", load.cluster.acting, budget.max_concurrent),
            ("hourly", load.cluster.begun, budget.max_runs_per_hour),
            ("nodes", max(load.nodes, load.isolations), budget.max_node_actions),
        ):
            self._used.labels(name).set(used)
            self._limit.labels(name).set(limit)


def _begun(status: HealingRunStatus) -> list[datetime]:
    """When the actions of a run were begun; a refused step began none."""
    return [step.started_at for step in status.steps if step.intent is not None]


def _leases(status: HealingRunStatus) -> Counts[tuple[str, LeaseState]]:
    """What is said of leases; one that ended was held before."""
    said = Counts[tuple[str, LeaseState]]()
    for step in status.steps:
        if step.lease is not None:
            said[step.action, LeaseState.HELD] += 1
            if step.lease.state is not LeaseState.HELD:
                said[step.action, step.lease.state] += 1
    return said
