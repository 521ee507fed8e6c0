"""Whether an action helped: the target healthy, and healthy long enough without a restart.

Missing data is never health. The alert is not asked: deleting a pod resolves many an alert without
healing anything. Never looks anything up.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from autoglm_api import kinds
from autoglm_api.healingevidence import Evidence, WorkloadEvidence
from autoglm_api.healingpolicy import Verification
from autoglm_api.healingrun import StepRecord
from autoglm_operator.decisions.healing import Health, Sighting
from autoglm_operator.decisions.reading import (
    Manifest,
    is_ready,
    is_terminating,
    part,
    restarts,
    title,
    unobserved,
)

POLL: Final = timedelta(seconds=5)
"""Time between two looks. Arbitrary, because the shortest useful stabilization is a few of them."""

_FINISHED: Final = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one look during verification led to."""

    helped: bool | None
    """None while it is not decided."""
    healthy_since: datetime | None
    evidence: Evidence | None
    message: str
    look_again: timedelta


def workload_health(sighting: Sighting) -> Health:
    """Judge the workload behind a target by its own status and by its pods."""
    workload = sighting.workload
    if workload is None:
        return Health(healthy=False, message="The workload does not exist.", evidence=None)
    name = title(workload)
    if workload["kind"] not in _COUNTS:
        return Health(healthy=False, message=f"The state of {name} is unknown.", evidence=None)
    counts = _COUNTS[workload["kind"]](workload, sighting.pods)
    problem = _problem(workload, counts, sighting.pods)
    return Health(
        healthy=problem is None,
        message=f"{name} {problem or 'is as wanted'}.",
        evidence=Evidence(workload=counts),
    )


def judge(step: StepRecord, health: Health, verify: Verification, now: datetime) -> Judgement:
    """Decide whether a finished call helped, or when to look again.

    Args:
        step: The journaled step; its call has succeeded.
        health: What the target looks like now.
        verify: What the policy asks for.
        now: The time of the look.
    """
    called = step.finished_at or step.started_at
    since = _healthy_since(step, health, now)
    if since is not None and now - max(since, called) >= verify.stabilization:
        return _judgement(health, since, helped=True)
    left = called + verify.timeout + health.lag - now
    if left <= timedelta():
        return _judgement(health, since, helped=False)
    soak = POLL if since is None else max(since, called) + verify.stabilization - now
    return _judgement(health, since, look_again=min(POLL, left, soak))


def _judgement(
    health: Health,
    since: datetime | None,
    *,
    helped: bool | None = None,
    look_again: timedelta = timedelta(),
) -> Judgement:
    return Judgement(helped, since, health.evidence, health.message, look_again)


def _healthy_since(step: StepRecord, health: Health, now: datetime) -> datetime | None:
    if not health.healthy or health.evidence is None:
        return None
    if step.healthy_since is None:
        return now
    return now if _restarted(step.after, health.evidence) else step.healthy_since


def _restarted(before: Evidence | None, after: Evidence) -> bool:
    if before is None or before.workload is None or after.workload is None:
        return False
    return after.workload.restarts > before.workload.restarts


def _problem(
    workload: Manifest, evidence: WorkloadEvidence, pods: tuple[Manifest, ...]
) -> str | None:
    if unobserved(workload):
        return "has not been looked at by its controller yet"
    if evidence.desired == 0:
        return "wants no pods, so nothing proves that it works"
    if evidence.updated < evidence.desired:
        return f"has {evidence.updated} of {evidence.desired} pods of its current revision"
    if evidence.available < evidence.desired:
        return f"has {evidence.available} of {evidence.desired} pods available"
    ready = sum(is_ready(pod) for pod in _present(pods))
    if ready < evidence.desired:
        return f"has {ready} of {evidence.desired} pods ready"
    return None


def _present(pods: tuple[Manifest, ...]) -> list[Manifest]:
    return [
        pod
        for pod in pods
        if not is_terminating(pod) and part(pod, "status").get("phase") not in _FINISHED
    ]


def _restarts(pods: tuple[Manifest, ...]) -> int:
    return sum(restarts(pod) for pod in _present(pods))


def _replicated(workload: Manifest, pods: tuple[Manifest, ...]) -> WorkloadEvidence:
    status = part(workload, "status")
    desired = int(part(workload, "spec").get("replicas", 1))
    return WorkloadEvidence(
        desired=desired,
        updated=desired if _keeps_old(workload) else int(status.get("updatedReplicas", 0)),
        available=int(status.get("availableReplicas", 0)),
        restarts=_restarts(pods),
    )


def _per_node(workload: Manifest, pods: tuple[Manifest, ...]) -> WorkloadEvidence:
    status = part(workload, "status")
    desired = int(status.get("desiredNumberScheduled", 0))
    return WorkloadEvidence(
        desired=desired,
        updated=desired if _keeps_old(workload) else int(status.get("updatedNumberScheduled", 0)),
        available=int(status.get("numberAvailable", 0)),
        restarts=_restarts(pods),
    )


def _keeps_old(workload: Manifest) -> bool:
    """Whether pods of an older revision stay until somebody deletes them."""
    if workload["kind"] == kinds.REPLICA_SET.kind:
        return True
    return part(workload, "spec", "updateStrategy").get("type") == "OnDelete"


_COUNTS: Final = {
    kinds.DEPLOYMENT.kind: _replicated,
    kinds.STATEFUL_SET.kind: _replicated,
    kinds.REPLICA_SET.kind: _replicated,
    kinds.DAEMON_SET.kind: _per_node,
}
