"""When a node's disk may be cleaned, what the Job reported, and whether that helped.

The pure half of the action CleanDisk. What counts is what was measured on the node: bytes and
inodes before and after, then the kubelet's own word on its disk. Never the alert: a rule that
predicts hours ahead stays firing long after the disk is free. Never makes a call.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from autoglm_api.cleaning import CleaningReport, DiskMeasure, DiskReport
from autoglm_api.conditions import Reason
from autoglm_api.healingevidence import DiskEvidence, Evidence
from autoglm_api.healingladder import CleanDiskOptions, LadderStep
from autoglm_api.healingrun import (
    HealingRun,
    Intent,
    IntentVerb,
    StepRecord,
)
from autoglm_operator.decisions import nodes
from autoglm_operator.decisions import target as targets
from autoglm_operator.decisions.healing import Denial, Health, Outcome, OutcomeKind, Seen
from autoglm_operator.decisions.quantities import amount
from autoglm_operator.decisions.reading import (
    Manifest,
    condition,
    container_statuses,
    labels_of,
    name_of,
    part,
    uid_of,
)

REFILLED: Final = timedelta(hours=6)
"""A disk that needs cleaning again within this time is being filled by something that cleaning does
not stop. Arbitrary, because four cleanings a day are a habit, not a repair."""
PRESSURE_TRANSITION: Final = timedelta(minutes=5)
"""How long a kubelet keeps saying DiskPressure after the disk is free. Source: default of
evictionPressureTransitionPeriod; that of a node cannot be read without rights over its proxy."""
INODES_FREED: Final = 0.01
"""Share of a disk's inodes that must become free when inodes are what is short. Arbitrary, because
the kubelet's limit is 5 % and one alert more than a few minutes away is worth something."""

_OS: Final = "kubernetes.io/os"
_CLAIM: Final = "persistentvolumeclaim"
"""Label of alerts about volumes, which name their node as well. Source: the kubelet's metrics."""
_LONGEST_NAME: Final = 63
"""A Job's name becomes a label of its pod."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a Job ended."""

    report: CleaningReport | None
    problem: str
    """Why there is no report; empty if there is one."""


def plan(step: LadderStep, seen: Seen, now: datetime) -> Intent | Denial:
    """Choose the Job of one step, or say why the disk is not cleaned."""
    node = seen.sighting.node
    if node is None:
        return Denial(Reason.TARGET_GONE, "The alert leads to no node, so there is no disk.")
    name, claim = name_of(node), seen.run.spec.alert.labels.get(_CLAIM)
    if claim:
        return Denial(
            Reason.ACTION_REFUSED,
            f"The alert is about PersistentVolumeClaim {claim}, whose content is never deleted:"
            " heal it by a policy with target kind PersistentVolumeClaim, whose notice offers an"
            " expansion.",
        )
    if labels_of(node).get(_OS, "linux") != "linux":
        return Denial(Reason.ACTION_REFUSED, f"Node {name} does not run Linux.")
    if not nodes.is_ready(node):
        return Denial(
            Reason.ACTION_REFUSED, f"Node {name} is not Ready, so nothing can be started on it."
        )
    cleaned = _last_cleaned(seen)
    if cleaned is not None and now - cleaned < REFILLED:
        return Denial(
            Reason.DISK_REFILLED,
            f"The disk of node {name} was cleaned less than {_hours(REFILLED)} ago and is short"
            " again: find out what fills it, cleaning does not stop that.",
        )
    return Intent(
        verb=IntentVerb.CLEAN,
        object=targets.reference(node),
        job=job_name(seen.run),
        clean_disk=step.clean_disk or CleanDiskOptions(),
    )


def job_name(run: HealingRun) -> str:
    """The name of the Job of a run's next step: always the same, and another's for another run."""
    mark = f"{run.metadata.uid}/{len(run.status.steps)}"
    ending = hashlib.sha256(mark.encode()).hexdigest()[:5]
    return f"{run.metadata.name[: _LONGEST_NAME - 6]}-{ending}"


def outcome(intent: Intent, job: Manifest, pods: list[Manifest]) -> Outcome:
    """What has become of a Job: under way, or ended with a report that is judged."""
    known = intent.model_copy(update={"job_uid": uid_of(job)})
    if not _has_ended(job):
        message = f"Job {name_of(job)} cleans the disk of node {intent.object.name}."
        return Outcome(OutcomeKind.UNDER_WAY, Reason.JOB_RUNNING, message, intent=known)
    ended = _ended(job, pods)
    if ended.report is None:
        return Outcome(OutcomeKind.FAILED, Reason.JOB_FAILED, ended.problem, intent=known)
    disk = scarcest(ended.report)
    kind, reason, verdict = OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED, _freed(disk)
    missing = _missing(disk, intent.clean_disk or CleanDiskOptions())
    if missing is not None:
        kind, reason = OutcomeKind.FAILED, Reason.FREED_TOO_LITTLE
        verdict = f"{verdict} {missing} {_largest(ended.report)}"
    message = f"{verdict} {_done(ended.report)}".strip()
    return Outcome(
        kind,
        reason,
        message,
        intent=known,
        before=_measured(disk.before),
        after=_measured(disk.after),
    )


