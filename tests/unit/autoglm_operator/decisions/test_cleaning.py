"""When a disk is cleaned, what a Job's report is worth, and when that counts as healed."""

from datetime import timedelta

import pytest

from autoglm_api.cleaning import Consumer, DiskMeasure, DiskReport, Removed
from autoglm_api.conditions import Reason
from autoglm_api.healingevidence import DiskEvidence, Evidence
from autoglm_api.healingladder import ActionName, CleanDiskOptions, LadderStep, Rubbish
from autoglm_api.healingrun import (
    HealingRunStatus,
    Intent,
    IntentVerb,
    StepOutcome,
    StepRecord,
)
from autoglm_operator.decisions import cleaning, episode, verification
from autoglm_operator.decisions.healing import (
    Denial,
    Outcome,
    OutcomeKind,
    Plan,
    Seen,
    Sighting,
)
from cleanings import (
    ACTIONS,
    MIB,
    POLICY,
    STEP,
    a_case,
    a_disk,
    a_full_node,
    a_job,
    a_pod_saying,
    a_report,
    an_intent,
    reported,
    sighted,
)
from episodes import NOW, OLDER, Object, a_node, a_run, an_object, another_run, seen


def test_plans_the_same_job_again_and_another_for_another_step_or_run() -> None:
    case = a_case()

    planned = cleaning.plan(STEP, case, NOW)

    assert isinstance(planned, Intent)
    assert planned == cleaning.plan(STEP, case, NOW)
    assert (planned.verb, planned.object.name, planned.clean_disk) == (
        IntentVerb.CLEAN,
        "node1",
        CleanDiskOptions(),
    )
    refused = StepRecord(action=ActionName.CLEAN_DISK, started_at=NOW, outcome=StepOutcome.REFUSED)
    later = case.run.model_copy(update={"status": HealingRunStatus(steps=(refused,))})
    assert planned.job == cleaning.job_name(case.run)
    assert planned.job != cleaning.job_name(later)


def test_the_longest_name_of_a_run_still_makes_a_label() -> None:
    run = a_run(policy=POLICY)
    long = run.metadata.model_copy(update={"name": "p" * 40 + "-" + "f" * 16})

    assert len(cleaning.job_name(run.model_copy(update={"metadata": long}))) == 63


def test_the_options_of_the_step_are_journaled() -> None:
    options = CleanDiskOptions(remove=(Rubbish.LOGS,))
    step = LadderStep(action=ActionName.CLEAN_DISK, clean_disk=options)

    planned = cleaning.plan(step, a_case(), NOW)

    assert isinstance(planned, Intent)
    assert planned.clean_disk == options


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (a_full_node(ready=False), Reason.ACTION_REFUSED),
        (a_full_node(labels={"kubernetes.io/os": "windows"}), Reason.ACTION_REFUSED),
    ],
)
def test_refuses_a_node_on_which_nothing_can_run(node: Object, reason: Reason) -> None:
    planned = cleaning.plan(STEP, a_case(node), NOW)

    assert isinstance(planned, Denial)
    assert planned.reason is reason


def test_refuses_what_is_no_node() -> None:
    case = seen(a_run(policy=POLICY), policy=POLICY, sighting=Sighting())

    planned = cleaning.plan(STEP, case, NOW)

    assert isinstance(planned, Denial)
    assert planned.reason is Reason.TARGET_GONE


@pytest.mark.parametrize(("hours", "refused"), [(5.9, True), (6.1, False)])
def test_a_disk_that_refilled_within_six_hours_is_not_cleaned_again(
    hours: float, *, refused: bool
) -> None:
    moment = NOW - timedelta(hours=hours)
    by_another = seen(
        a_run(policy=POLICY),
        policy=POLICY,
        sighting=sighted(a_full_node()),
        others=(another_run(cleaned_at=moment), another_run(cleaned_at=None)),
    )
    cleaned = StepRecord(
        action=ActionName.CLEAN_DISK, intent=an_intent(), started_at=OLDER, finished_at=moment
    )
    by_itself = a_case(status=HealingRunStatus(steps=(cleaned,)))

    for case in (by_another, by_itself):
        planned = cleaning.plan(STEP, case, NOW)
        assert isinstance(planned, Denial) is refused
        assert not isinstance(planned, Denial) or planned.reason is Reason.DISK_REFILLED


def test_a_running_job_is_under_way_and_known_by_its_uid() -> None:
    outcome = cleaning.outcome(an_intent(), a_job(None), [])

    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNDER_WAY, Reason.JOB_RUNNING)
    assert outcome.intent is not None
    assert outcome.intent.job_uid == "job-clean-1"


