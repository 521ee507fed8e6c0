"""A step that waits for a person, from the question to the answer or to the end of patience."""

from dataclasses import replace
from datetime import timedelta

import pytest

from autoglm_api import labels
from autoglm_api.conditions import ConditionStatus, ConditionType, Reason, find_condition
from autoglm_api.healingpolicy import HealingPolicy, Mode
from autoglm_operator.decisions import guards
from autoglm_operator.decisions.healing import Pauses
from episodes import RESTART_WORKLOAD, a_policy, a_run, a_sighting, a_workload, seen
from played_runs import HEALED, STILL_SICK, Healer

APPROVE = a_policy(mode="Approve")
ENFORCE = a_policy()


def asked(policy: HealingPolicy = APPROVE) -> Healer:
    return Healer(run=a_run(policy=policy))


def approved(healer: Healer, value: str) -> Healer:
    """Set the annotation as the API server would have let somebody set it."""
    meta = healer.run.metadata.model_copy(update={"annotations": {labels.APPROVED: value}})
    healer.run = healer.run.model_copy(update={"metadata": meta})
    return healer


def status_of(healer: Healer) -> ConditionStatus | None:
    found = find_condition(healer.run.status.conditions, ConditionType.APPROVED)
    return found.status if found else None


@pytest.mark.parametrize(
    ("said", "says", "mode"),
    [
        ("Enforce", "Enforce", Mode.ENFORCE),
        ("Enforce", "Approve", Mode.APPROVE),
        ("Enforce", "DryRun", Mode.DRY_RUN),
        ("Approve", "Enforce", Mode.APPROVE),
        ("Approve", "DryRun", Mode.DRY_RUN),
        ("DryRun", "Enforce", Mode.DRY_RUN),
        ("DryRun", "Approve", Mode.DRY_RUN),
        ("Approve", None, Mode.APPROVE),
    ],
)
def test_the_stricter_mode_counts(said: str, says: str | None, mode: Mode) -> None:
    view = seen(a_run(policy=a_policy(mode=said)))
    live = None if says is None else a_policy(mode=says)
    assert guards.mode_of(replace(view, policy=live)) is mode


def test_a_step_waits_until_somebody_approves_it() -> None:
    healer = asked().look(policy=APPROVE)
    assert (healer.phase, healer.calls) == ("AwaitingApproval", 0)
    assert status_of(healer) is ConditionStatus.UNKNOWN
    message = healer.run.status.conditions[1].message
    assert "autoglm approve crash-1" in message
    assert 'autoglm.io/approved="1/<your user name>"' in message
    assert "Evict Pod web-1" in message

    approved(healer, "1/jane@example.com").after(minutes=5).look(policy=APPROVE)

    assert (healer.phase, healer.calls) == ("Verifying", 1)
    (record,) = healer.run.status.approvals
    assert (record.step, record.by, record.at) == (1, "jane@example.com", healer.now)
    assert status_of(healer) is ConditionStatus.TRUE
    assert healer.reason(ConditionType.APPROVED) == Reason.APPROVED


def test_nothing_new_is_said_while_a_step_waits() -> None:
    healer = asked().look(policy=APPROVE)
    before = healer.run.status
    assert healer.after(seconds=15).look(policy=APPROVE).run.status == before


@pytest.mark.parametrize(
    "value", ["2/jane", "1", "1/", "/jane", "jane", "one/jane", "1/" + "j" * 257]
)
def test_what_is_no_approval_of_this_step_is_none(value: str) -> None:
    healer = approved(asked(), value).look(policy=APPROVE)
    assert (healer.phase, healer.calls, healer.run.status.approvals) == ("AwaitingApproval", 0, ())


def test_every_step_is_approved_on_its_own() -> None:
    healer = approved(asked(), "1/jane").look(policy=APPROVE)
    healer.after(minutes=5).look(STILL_SICK, policy=APPROVE)
    healer.after(seconds=1).look(STILL_SICK, policy=APPROVE)
    assert (healer.phase, healer.calls) == ("AwaitingApproval", 1)

    approved(healer, "2/joe").after(minutes=1).look(STILL_SICK, policy=APPROVE)
    assert (healer.phase, healer.calls) == ("Verifying", 2)
    assert [(each.step, each.by) for each in healer.run.status.approvals] == [
        (1, "jane"),
        (2, "joe"),
    ]
    healer.after(seconds=10).look(HEALED, policy=APPROVE).after(seconds=60).look(
        HEALED, policy=APPROVE
    )
    assert healer.phase == "Succeeded"


