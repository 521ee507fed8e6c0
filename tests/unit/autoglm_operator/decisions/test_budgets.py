"""Budgets over policies, cluster and nodes, and the brake in a storm."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from autoglm_api.conditions import Reason
from autoglm_api.healingrun import HealingRunStatus, StepRecord
from autoglm_operator.decisions import episode, guards
from autoglm_operator.decisions.guards import Case, budgets
from autoglm_operator.decisions.healing import Denial, Sighting
from autoglm_operator.decisions.surroundings import Budget, Load, Usage
from episodes import ACTIONS, NOW, a_policy, a_run, seen

NOTHING = Denial(Reason.TARGET_GONE, "Nothing to do.")
CLEAN = {"action": "CleanDisk"}
ISOLATE = {"action": "IsolateNode", "isolateNode": {"level": "Drain"}}


def a_case(load: Load, *, status: HealingRunStatus | None = None, **spec: Any) -> Case:  # noqa: ANN401 - parts of a spec
    policy = a_policy(**spec)
    view = seen(a_run(status, policy=policy), policy=policy, load=load, budget=Budget(3, 5, 1))
    return Case(seen=view, target=NOTHING, intended=NOTHING, now=NOW)


def begun() -> HealingRunStatus:
    """A run whose first step was not verified in time."""
    intent = {
        "verb": "Evict",
        "object": {"apiVersion": "v1", "kind": "Pod", "name": "web-1", "uid": "u"},
    }
    step = {
        "action": "Restart",
        "intent": intent,
        "startedAt": NOW,
        "finishedAt": NOW,
        "outcome": "Succeeded",
        "helped": False,
    }
    return HealingRunStatus(steps=(StepRecord.model_validate(step),))


def of_policy(**usage: int) -> Load:
    return Load(policy=Usage(**usage))


def of_cluster(**usage: int) -> Load:
    return Load(cluster=Usage(**usage))


@pytest.mark.parametrize(
    ("guard", "below", "at"),
    [
        (budgets.policy_busy, of_policy(acting=1), of_policy(acting=2)),
        (budgets.policy_spent, of_policy(begun=2), of_policy(begun=3)),
        (budgets.cluster_busy, of_cluster(acting=2), of_cluster(acting=3)),
        (budgets.cluster_spent, of_cluster(begun=4), of_cluster(begun=5)),
    ],
)
def test_waits_while_a_budget_is_used_up(guard: guards.Guard, below: Load, at: Load) -> None:
    limits = {"maxConcurrent": 2, "maxRunsPerHour": 3}
    assert guard(a_case(below, guards=limits)) is None
    denial = guard(a_case(at, guards=limits))
    assert denial is not None
    assert denial.reason is Reason.BUDGET_EXHAUSTED
    assert "waits for its turn" in denial.message


@pytest.mark.parametrize("guard", [budgets.policy_spent, budgets.cluster_spent])
def test_a_run_that_has_begun_counts_once_in_an_hour(guard: guards.Guard) -> None:
    used_up = Load(policy=Usage(begun=99), cluster=Usage(begun=99))
    assert guard(a_case(used_up, status=begun())) is None


@pytest.mark.parametrize("guard", [budgets.policy_busy, budgets.policy_spent, budgets.storm])
def test_a_deleted_policy_has_no_limits(guard: guards.Guard) -> None:
    case = a_case(Load(policy=Usage(99, 99), unhealthy=99))
    assert guard(replace(case, seen=replace(case.seen, policy=None))) is None


def test_one_node_at_a_time() -> None:
    for step in (CLEAN, ISOLATE):
        assert budgets.nodes_busy(a_case(Load(), ladder=[step])) is None
        denial = budgets.nodes_busy(a_case(Load(nodes=1), ladder=[step]))
        assert denial is not None
        assert "healing.budget.maxNodeActions" in denial.message


def test_an_isolation_that_stands_holds_another_but_no_cleaning() -> None:
    standing = Load(isolations=1)
    assert budgets.nodes_busy(a_case(standing, ladder=[ISOLATE])) is not None
    assert budgets.nodes_busy(a_case(standing, ladder=[CLEAN])) is None


def test_pods_are_no_nodes() -> None:
    assert budgets.nodes_busy(a_case(Load(nodes=9, isolations=9))) is None


@pytest.mark.parametrize(
    ("unhealthy", "matching", "held"),
    [
        (1, 1, False),
        (1, 0, False),
        (2, 5, False),
        (3, 5, True),
        (4, 10, False),
        (5, 10, True),
        (2, 2, True),
        (2, 0, True),
        (2, None, True),
    ],
)
def test_holds_in_a_storm_but_never_a_single_target(
    unhealthy: int, matching: int | None, held: bool
) -> None:
    denial = budgets.storm(a_case(Load(unhealthy=unhealthy, matching=matching)))
    assert (denial is not None) is held
    if denial is not None:
        assert denial.reason is Reason.STORM
        assert "40%" in denial.message


def test_the_share_is_the_policys() -> None:
    load = Load(unhealthy=5, matching=10)
    assert budgets.storm(a_case(load, guards={"storm": {"maxUnhealthy": "50%"}})) is None


def test_held_messages_name_no_number_that_moves() -> None:
    """A message that changed with every look would be written with every look."""
    few, many = (
        Load(Usage(9, 9), Usage(9, 9), 9, 9, 9),
        Load(Usage(99, 99), Usage(99, 99), 99, 99, 99),
    )
    for guard in guards.HOLDING:
        first, second = guard(a_case(few)), guard(a_case(many))
        assert first == second


@pytest.mark.parametrize("mode", ["Enforce", "Approve", "DryRun"])
@pytest.mark.parametrize("hours", [0, 2])
@pytest.mark.parametrize("unhealthy", [0, 1, 2, 50])
@pytest.mark.parametrize("gone", [False, True])
def test_nothing_waits_for_a_count_that_changes_nothing(
    mode: str, hours: int, unhealthy: int, gone: bool
) -> None:
    policy = a_policy(mode=mode)
    view = seen(a_run(policy=policy), sighting=Sighting() if gone else None, policy=policy)
    asked = episode.decide(view, ACTIONS, NOW).status if mode == "Approve" else None
    view = replace(view, run=a_run(asked, policy=policy))
    later = NOW + timedelta(hours=hours)

    uncounted, counted = (
        episode.decide(
            replace(view, load=Load(unhealthy=unhealthy, matching=count)), ACTIONS, later
        )
        for count in (None, 1000)
    )

    if uncounted != counted:
        assert episode.awaits_count(uncounted)
    if gone or mode == "DryRun":
        assert not episode.awaits_count(uncounted)
    if (mode, hours, gone) == ("Enforce", 0, False):
        assert episode.awaits_count(uncounted) is (unhealthy > 1)