def test_a_report_becomes_evidence() -> None:
    removed = (
        Removed(rubbish=Rubbish.LOGS, count=3, size_bytes=90 * MIB),
        Removed(rubbish=Rubbish.IMAGES, count=0),
    )
    report = a_report(removed=removed, problems=("Logs in /var/log: 1 open.",))

    outcome = cleaning.outcome(an_intent(), a_job(), reported(report))

    assert (outcome.kind, outcome.reason) == (OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED)
    assert outcome.message == (
        "100 MiB and 1000 inodes became free on /var/lib/kubelet."
        " Removed: Logs 3 (90 MiB). Logs in /var/log: 1 open."
    )
    assert outcome.before == Evidence(disk=DiskEvidence(free_bytes=10 * MIB, free_inodes=50_000))
    assert outcome.after == Evidence(disk=DiskEvidence(free_bytes=110 * MIB, free_inodes=51_000))


@pytest.mark.parametrize(("freed", "enough"), [(64, True), (63, False)])
def test_too_few_bytes_have_not_helped(freed: int, *, enough: bool) -> None:
    kept = (Consumer(what="/var/log/app", size_bytes=900 * MIB, why="active"),)
    report = a_report(a_disk(freed_mib=freed), kept=kept)

    outcome = cleaning.outcome(an_intent(), a_job(), reported(report))

    assert (outcome.kind is OutcomeKind.SUCCEEDED) is enough
    assert (outcome.reason is Reason.FREED_TOO_LITTLE) is not enough
    assert ("Largest that stay: /var/log/app 900 MiB (active)." in outcome.message) is not enough
    assert outcome.after is not None


@pytest.mark.parametrize(("freed", "enough"), [(1000, True), (999, False)])
def test_where_inodes_are_short_only_inodes_count(freed: int, *, enough: bool) -> None:
    disk = a_disk(freed_mib=500, inodes=freed, free_inodes=100)
    no_gain_in_bytes = a_disk(freed_mib=0, inodes=freed, free_inodes=100)

    for each in (disk, no_gain_in_bytes):
        outcome = cleaning.outcome(an_intent(), a_job(), reported(a_report(each)))
        assert (outcome.kind is OutcomeKind.SUCCEEDED) is enough
        assert ("Inodes are short" in outcome.message) is not enough


def test_the_fullest_disk_counts_not_the_one_that_gained_most() -> None:
    roomy = DiskReport(
        path="/var/log",
        total_bytes=1000 * MIB,
        total_inodes=0,
        before=DiskMeasure(free_bytes=500 * MIB, free_inodes=0),
        after=DiskMeasure(free_bytes=900 * MIB, free_inodes=0),
    )
    empty = roomy.model_copy(update={"path": "/none", "total_bytes": 0})

    outcome = cleaning.outcome(
        an_intent(), a_job(), reported(a_report(roomy, empty, a_disk(freed_mib=1)))
    )

    assert outcome.reason is Reason.FREED_TOO_LITTLE
    assert "1 MiB and" in outcome.message
    assert outcome.message.endswith("Nothing was removed.")


@pytest.mark.parametrize(
    ("job", "pods", "words"),
    [
        (a_job("Failed", "Job was active longer than specified deadline"), [], "deadline"),
        (a_job("Failed"), [a_pod_saying("back-off pulling", key="waiting")], "ErrImagePull: back"),
        (a_job("Complete"), [], "left no report"),
        (a_job("Failed"), [a_pod_saying("Traceback: boom")], "boom"),
        (a_job("Complete"), [a_pod_saying('{"disks": []}')], "left no report"),
        (
            a_job("Failed"),
            [an_object("v1", "Pod", "x") | {"status": {"message": "The node was low on disk"}}],
            "low on disk",
        ),
    ],
)
def test_a_job_without_a_report_has_failed(job: Object, pods: list[Object], words: str) -> None:
    outcome = cleaning.outcome(an_intent(), job, pods)

    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.JOB_FAILED)
    assert words in outcome.message
    assert (outcome.before, outcome.after) == (None, None)


def test_a_job_that_was_deleted_has_failed() -> None:
    assert cleaning.gone(an_intent()).kind is OutcomeKind.FAILED


def a_cleaned_step(**changes: object) -> StepRecord:
    base = StepRecord(
        action=ActionName.CLEAN_DISK,
        intent=an_intent(job_uid="job-clean-1"),
        started_at=NOW - timedelta(seconds=30),
        finished_at=NOW,
        outcome=StepOutcome.SUCCEEDED,
        after=Evidence(disk=DiskEvidence(free_bytes=110 * MIB, free_inodes=51_000)),
    )
    return base.model_copy(update=changes)


