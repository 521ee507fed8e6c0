"""`autoglm timeline RUN`: prints a run as what happened when, one line each."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from autoglm_api.conditions import ConditionType, find_condition
from autoglm_api.healingevidence import Evidence
from autoglm_api.healingrun import HealingRun, StepRecord
from autoglm_cli import access
from autoglm_operator.clients.kube import KubeClient

Entry = tuple[datetime, str]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    access.add_run(parser)


def run(options: argparse.Namespace) -> int:
    """Print the timeline; 1 if there is no such run."""
    return access.call(_print, options)


async def _print(kube: KubeClient, options: argparse.Namespace) -> int:
    for line in lines(await access.read_run(kube, options)):
        print(line)
    return 0


def lines(run: HealingRun) -> list[str]:
    """A heading, one line per event in the order of time, and where the run stands."""
    target = run.status.target
    about = f"{target.kind} {target.name}" if target is not None else "no target yet"
    entries = sorted(_entries(run), key=lambda entry: entry[0])
    start = entries[0][0]
    shown = [
        f"{_clock(moment)}  {(moment - start).total_seconds():+10.3f} s  {words}"
        for moment, words in entries
    ]
    heading = f"{run.metadata.namespace}/{run.metadata.name}  policy {run.spec.policy.name}"
    return [f"{heading}  {about}", *shown, f"{run.status.phase or 'Pending'}: {_standing(run)}"]


def _entries(run: HealingRun) -> Iterator[Entry]:
    alert, status = run.spec.alert, run.status
    yield alert.starts_at, f"alert {alert.name} began to fire ({alert.source})"
    if run.metadata.creation_timestamp:
        stored = datetime.fromisoformat(run.metadata.creation_timestamp)
        # The API server cuts its times to seconds.
        same = stored <= alert.starts_at < stored + timedelta(seconds=1)
        yield alert.starts_at if same else stored, "run stored"
    for number, step in enumerate(status.steps, start=1):
        yield from _of_step(number, step)
    for approval in status.approvals:
        yield approval.at, f"step {approval.step} approved by {approval.by}"
    if status.finished_at is not None:
        yield status.finished_at, "run ended"
    if status.alert_gone_at is not None:
        yield status.alert_gone_at, "alert known to fire no more"


def _of_step(number: int, step: StepRecord) -> Iterator[Entry]:
    name = f"step {number} {step.action}"
    intent = step.intent
    if intent is None:
        yield step.started_at, f"{name} refused: {step.message or step.reason}"
        return
    what = f"{intent.verb} {intent.object.kind} {intent.object.name}"
    yield step.started_at, f"{name} begun: {what}{_shown(step.before)}"
    if step.finished_at is not None:
        yield step.finished_at, f"{name} {step.outcome}: {step.message or step.reason}"
    if step.healthy_since is not None:
        yield step.healthy_since, f"{name}: target healthy{_shown(step.after)}"
    if step.verified_at is not None:
        # What was healthy was shown above.
        seen = "" if step.healthy_since is not None else _shown(step.after)
        yield step.verified_at, f"{name} {'helped' if step.helped else 'did not help'}{seen}"
    lease = step.lease
    if lease is not None and lease.reverted_at is not None:
        yield lease.reverted_at, f"{name} {lease.state}: {lease.field} {lease.message or ''}"


def _shown(evidence: Evidence | None) -> str:
    if evidence is None:
        return ""
    seen = ", ".join(_seen(evidence))
    return f" ({seen})" if seen else ""


def _seen(evidence: Evidence) -> Iterator[str]:
    pods, disk, node = evidence.workload, evidence.disk, evidence.node
    if pods is not None:
        yield f"{pods.available} of {pods.desired} pods available"
        yield f"{pods.restarts} restarts"
    if disk is not None and disk.free_bytes is not None:
        yield f"{disk.free_bytes} bytes free"
    if disk is not None and disk.free_inodes is not None:
        yield f"{disk.free_inodes} inodes free"
    if disk is not None and disk.pressure:
        yield "DiskPressure"
    if node is not None:
        yield "Ready" if node.ready else "not Ready"
        yield f"{node.pods} pods to displace"
    if node is not None and node.recovery_seconds is not None:
        yield f"available elsewhere after {node.recovery_seconds} s"
    for metric in evidence.metrics:
        yield f"{metric.name} {metric.value or 'without data'}{'' if metric.good else ', not good'}"


def _standing(run: HealingRun) -> str:
    progressing = find_condition(run.status.conditions, ConditionType.PROGRESSING)
    return progressing.message if progressing is not None else "not looked at yet"


def _clock(moment: datetime) -> str:
    return (
        moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
    )
