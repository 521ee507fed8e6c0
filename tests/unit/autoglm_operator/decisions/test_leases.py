"""When a change is undone, in how many steps, and what is left to whoever changed it since."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from autoglm_api import labels
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingrun import (
    HealingRun,
    HealingRunStatus,
    LeaseRecord,
    LeaseState,
    StepOutcome,
)
from autoglm_api.leases import Mark
from autoglm_operator.actions.scaleout import ScaleOut
from autoglm_operator.decisions import episode, journal, leases
from autoglm_operator.decisions import target as targets
from autoglm_operator.decisions.healing import Actions, Pauses, Seen, Sighting
from autoglm_operator.decisions.leases import Due
from episodes import ACTIONS, NOW, Object, a_pod, a_policy, a_run, a_workload, seen

LADDER = [
    {"action": "ScaleOut", "scaleOut": {"maxReplicas": 10}},
    {"action": "Restart", "restart": {"scope": "Workload"}},
]
POLICY = a_policy(ladder=LADDER)
EXPIRES = NOW + timedelta(minutes=30)
LATER = NOW + timedelta(minutes=10)


def a_record(**changes: object) -> LeaseRecord:
    base = LeaseRecord(
        object=targets.reference(a_workload()),
        field="spec.replicas",
        previous="2",
        value="6",
        expires=EXPIRES,
    )
    return base.model_copy(update=changes)


def a_status(
    *, finished: bool = True, lease: Object | None = None, **step: object
) -> HealingRunStatus:
    """The journal of a scale-out that has helped, and what the test says otherwise."""
    record = {
        "action": "ScaleOut",
        "startedAt": NOW,
        "outcome": "Succeeded",
        "helped": True,
        "lease": a_record(**(lease or {})),
        **step,
    }
    ended = {"finishedAt": NOW + timedelta(minutes=2)} if finished else {}
    return HealingRunStatus.model_validate({"steps": [record], **ended})


def holding(
    status: HealingRunStatus | None = None,
    metadata: Object | None = None,
    **changes: Any,  # noqa: ANN401 - any field of Seen
) -> Seen:
    """A look at a run that holds a lease."""
    run = a_run(a_status() if status is None else status, policy=POLICY)
    run = run.model_copy(update={"metadata": run.metadata.model_copy(update=metadata or {})})
    return seen(run, policy=POLICY, **changes)


def two_pods(status: HealingRunStatus) -> Seen:
    """A look at a run and its workload, of which nothing was changed."""
    workload = a_workload(replicas=2)
    pods = (a_pod("web-1"), a_pod("web-2"))
    sighting = Sighting(workload=workload, chain=(workload,), pods=pods, key="k")
    return holding(status, sighting=sighting)


def due(look: Seen, now: datetime = LATER, action: ScaleOut | None = None) -> Due | None:
    return leases.due(look, look.run.status.steps[0], action or ScaleOut(), now)


class Recovering(ScaleOut):
    """A scale-out whose target is well again."""

    def returns_at(self, step: LadderStep, record: LeaseRecord, seen: Seen) -> datetime | None:
        assert step.scale_out is not None
        return LATER


def test_stands_until_its_time_has_passed() -> None:
    assert due(holding()) is None
    assert due(holding(), EXPIRES) == Due(at_once=False, why="its time had passed")


def test_is_undone_when_the_target_is_well_again() -> None:
    assert due(holding(), LATER - timedelta(seconds=1), Recovering()) is None
    assert due(holding(), LATER, Recovering()) == Due(
        at_once=False, why="the target was well again"
    )


def test_recovery_does_not_count_while_the_run_is_open() -> None:
    assert due(holding(a_status(finished=False)), LATER, Recovering()) is None


@pytest.mark.parametrize(
    "status",
    [
        a_status(outcome="Failed", helped=None, finished=False),
        a_status(helped=False, finished=False),
        a_status(helped=None),
    ],
    ids=["it failed", "it did not help", "the run ended before that was known"],
)
def test_what_did_not_help_is_undone_at_once(status: HealingRunStatus) -> None:
    assert due(holding(status)) == Due(at_once=True, why="it did not help")


@pytest.mark.parametrize(
    ("look", "why"),
    [
        (holding(metadata={"deletion_timestamp": "2026-03-01T12:00:00Z"}), "the run was deleted"),
        (
            holding(pauses=Pauses(everywhere="Off.", reverting=True)),
            "the release is being uninstalled",
        ),
        (replace(holding(), policy=None), "HealingPolicy crash was deleted"),
    ],
)
def test_is_undone_at_once_when_nobody_answers_for_it_any_more(look: Seen, why: str) -> None:
    assert due(look) == Due(at_once=True, why=why)


def test_a_policy_made_anew_does_not_answer_for_it() -> None:
    other = POLICY.model_copy(
        update={"metadata": POLICY.metadata.model_copy(update={"uid": "p-2"})}
    )
    found = due(replace(holding(), policy=other))
    assert found is not None
    assert found.at_once


@pytest.mark.parametrize(
    "changes",
    [
        {"pauses": Pauses(everywhere="Off.")},
        {"pauses": Pauses(namespace=True)},
        {"admission_proven": False},
        {"policy": a_policy(ladder=LADDER, paused=True)},
    ],
    ids=["everywhere", "the namespace", "no admission policies", "the policy"],
)
def test_a_pause_holds_the_way_back(changes: Object) -> None:
    assert due(replace(holding(), **changes), EXPIRES) is None


@pytest.mark.parametrize("state", [LeaseState.REVERTED, LeaseState.LOST])
def test_what_has_ended_is_not_due_again(state: LeaseState) -> None:
    assert due(holding(a_status(lease={"state": state})), EXPIRES) is None


def test_a_step_without_a_lease_is_never_due() -> None:
    assert due(replace(holding(a_status(lease=None)), policy=None)) is not None
    status = a_status()
    bare = status.steps[0].model_copy(update={"lease": None})
    look = holding(status.model_copy(update={"steps": (bare,)}))
    assert due(replace(look, policy=None)) is None


def test_the_wish_is_found_where_the_ladder_began_elsewhere() -> None:
    run = a_run(a_status(), policy=a_policy(ladder=list(reversed(LADDER))))
    look = seen(run, policy=POLICY)

    assert due(look, LATER, Recovering()) is not None


def live(replicas: int, value: str | None = "6", **mark: object) -> Object:
    """The workload as it is, marked unless the value is None."""
    built = a_workload(replicas=replicas)
    if value is not None:
        text = leases.lease_of(a_run(), a_record(value=value)).mark.model_copy(update=mark).text()
        built["metadata"]["annotations"] = {labels.LEASE: text}
    return built


@dataclass(frozen=True)
class Way:
    live: Object | None
    ended: LeaseState | None
    value: str = ""
    at_once: bool = False
    journaled: str = "6"


WAYS = {
    "the first step back": Way(live(6), None, "4"),
    "all of it at once": Way(live(6), None, "2", at_once=True),
    "the last step": Way(live(3, "3"), None, "2", journaled="3"),
    "again, for the write was journaled and not made": Way(live(6), None, "4", journaled="4"),
    "on, for the write was made and the mark not moved": Way(live(4), None, "3", journaled="4"),
    "nothing is left": Way(live(2), LeaseState.REVERTED),
    "nothing was ever changed": Way(live(2, None), LeaseState.REVERTED),
    "another number": Way(live(5), LeaseState.LOST),
    "another number, at once": Way(live(7), LeaseState.LOST, at_once=True),
    "no mark": Way(live(6, None), LeaseState.LOST),
    "the mark of another run": Way(live(6, run="crash-9"), LeaseState.LOST),
    "the mark of a namesake": Way(live(6, run_uid="run-0"), LeaseState.LOST),
    "the mark of another field": Way(live(6, field="spec.paused"), LeaseState.LOST),
    "no object": Way(None, LeaseState.LOST),
    "a namesake of the object": Way(
        {**live(6), "metadata": {**live(6)["metadata"], "uid": "new"}}, LeaseState.LOST
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_goes(way: Way) -> None:
    lease = leases.lease_of(a_run(), a_record(value=way.journaled))

    back = leases.way_back(lease, way.live, ScaleOut(), Due(way.at_once, "it was time"))

    assert back.ended is way.ended
    assert bool(back.message) is (way.ended is not None)
    if way.ended is None:
        assert back.value == way.value


def test_knows_the_mark_of_another_run() -> None:
    assert leases.foreign_mark(live(6), a_run()) is None
    assert leases.foreign_mark(live(6, None), a_run()) is None
    other = leases.foreign_mark(live(6, run_uid="run-0"), a_run())
    assert isinstance(other, Mark)


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"run": 5}', "null"])
def test_what_is_no_mark_is_nobody_s(text: str) -> None:
    assert Mark.of({"metadata": {"annotations": {labels.LEASE: text}}}) is None
    assert Mark.of({"metadata": {}}) is None


def a_kept_run(status: HealingRunStatus, **metadata: object) -> HealingRun:
    run = a_run(status)
    return run.model_copy(update={"metadata": run.metadata.model_copy(update=metadata)})


@pytest.mark.parametrize(
    ("run", "cared"),
    [
        (a_run(), True),
        (a_run(a_status()), True),
        (a_run(a_status(lease={"state": LeaseState.LOST})), False),
        (
            a_kept_run(a_status(lease={"state": LeaseState.LOST}), finalizers=(labels.UNDO,)),
            True,
        ),
        (a_kept_run(HealingRunStatus(), deletion_timestamp="x"), False),
        (a_kept_run(a_status(finished=False), deletion_timestamp="x"), True),
    ],
    ids=["open", "holding", "done", "with a finalizer", "deleted", "deleted while holding"],
)
def test_a_run_is_cared_for_until_nothing_is_held(run: HealingRun, *, cared: bool) -> None:
    assert leases.needs_care(run) is cared


def test_the_next_step_waits_until_what_did_not_help_is_undone() -> None:
    status = a_status(helped=False, finished=False)
    look = holding(status)

    plan = episode.decide(look, ACTIONS, LATER)

    assert (plan.call, plan.status.steps) == (None, status.steps)
    assert plan.requeue_after == episode.UNCLEAR
    undone = journal.lease_ended(status, 0, LeaseState.REVERTED, "Back.", LATER)
    assert not leases.blocks(undone)


@pytest.mark.parametrize("state", [LeaseState.REVERTED, LeaseState.LOST])
def test_a_call_is_not_made_any_more_once_its_change_was_undone(state: LeaseState) -> None:
    """It would stand for ever: a lease that has ended is not undone again."""
    intent = ScaleOut().plan(
        LadderStep.model_validate(LADDER[0]), two_pods(HealingRunStatus()), NOW
    )
    begun = a_status(finished=False, outcome=None, helped=None, intent=intent)
    undone = journal.lease_ended(begun, 0, state, "Back, because of this and that.", LATER)
    now = LATER + timedelta(seconds=15)
    actions: Actions = {**ACTIONS, ActionName.SCALE_OUT: ScaleOut()}
    assert episode.decide(two_pods(begun), actions, now).call == intent

    plan = episode.decide(two_pods(undone), actions, now)

    assert plan.call is None
    (step,) = plan.status.steps
    assert (step.outcome, step.message) == (StepOutcome.FAILED, "Back, because of this and that.")


def test_the_journal_keeps_every_step_back() -> None:
    status = a_status()

    moved = journal.lease_moves(journal.lease_stuck(status, 0, "x" * 2000), 0, "4", LATER)
    stuck = journal.lease_stuck(status, 0, "x" * 2000).steps[0].lease
    ended = journal.lease_ended(moved, 0, LeaseState.LOST, "Gone.", LATER).steps[0].lease

    assert stuck is not None
    assert len(stuck.message or "") == 1024
    assert moved.steps[0].lease == a_record(value="4", stepped_at=LATER)
    lost = {"state": LeaseState.LOST, "message": "Gone.", "reverted_at": LATER}
    assert ended == a_record(value="4", stepped_at=LATER, **lost)
    bare = status.model_copy(
        update={"steps": (status.steps[0].model_copy(update={"lease": None}),)}
    )
    assert journal.lease_moves(bare, 0, "4", LATER) == bare