def test_ends_when_nobody_approves_in_time() -> None:
    healer = asked().look(policy=APPROVE).after(minutes=29, seconds=50).look(policy=APPROVE)
    assert healer.phase == "AwaitingApproval"
    assert healer.plan.requeue_after == timedelta(seconds=10)

    healer.after(seconds=10).look(policy=APPROVE)

    assert (healer.phase, healer.calls) == ("Skipped", 0)
    assert healer.reason(ConditionType.PROGRESSING) == Reason.APPROVAL_TIMED_OUT
    assert status_of(healer) is ConditionStatus.FALSE


def test_ends_failed_when_a_later_step_is_not_approved_in_time() -> None:
    healer = approved(asked(), "1/jane").look(policy=APPROVE)
    healer.after(minutes=5).look(STILL_SICK, policy=APPROVE)
    healer.look(STILL_SICK, policy=APPROVE).after(minutes=30).look(STILL_SICK, policy=APPROVE)
    assert (healer.phase, healer.calls) == ("Failed", 1)
    assert healer.reason(ConditionType.SUCCEEDED) == Reason.APPROVAL_TIMED_OUT


def test_an_approval_ends_the_wait_but_no_other_guard() -> None:
    healer = approved(asked(), "1/jane").look(policy=APPROVE, pauses=Pauses(namespace=True))
    assert (healer.phase, healer.calls) == ("Held", 0)
    assert healer.reason(ConditionType.PROGRESSING) == Reason.PAUSED
    assert status_of(healer) is ConditionStatus.TRUE
    assert healer.after(seconds=15).look(policy=APPROVE).calls == 1


def test_the_time_to_approve_runs_whatever_else_holds_the_run() -> None:
    healer = asked().look(policy=APPROVE).after(minutes=20)
    healer.look(policy=APPROVE, pauses=Pauses(namespace=True))
    assert healer.reason(ConditionType.PROGRESSING) == Reason.PAUSED
    assert healer.phase == "AwaitingApproval"
    healer.after(minutes=10).look(policy=APPROVE, pauses=Pauses(namespace=True))
    assert healer.reason(ConditionType.PROGRESSING) == Reason.APPROVAL_TIMED_OUT


def test_the_wait_for_a_person_is_no_part_of_the_longest_wait() -> None:
    patient = a_policy(mode="Approve", approval={"timeout": "10h"})
    healer = asked(patient).look(policy=patient)
    healer.after(hours=9).look(policy=patient)
    assert healer.phase == "AwaitingApproval"
    approved(healer, "1/jane").look(policy=patient, pauses=Pauses(namespace=True))
    assert healer.phase == "Held"
    healer.after(minutes=59).look(policy=patient, pauses=Pauses(namespace=True))
    assert healer.phase == "Held"
    healer.after(minutes=1).look(policy=patient, pauses=Pauses(namespace=True))
    assert healer.reason(ConditionType.PROGRESSING) == Reason.MAX_WAIT_PASSED


def test_a_policy_that_becomes_stricter_asks() -> None:
    healer = asked(ENFORCE).look(policy=APPROVE)
    assert (healer.phase, healer.calls) == ("AwaitingApproval", 0)
    healer.after(minutes=1).look(policy=ENFORCE)
    assert (healer.phase, healer.calls) == ("Verifying", 1)
    assert healer.reason(ConditionType.APPROVED) == Reason.AS_EXPECTED


def test_a_policy_that_becomes_a_dry_run_ends_it() -> None:
    healer = asked(APPROVE).look(policy=APPROVE).look(policy=a_policy(mode="DryRun"))
    assert (healer.phase, healer.calls) == ("Skipped", 0)
    assert healer.reason(ConditionType.PROGRESSING) == Reason.DRY_RUN


def test_a_step_that_is_refused_needs_nobody() -> None:
    policy = a_policy(mode="Approve", ladder=[RESTART_WORKLOAD])
    paused = a_workload()
    paused["spec"]["paused"] = True
    healer = asked(policy).look(a_sighting(workload=paused), policy=policy)
    assert (healer.phase, healer.calls) == ("Skipped", 0)
    assert healer.reason(ConditionType.PROGRESSING) == Reason.ROLLOUT_PAUSED


def test_an_approval_that_anybody_could_have_written_is_none() -> None:
    healer = approved(asked(), "1/mallory").look(policy=APPROVE, approvals_proven=False)
    assert (healer.phase, healer.calls, healer.run.status.approvals) == ("Held", 0, ())
    assert healer.reason(ConditionType.PROGRESSING) == Reason.ADMISSION_MISSING
