"""What the rules of cleaning say in words, and where their limits lie exactly."""

from datetime import datetime, timedelta

import pytest

from autoglm_api.cleaning import CleaningReport, Consumer, DiskMeasure, DiskReport
from autoglm_api.conditions import Reason
from autoglm_api.healingevidence import DiskEvidence, Evidence
from autoglm_api.healingladder import ActionName, CleanDiskOptions, LadderStep
from autoglm_api.healingrun import (
    HealingRun,
    HealingRunStatus,
    Intent,
    IntentVerb,
    StepRecord,
)
from autoglm_operator.decisions import cleaning
from autoglm_operator.decisions.healing import Denial, OutcomeKind, Seen, Sighting
from autoglm_operator.decisions.target import reference
from episodes import NOW, Object, a_node, a_run, an_object, another_run, seen

MIB = 2**20
STEP = LadderStep(action=ActionName.CLEAN_DISK)


def a_calm_node(*, ready: bool = True, pressure: str = "False") -> Object:
    node = a_node(ready=ready)
    node["status"]["conditions"].append({"type": "DiskPressure", "status": pressure})
    return node


def a_case(
    node: Object | None = None, *steps: StepRecord, cleaned: tuple[datetime, ...] = ()
) -> Seen:
    others = tuple(another_run(cleaned_at=each) for each in cleaned)
    run = a_run(HealingRunStatus(steps=steps))
    return seen(run, sighting=Sighting(node=node or a_calm_node()), others=others)


def an_intent(
    verb: IntentVerb = IntentVerb.CLEAN, options: CleanDiskOptions | None = None
) -> Intent:
    return Intent(verb=verb, object=reference(a_node()), job="clean-1", clean_disk=options)


def a_step(verb: IntentVerb | None, started: datetime, finished: datetime | None) -> StepRecord:
    return StepRecord(
        action=ActionName.CLEAN_DISK,
        intent=an_intent(verb) if verb else None,
        started_at=started,
        finished_at=finished,
    )


def a_disk(
    path: str = "/data", *, free: int = 10, freed: int = 100, inodes: int = 500, total: int = 1000
) -> DiskReport:
    """A disk of 1000 MiB with that many MiB and inodes free before; no inode is freed."""
    return DiskReport(
        path=path,
        total_bytes=1000 * MIB,
        total_inodes=total,
        before=DiskMeasure(free_bytes=free * MIB, free_inodes=inodes),
        after=DiskMeasure(free_bytes=(free + freed) * MIB, free_inodes=inodes),
    )


def a_job(ended: str = "Complete", status: str = "True", message: str = "") -> Object:
    job = an_object("batch/v1", "Job", "clean-1")
    job["status"] = {"conditions": [{"type": ended, "status": status, "message": message}]}
    return job


def a_pod(*states: Object, message: str = "") -> Object:
    pod = an_object("v1", "Pod", "clean-1-x")
    pod["status"] = {"containerStatuses": [{"state": each} for each in states], "message": message}
    return pod


def said(report: CleaningReport) -> Object:
    return {"terminated": {"message": report.model_dump_json(by_alias=True)}}


@pytest.mark.parametrize(
    ("sighting", "words"),
    [
        (Sighting(), "The alert leads to no node, so there is no disk."),
        (
            Sighting(node=a_node(labels={"kubernetes.io/os": "windows"}, ready=False)),
            "Node node1 does not run Linux.",
        ),
        (
            Sighting(node=a_node(ready=False)),
            "Node node1 is not Ready, so nothing can be started on it.",
        ),
    ],
)
def test_a_denial_says_what_stands_against_cleaning(sighting: Sighting, words: str) -> None:
    denied = cleaning.plan(STEP, seen(sighting=sighting), NOW)

    assert isinstance(denied, Denial)
    assert denied.message == words


def test_a_volume_that_is_full_is_no_reason_to_clean_its_node() -> None:
    labels = {"node": "node1", "namespace": "team-a", "persistentvolumeclaim": "data"}
    case = seen(a_run(labels=labels), sighting=Sighting(node=a_calm_node()))

    denied = cleaning.plan(STEP, case, NOW)

    assert isinstance(denied, Denial)
    assert denied.message == (
        "The alert is about PersistentVolumeClaim data, whose content is never deleted: heal it by"
        " a policy with target kind PersistentVolumeClaim, whose notice offers an expansion."
    )


