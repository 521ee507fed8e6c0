"""What the journal keeps of a change that is to be undone, and of what a call measured."""

from datetime import timedelta

from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import (
    HealingRunStatus,
    LeaseRecord,
    LeaseState,
    ObjectRef,
    StepRecord,
)
from autoglm_operator.decisions import journal
from episodes import NOW

WEB = ObjectRef(api_version="apps/v1", kind="Deployment", name="web", uid="u-1")


def a_status(*, leased: bool = True) -> HealingRunStatus:
    lease = LeaseRecord(
        object=WEB,
        field="replicas",
        previous="2",
        value="3",
        expires=NOW + timedelta(minutes=30),
    )
    step = StepRecord(action=ActionName.SCALE_OUT, started_at=NOW, lease=lease if leased else None)
    return HealingRunStatus(steps=(step,))


def lease_of(status: HealingRunStatus) -> LeaseRecord:
    lease = status.steps[0].lease
    assert lease is not None
    return lease


def test_each_step_back_is_written_down_before_it_is_made() -> None:
    moved = lease_of(journal.lease_moves(a_status(), 0, "2", NOW))
    assert (moved.value, moved.state, moved.stepped_at) == ("2", LeaseState.HELD, NOW)


def test_a_person_reads_why_a_change_still_stands() -> None:
    assert lease_of(journal.lease_stuck(a_status(), 0, "No answer.")).message == "No answer."


def test_the_end_of_a_lease_has_a_moment_and_a_reason() -> None:
    ended = lease_of(journal.lease_ended(a_status(), 0, LeaseState.LOST, "Not ours.", NOW))
    assert (ended.state, ended.message, ended.reverted_at) == (LeaseState.LOST, "Not ours.", NOW)


def test_a_step_without_a_lease_stays_as_it_is() -> None:
    status = a_status(leased=False)
    assert journal.lease_stuck(status, 0, "No answer.") == status