@pytest.mark.parametrize(
    ("node", "step", "healthy"),
    [
        (a_full_node(pressure="False"), a_cleaned_step(), True),
        (a_full_node(pressure="True"), a_cleaned_step(), False),
        (a_full_node(pressure="Unknown"), a_cleaned_step(), False),
        (a_node(), a_cleaned_step(), False),
        (a_full_node(pressure="False", ready=False), a_cleaned_step(), False),
        (a_full_node(pressure="False"), a_cleaned_step(after=None), False),
        (a_full_node(pressure="False"), None, False),
    ],
)
def test_healthy_is_measured_and_free_of_pressure(
    node: Object, step: StepRecord | None, *, healthy: bool
) -> None:
    health = cleaning.health(a_case(node), step)

    assert health.healthy is healthy
    assert health.evidence is not None


def test_without_a_node_nothing_is_known() -> None:
    health = cleaning.health(seen(a_run(policy=POLICY), sighting=Sighting()), a_cleaned_step())

    assert (health.healthy, health.evidence) == (False, None)


@pytest.mark.parametrize(("minutes", "helped"), [(5.9, None), (6, False)])
def test_a_kubelet_has_five_minutes_more_to_see_that_the_pressure_is_gone(
    minutes: float, helped: bool | None
) -> None:
    step, late = a_cleaned_step(), NOW + timedelta(minutes=minutes)
    health = cleaning.health(a_case(a_full_node()), step)

    judged = verification.judge(step, health, POLICY.spec.verify, late)

    assert judged.helped is helped


def test_pressure_that_ends_late_still_counts() -> None:
    step, late = a_cleaned_step(), NOW + timedelta(minutes=5.5)
    health = cleaning.health(a_case(a_full_node(pressure="False")), step)

    first = verification.judge(step, health, POLICY.spec.verify, late)
    again = step.model_copy(update={"healthy_since": first.healthy_since})
    then = late + timedelta(seconds=5)

    assert verification.judge(again, health, POLICY.spec.verify, then).helped is True


def carried_on(case: Seen, plan: Plan) -> Seen:
    run = case.run.model_copy(update={"status": plan.status})
    return a_case(case.sighting.node, run.status)


def test_an_episode_records_what_was_measured_before_and_after() -> None:
    case = a_case()
    began = episode.decide(case, ACTIONS, NOW)
    assert began.call is not None
    assert began.status.steps[0].before == Evidence(disk=DiskEvidence(pressure=True))

    under_way = cleaning.outcome(began.call, a_job(None), [])
    going_on = episode.after_call(began, case, under_way, NOW)
    assert going_on.requeue_after == episode.UNDER_WAY
    assert going_on.status.phase == "Running"

    case = carried_on(case, going_on)
    again = episode.decide(case, ACTIONS, NOW + timedelta(seconds=5))
    assert again.call is not None
    assert again.call.job_uid == "job-clean-1"

    done = cleaning.outcome(again.call, a_job(), reported(a_report()))
    ended = episode.after_call(again, case, done, NOW + timedelta(seconds=6))
    (step,) = ended.status.steps
    assert step.outcome is StepOutcome.SUCCEEDED
    assert step.before == Evidence(
        disk=DiskEvidence(free_bytes=10 * MIB, free_inodes=50_000, pressure=True)
    )

    healthy = carried_on(a_case(a_full_node(pressure="False")), ended)
    looked = episode.decide(healthy, ACTIONS, NOW + timedelta(seconds=10))
    healthy = carried_on(healthy, looked)
    healed = episode.decide(healthy, ACTIONS, NOW + timedelta(seconds=20))
    assert healed.status.phase == "Succeeded"
    assert healed.status.steps[0].after == Evidence(
        disk=DiskEvidence(free_bytes=110 * MIB, free_inodes=51_000, pressure=False)
    )


def test_too_little_ends_the_step_at_once_with_its_measure() -> None:
    case = a_case()
    began = episode.decide(case, ACTIONS, NOW)
    assert began.call is not None
    outcome = cleaning.outcome(began.call, a_job(), reported(a_report(a_disk(freed_mib=1))))

    ended = episode.after_call(began, case, outcome, NOW)

    (step,) = ended.status.steps
    assert (step.outcome, step.reason) == (StepOutcome.FAILED, Reason.FREED_TOO_LITTLE)
    assert step.after is not None
    later = episode.decide(carried_on(case, ended), ACTIONS, NOW + timedelta(seconds=1))
    assert later.status.phase == "Escalated"


def test_a_begun_job_is_followed_to_its_end_whatever_the_guards_say() -> None:
    case = a_case()
    began = episode.decide(case, ACTIONS, NOW)
    assert began.call is not None
    unknown = episode.after_call(
        began, case, Outcome(OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, "lost"), NOW
    )
    known = episode.after_call(began, case, cleaning.outcome(began.call, a_job(None), []), NOW)
    late = NOW + timedelta(hours=2)

    assert episode.decide(carried_on(case, unknown), ACTIONS, late).call is None
    assert episode.decide(carried_on(case, known), ACTIONS, late).call is not None