def test_a_node_that_says_it_runs_linux_is_cleaned() -> None:
    case = a_case(a_node(labels={"kubernetes.io/os": "linux"}))

    assert isinstance(cleaning.plan(STEP, case, NOW), Intent)


@pytest.mark.parametrize(
    ("ago", "refused"),
    [(cleaning.REFILLED, False), (cleaning.REFILLED - timedelta(seconds=1), True)],
)
def test_the_rest_between_two_cleanings_ends_on_the_second(
    ago: timedelta, *, refused: bool
) -> None:
    planned = cleaning.plan(STEP, a_case(cleaned=(NOW - ago,)), NOW)

    assert isinstance(planned, Denial) is refused
    assert not isinstance(planned, Denial) or planned.message == (
        "The disk of node node1 was cleaned less than 6 h ago and is short again:"
        " find out what fills it, cleaning does not stop that."
    )


def test_the_last_of_several_cleanings_counts() -> None:
    hours = (NOW - timedelta(hours=9), NOW - timedelta(hours=1), NOW - timedelta(hours=8))

    assert isinstance(cleaning.plan(STEP, a_case(cleaned=hours), NOW), Denial)
    assert isinstance(cleaning.plan(STEP, a_case(cleaned=hours[::2]), NOW), Intent)


@pytest.mark.parametrize(
    ("verb", "started", "finished", "refused"),
    [
        (IntentVerb.CLEAN, 1, None, True),
        (IntentVerb.CLEAN, 7, None, False),
        (IntentVerb.CLEAN, 7, 5, True),
        (IntentVerb.DRAIN, 1, 1, False),
        (None, 1, 1, False),
    ],
)
def test_only_a_cleaning_of_the_run_itself_counts_and_from_its_end(
    verb: IntentVerb | None, started: int, finished: int | None, *, refused: bool
) -> None:
    ended = NOW - timedelta(hours=finished) if finished is not None else None
    step = a_step(verb, NOW - timedelta(hours=started), ended)

    planned = cleaning.plan(STEP, a_case(None, step), NOW)

    assert isinstance(planned, Denial) is refused


def test_two_runs_of_one_name_have_two_jobs() -> None:
    run = a_run()
    metadata = run.metadata.model_copy(update={"uid": "run-made-anew"})
    again: HealingRun = run.model_copy(update={"metadata": metadata})

    names = {cleaning.job_name(run), cleaning.job_name(again)}

    assert len(names) == 2
    assert {name.rpartition("-")[0] for name in names} == {run.metadata.name}


@pytest.mark.parametrize("ended", ["Complete", "Failed"])
@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_a_job_has_not_ended_before_its_condition_is_true(ended: str, status: str) -> None:
    outcome = cleaning.outcome(an_intent(), a_job(ended, status), [])

    assert outcome.kind is OutcomeKind.UNDER_WAY
    assert outcome.message == "Job clean-1 cleans the disk of node node1."


def test_a_report_counts_although_the_job_failed_after_it() -> None:
    report = CleaningReport(disks=(a_disk(),))
    pods = [a_pod({"running": {}}), a_pod({"running": {}}, said(report))]

    outcome = cleaning.outcome(an_intent(), a_job("Failed", message="deadline"), pods)

    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert outcome.intent is not None
    assert outcome.intent.job_uid == "job-clean-1"
    assert "deadline" not in outcome.message


def test_everything_known_about_a_missing_report_is_said_once() -> None:
    held = a_pod({"waiting": {"reason": "ErrImagePull", "message": "no such tag"}})
    evicted = a_pod({"running": {}}, message=" The node was low on memory. ")
    job = a_job("Failed", message="Too many failures.")

    outcome = cleaning.outcome(an_intent(), job, [held, evicted])

    assert outcome.message == (
        "Job clean-1 left no report. Too many failures. ErrImagePull: no such tag"
        " The node was low on memory."
    )
    assert cleaning.outcome(an_intent(), a_job(), []).message == "Job clean-1 left no report."


def test_a_deleted_job_is_not_made_anew() -> None:
    gone = cleaning.gone(an_intent())

    assert (gone.kind, gone.reason) == (OutcomeKind.FAILED, Reason.JOB_FAILED)
    assert gone.message == (
        "Job clean-1 was deleted before its report was read; it is not made anew."
    )


