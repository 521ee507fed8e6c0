"""What keeps healing from being the larger outage: budgets, and the brake in a storm.

The numbers are those of all other runs at the moment of the decision, which is journaled before
anybody else decides; so no two runs pass a gate that has room for one. A run that is held uses no
budget: it is counted from its journaled start to the end of its verification.
"""

from typing import Final

from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName
from autoglm_operator.decisions import journal
from autoglm_operator.decisions.guards.case import Case
from autoglm_operator.decisions.healing import Denial

ON_NODES: Final = frozenset({ActionName.CLEAN_DISK, ActionName.ISOLATE_NODE})
"""Actions that everything on a node feels."""
ALONE: Final = 1
"""Targets that never make a storm."""


def policy_busy(case: Case) -> Denial | None:
    """As many runs of the policy act as it allows at the same time."""
    live = case.seen.policy
    if live is None or case.seen.load.policy.acting < live.spec.guards.max_concurrent:
        return None
    return _exhausted(
        f"HealingPolicy {live.metadata.name} lets {live.spec.guards.max_concurrent} act at the same"
        " time (guards.maxConcurrent); this run waits for its turn."
    )


def policy_spent(case: Case) -> Denial | None:
    """As many runs of the policy have begun within an hour as it allows."""
    live = case.seen.policy
    if live is None or journal.has_begun(case.seen.run.status):
        return None
    if case.seen.load.policy.begun < live.spec.guards.max_runs_per_hour:
        return None
    return _exhausted(
        f"HealingPolicy {live.metadata.name} lets {live.spec.guards.max_runs_per_hour} begin within"
        " an hour (guards.maxRunsPerHour); this run waits for its turn."
    )


def cluster_busy(case: Case) -> Denial | None:
    """As many runs act as the administrator allows at the same time."""
    if case.seen.load.cluster.acting < case.seen.budget.max_concurrent:
        return None
    return _exhausted(
        f"The administrator lets {case.seen.budget.max_concurrent} runs act at the same time"
        " (healing.budget.maxConcurrent of the chart); this run waits for its turn."
    )


def cluster_spent(case: Case) -> Denial | None:
    """As many runs have begun within an hour as the administrator allows."""
    if journal.has_begun(case.seen.run.status):
        return None
    if case.seen.load.cluster.begun < case.seen.budget.max_runs_per_hour:
        return None
    return _exhausted(
        f"The administrator lets {case.seen.budget.max_runs_per_hour} runs begin within an hour"
        " (healing.budget.maxRunsPerHour of the chart); this run waits for its turn."
    )


def nodes_busy(case: Case) -> Denial | None:
    """As many nodes are acted on as the administrator allows at the same time.

    Cleaning a disk does not wait for the end of an isolation, which can take hours.
    """
    action, load = case.step.action, case.seen.load
    if action not in ON_NODES:
        return None
    standing = load.nodes
    if action is ActionName.ISOLATE_NODE:
        standing = max(load.nodes, load.isolations)
    if standing < case.seen.budget.max_node_actions:
        return None
    return _exhausted(
        f"The administrator lets {case.seen.budget.max_node_actions} nodes be acted on at the same"
        " time (healing.budget.maxNodeActions of the chart); this run waits for its turn."
    )


def storm(case: Case) -> Denial | None:
    """So many targets are sick at once that healing single ones is no answer."""
    live, load = case.seen.policy, case.seen.load
    if live is None or load.unhealthy <= ALONE:
        return None
    limit = live.spec.guards.storm.max_unhealthy
    # What nobody has counted is not known to be enough.
    if load.unhealthy * 100 <= int(limit.rstrip("%")) * (load.matching or 0):
        return None
    return Denial(
        Reason.STORM,
        f"More than {limit} of what HealingPolicy {live.metadata.name} matches have open runs at"
        " once (guards.storm.maxUnhealthy): look for a cause that they share.",
    )


def _exhausted(message: str) -> Denial:
    return Denial(Reason.BUDGET_EXHAUSTED, message)