def gone(intent: Intent) -> Outcome:
    """What a Job that was seen once and is gone amounts to."""
    return Outcome(
        OutcomeKind.FAILED,
        Reason.JOB_FAILED,
        f"Job {intent.job} was deleted before its report was read; it is not made anew.",
    )


def health(seen: Seen, step: StepRecord | None) -> Health:
    """Judge a node's disk by what was measured on it and by its condition DiskPressure."""
    node = seen.sighting.node
    if node is None:
        return Health(healthy=False, message="The node does not exist.", evidence=None)
    name = name_of(node)
    pressure = condition(node, "DiskPressure").get("status") != "False"
    measured = step.after.disk if step is not None and step.after is not None else None
    disk = (measured or DiskEvidence()).model_copy(update={"pressure": pressure})
    problem = _problem(node, pressure=pressure, measured=measured is not None)
    return Health(
        healthy=problem is None,
        message=problem or f"Node {name} has room on its disk.",
        evidence=Evidence(disk=disk),
        # The disk may be free already; the kubelet's word comes late.
        lag=PRESSURE_TRANSITION,
    )


def scarcest(report: CleaningReport) -> DiskReport:
    """The disk that was fullest before, by bytes or by inodes: the one that the alert is about."""
    return min(report.disks, key=lambda disk: min(_byte_share(disk), _inode_share(disk)))


def _problem(node: Manifest, *, pressure: bool, measured: bool) -> str | None:
    name = name_of(node)
    if not measured:
        return f"The disk of node {name} was not measured."
    if not nodes.is_ready(node):
        return f"Node {name} is not Ready."
    return f"Node {name} reports DiskPressure." if pressure else None


def _last_cleaned(seen: Seen) -> datetime | None:
    moments = [other.cleaned_at for other in seen.others if other.cleaned_at is not None]
    moments += [
        step.finished_at or step.started_at
        for step in seen.run.status.steps
        if step.intent is not None and step.intent.verb is IntentVerb.CLEAN
    ]
    return max(moments, default=None)


def _has_ended(job: Manifest) -> bool:
    return any(condition(job, about).get("status") == "True" for about in ("Complete", "Failed"))


def _ended(job: Manifest, pods: list[Manifest]) -> Ended:
    """Read the report from the only pod of a Job; one that failed after it may still have it."""
    problems = [_why_failed(job)]
    for pod in pods:
        message = _last_words(pod)
        try:
            return Ended(CleaningReport.model_validate_json(message), "")
        except ValidationError:
            problems.append(_waits_for(pod))
            problems.append(message)
    shown = " ".join(each.strip() for each in problems if each.strip())
    return Ended(None, f"Job {name_of(job)} left no report. {shown}".strip())


def _why_failed(job: Manifest) -> str:
    return str(condition(job, "Failed").get("message") or "")


def _last_words(pod: Manifest) -> str:
    for status in container_statuses(pod):
        message = part(status, "state", "terminated").get("message")
        if message:
            return str(message)
    return str(part(pod, "status").get("message") or "")


def _waits_for(pod: Manifest) -> str:
    """What held its container back, if it never ran."""
    for status in container_statuses(pod):
        waiting = part(status, "state", "waiting")
        if waiting:
            return f"{waiting.get('reason', '')}: {waiting.get('message', '')}"
    return ""


def _missing(disk: DiskReport, options: CleanDiskOptions) -> str | None:
    """What was freed too little of, as a sentence; None if it was enough."""
    if _inode_share(disk) < _byte_share(disk):
        needed = int(disk.total_inodes * INODES_FREED)
        freed = disk.after.free_inodes - disk.before.free_inodes
        return None if freed >= needed else f"Inodes are short, and {needed} had to become free."
    freed = disk.after.free_bytes - disk.before.free_bytes
    if freed >= amount(options.minimum_freed):
        return None
    return f"At least {options.minimum_freed} had to become free."


def _byte_share(disk: DiskReport) -> float:
    return disk.before.free_bytes / disk.total_bytes if disk.total_bytes else 1.0


def _inode_share(disk: DiskReport) -> float:
    # Some file systems make inodes as they need them and count none.
    return disk.before.free_inodes / disk.total_inodes if disk.total_inodes else 1.0


def _measured(measure: DiskMeasure) -> Evidence:
    disk = DiskEvidence(free_bytes=measure.free_bytes, free_inodes=measure.free_inodes)
    return Evidence(disk=disk)


def _freed(disk: DiskReport) -> str:
    size = disk.after.free_bytes - disk.before.free_bytes
    inodes = disk.after.free_inodes - disk.before.free_inodes
    return f"{_mebibytes(size)} and {inodes} inodes became free on {disk.path}."


def _done(report: CleaningReport) -> str:
    removed = [
        f"{each.rubbish} {each.count} ({_mebibytes(each.size_bytes)})"
        for each in report.removed
        if each.count
    ]
    said = [f"Removed: {', '.join(removed)}."] if removed else ["Nothing was removed."]
    return " ".join([*said, *report.problems])


def _largest(report: CleaningReport) -> str:
    named = [f"{each.what} {_mebibytes(each.size_bytes)} ({each.why})" for each in report.kept[:4]]
    return f"Largest that stay: {', '.join(named)}." if named else ""


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.0f} h"