@pytest.mark.parametrize(
    ("options", "freed", "missing"),
    [
        (None, 64, None),
        (None, 63, "At least 64Mi had to become free."),
        (CleanDiskOptions(minimum_freed="10Mi"), 10, None),
        (CleanDiskOptions(minimum_freed="10Mi"), 9, "At least 10Mi had to become free."),
        (CleanDiskOptions(minimum_freed="1Gi"), 900, "At least 1Gi had to become free."),
    ],
)
def test_the_policy_says_how_much_is_enough(
    options: CleanDiskOptions | None, freed: int, missing: str | None
) -> None:
    pods = [a_pod(said(CleaningReport(disks=(a_disk(freed=freed),))))]

    outcome = cleaning.outcome(an_intent(options=options), a_job(), pods)

    verdict = f"{freed} MiB and 0 inodes became free on /data."
    shown = f"{verdict} {missing} " if missing else verdict
    assert outcome.message == f"{shown} Nothing was removed."
    assert outcome.reason is (Reason.FREED_TOO_LITTLE if missing else Reason.ACTION_SUCCEEDED)


def test_a_disk_that_lost_room_has_freed_too_little() -> None:
    pods = [a_pod(said(CleaningReport(disks=(a_disk(freed=-5),))))]

    outcome = cleaning.outcome(an_intent(), a_job(), pods)

    assert outcome.reason is Reason.FREED_TOO_LITTLE
    assert outcome.message.startswith("-5 MiB and 0 inodes became free on /data.")


def test_inodes_that_are_short_are_named_with_what_was_needed() -> None:
    pods = [a_pod(said(CleaningReport(disks=(a_disk(free=500, inodes=10),))))]

    outcome = cleaning.outcome(an_intent(), a_job(), pods)

    assert outcome.reason is Reason.FREED_TOO_LITTLE
    assert "Inodes are short, and 10 had to become free." in outcome.message


def test_only_the_four_largest_that_stay_are_named() -> None:
    kept = tuple(Consumer(what=f"/k{each}", size_bytes=MIB, why="open") for each in range(5))
    pods = [a_pod(said(CleaningReport(disks=(a_disk(freed=0),), kept=kept)))]

    message = cleaning.outcome(an_intent(), a_job(), pods).message

    assert "Largest that stay: /k0 1 MiB (open), /k1" in message
    assert ("/k3 1 MiB (open)." in message, "/k4" in message) == (True, False)


@pytest.mark.parametrize(
    ("disks", "path"),
    [
        ((a_disk("/a", free=20), a_disk("/b", free=10)), "/b"),
        ((a_disk("/a", free=20), a_disk("/b", free=900, inodes=1)), "/b"),
        ((a_disk("/a", free=20), a_disk("/b", free=900, inodes=0, total=0)), "/a"),
        ((a_disk("/a"), a_disk("/b")), "/a"),
        (
            (a_disk("/a").model_copy(update={"total_bytes": 0}), a_disk("/b", free=400)),
            "/b",
        ),
    ],
)
def test_the_scarcest_disk_is_short_of_bytes_or_of_inodes(
    disks: tuple[DiskReport, ...], path: str
) -> None:
    assert cleaning.scarcest(CleaningReport(disks=disks)).path == path


@pytest.mark.parametrize(
    ("node", "measured", "words"),
    [
        (a_calm_node(), True, "Node node1 has room on its disk."),
        (a_calm_node(pressure="True"), True, "Node node1 reports DiskPressure."),
        (a_calm_node(ready=False, pressure="True"), True, "Node node1 is not Ready."),
        (a_calm_node(ready=False), False, "The disk of node node1 was not measured."),
    ],
)
def test_health_names_the_first_thing_that_is_wrong(
    node: Object, words: str, *, measured: bool
) -> None:
    after = Evidence(disk=DiskEvidence(free_bytes=7, free_inodes=3)) if measured else Evidence()
    step = a_step(IntentVerb.CLEAN, NOW, NOW).model_copy(update={"after": after})

    health = cleaning.health(a_case(node), step)

    pressure = node["status"]["conditions"][1]["status"] == "True"
    known = after.disk or DiskEvidence()
    assert health.message == words
    assert health.lag == cleaning.PRESSURE_TRANSITION
    assert health.evidence == Evidence(disk=known.model_copy(update={"pressure": pressure}))


def test_a_node_that_is_gone_is_not_healthy() -> None:
    health = cleaning.health(seen(sighting=Sighting()), None)

    assert (health.healthy, health.message) == (False, "The node does not exist.")
