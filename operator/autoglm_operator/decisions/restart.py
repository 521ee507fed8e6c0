"""When a restart can help, and which call makes it: the pure half of the action Restart.

A restart is refused where nothing would bring the pod back, where a new pod would fail in the same
way, and where somebody else is changing the workload. Never makes a call.

Source of the refusals: pod lifecycle and workload semantics in the Kubernetes documentation.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName, LadderStep, RestartScope
from autoglm_api.healingpolicy import Mode, TargetKind
from autoglm_api.healingrun import HealingRun, Intent, IntentVerb
from autoglm_api.labels import RESTARTED_AT
from autoglm_operator.decisions import target as targets
from autoglm_operator.decisions.guards import mode_of
from autoglm_operator.decisions.healing import Denial, Seen, Sighting
from autoglm_operator.decisions.reading import (
    Manifest,
    condition,
    container_statuses,
    is_ready,
    is_terminating,
    name_of,
    part,
    title,
    uid_of,
    unobserved,
)

MIRROR: Final = "kubernetes.io/config.mirror"
"""Annotation of pods that stand for a file on a node. Source: k8s.io/api/core/v1."""

FUTILE_WAITS: Final = {
    "ErrImagePull": "its image cannot be pulled: correct the image",
    "ImagePullBackOff": "its image cannot be pulled: correct the image",
    "InvalidImageName": "its image name is invalid: correct the image",
    "ErrImageNeverPull": "its image is not on the node: load it, or change imagePullPolicy",
    "CreateContainerConfigError": "its configuration is missing: create what it refers to",
    "CreateContainerError": "its container cannot be created: correct the pod template",
}
"""Waiting reasons that a new pod would have again. Source: k8s.io/kubernetes/pkg/kubelet."""

OOM_RESTARTS: Final = 3
"""Restarts from which an out-of-memory kill counts as repeated. Arbitrary, because one kill may be
an accident and a third is none."""


STEADY: Final = timedelta(minutes=10)
"""So long must a container run after a failure to count as steady. Source: the time after which a
kubelet forgets its back-off, https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/."""

CAP: Final = 2
CAP_WINDOW: Final = timedelta(hours=6)
"""So many restarts of one target within so long a time. Arbitrary, because what two restarts do not
mend within a working day's half has another cause."""


def plan(step: LadderStep, seen: Seen, now: datetime) -> Intent | Denial:
    """Choose the call of one step, or say why it is refused."""
    if step.restart is None:
        return Denial(Reason.ACTION_REFUSED, "The step has no restart scope: write restart: {...}.")
    if step.restart.scope is RestartScope.POD or _rolls_on_delete(seen.sighting.workload):
        return _plan_eviction(seen, now)
    return _plan_rollout(seen, now)


def is_done(intent: Intent, sighting: Sighting) -> bool:
    """Tell whether the effect of a journaled call can be seen."""
    if intent.verb is IntentVerb.EVICT:
        return not any(
            uid_of(pod) == intent.object.uid and not is_terminating(pod)
            for pod in (*sighting.pods, *((sighting.pod,) if sighting.pod else ()))
        )
    workload = sighting.workload
    return (
        workload is not None
        and uid_of(workload) == intent.object.uid
        and stamp_of(workload) == stamp(intent)
    )


def stamp(intent: Intent) -> str:
    """The restart stamp that a journaled roll-out sends, as text."""
    return str(intent.as_json().get("restartedAt", ""))


def stamp_of(workload: Manifest) -> str:
    """The restart stamp that a workload carries, empty if none."""
    annotations = part(workload, "spec", "template", "metadata", "annotations")
    return str(annotations.get(RESTARTED_AT, ""))


def _plan_eviction(seen: Seen, now: datetime) -> Intent | Denial:
    pod = pod_to_evict(seen.run, seen.sighting)
    if pod is None:
        return Denial(Reason.NO_UNHEALTHY_POD, "No pod of the target is unhealthy.")
    refusal = _first_refusal(_POD_REFUSALS, pod) or _restarted_often(seen, now)
    if refusal is None and is_ready(pod) and not _failed_lately(pod, now):
        refusal = _singleton(seen, pod)
    workload = seen.sighting.workload
    if refusal is None and workload is not None and _newer_revision(seen, workload):
        refusal = _rolled_out_since(workload)
    if refusal is not None:
        return refusal
    return Intent(verb=IntentVerb.EVICT, object=targets.reference(pod))


def pod_to_evict(run: HealingRun, sighting: Sighting) -> Manifest | None:
    """The pod that a restart is about.

    At first it is the pod that the alert named, unless it is well while another pod of the workload
    is not: alerts about two pods of one workload are one incident, and whichever run acts must
    take the pod that is sick. Later it is the oldest unready pod.
    """
    evicted = {step.intent.object.uid for step in run.status.steps if step.intent is not None}
    unready = [
        pod
        for pod in sighting.pods
        if not is_ready(pod) and not is_terminating(pod) and _may_be_evicted(run, pod)
    ]
    named = sighting.pod
    if named is not None and uid_of(named) not in evicted and not run.status.steps:
        alone = run.spec.policy.target.kind is TargetKind.POD or not unready
        if alone or not is_ready(named):
            return named
    return min(unready, key=_age, default=None)


def failing_container(run: HealingRun, sighting: Sighting) -> tuple[str, str, bool] | None:
    """Whose last words tell why: pod, container, and whether its predecessor wrote them.

    The container that has been restarted most among those that are not ready; None if none is.
    """
    pod = pod_to_evict(run, sighting)
    if pod is None:
        return None
    sick = [each for each in container_statuses(pod) if not each.get("ready")]
    if not sick:
        return None
    worst = max(sick, key=lambda each: int(each.get("restartCount") or 0))
    ended = bool(part(worst, "state", "terminated"))
    again = int(worst.get("restartCount") or 0) > 0
    return name_of(pod), str(worst["name"]), again and not ended


def _may_be_evicted(run: HealingRun, pod: Manifest) -> bool:
    spec = run.spec.policy.target
    return spec.kind is not TargetKind.POD or targets.is_selected(spec, pod)


def _plan_rollout(seen: Seen, now: datetime) -> Intent | Denial:
    workload = seen.sighting.workload
    if workload is None or kinds.find(workload["apiVersion"], workload["kind"]) not in (
        targets.WORKLOADS
    ):
        return Denial(Reason.NOT_RESTARTABLE, "The target is no workload that can be rolled out.")
    refusal = _rollout_refusal(seen, workload) or _restarted_often(seen, now)
    if refusal is None and _stops_before_it_starts(workload) and _is_serving(workload):
        refusal = _singleton(seen, workload)
    if refusal is not None:
        return refusal
    return Intent(verb=IntentVerb.ROLL_OUT, object=targets.reference(workload), restarted_at=now)


def _rollout_refusal(seen: Seen, workload: Manifest) -> Denial | None:
    name = title(workload)
    if workload["spec"].get("paused"):
        return Denial(Reason.ROLLOUT_PAUSED, f"{name} is paused: resume its rollout first.")
    if _rolling_out(workload):
        return Denial(Reason.ROLLOUT_IN_PROGRESS, f"{name} is being rolled out already.")
    if _newer_revision(seen, workload):
        return _rolled_out_since(workload)
    futile = (_futile(pod) for pod in seen.sighting.pods if not is_terminating(pod))
    return next((denial for denial in futile if denial is not None), None)


def _rolling_out(workload: Manifest) -> bool:
    if unobserved(workload):
        return True
    status = part(workload, "status")
    if workload["kind"] == kinds.DAEMON_SET.kind:
        updated = status.get("updatedNumberScheduled", 0)
        return bool(updated < status.get("desiredNumberScheduled", 0))
    updated = status.get("updatedReplicas", 0)
    wanted = part(workload, "spec").get("replicas", 1)
    return bool(updated < wanted or status.get("replicas", 0) > updated)


def _newer_revision(seen: Seen, workload: Manifest) -> bool:
    """Whether the newest revision was made after the alert began, and not by this very run."""
    ours = {stamp(step.intent) for step in seen.run.status.steps if step.intent is not None}
    if stamp_of(workload) in ours - {""}:
        return False
    made = [
        datetime.fromisoformat(each["metadata"]["creationTimestamp"])
        for each in seen.sighting.revisions
    ]
    return bool(made) and max(made) > seen.run.spec.alert.starts_at


def _rolled_out_since(workload: Manifest) -> Denial:
    return Denial(
        Reason.ROLLOUT_NEWER,
        f"{title(workload)} was rolled out after the alert began: look at that change, and undo it"
        " with kubectl rollout undo if it is the cause.",
    )


def _restarted_often(seen: Seen, now: datetime) -> Denial | None:
    """Whether the target was restarted so often lately that one more proves nothing."""
    own = [
        step.started_at
        for step in seen.run.status.steps
        if step.action is ActionName.RESTART and step.intent is not None
    ]
    theirs = [moment for other in seen.others for moment in other.restarted_at]
    lately = sum(now - moment < CAP_WINDOW for moment in (*own, *theirs))
    if lately < CAP:
        return None
    return Denial(
        Reason.RESTARTED_OFTEN,
        f"The target was restarted {CAP} times within 6 hours, so another restart is no repair:"
        " look for the cause.",
    )


def _singleton(seen: Seen, what: Manifest) -> Denial | None:
    """Whether a restart would take the only pod that serves, and nobody is asked."""
    workload = seen.sighting.workload
    if workload is None or workload["kind"] == kinds.DAEMON_SET.kind:
        return None
    if part(workload, "spec").get("replicas", 1) > 1 or mode_of(seen) is Mode.APPROVE:
        return None
    return Denial(
        Reason.APPROVAL_NEEDED,
        f"{title(what)} is the only one of {title(workload)} and serves: set mode: Approve, or run"
        " more than one.",
    )


def _stops_before_it_starts(workload: Manifest) -> bool:
    """Whether a roll-out takes the old pod away before the new one is ready."""
    if workload["kind"] == kinds.DEPLOYMENT.kind:
        return bool(part(workload, "spec", "strategy").get("type") == "Recreate")
    return bool(workload["kind"] == kinds.STATEFUL_SET.kind)


def _failed_lately(pod: Manifest, now: datetime) -> bool:
    """Whether a container came up after a failure: between two crashes a pod is Ready."""
    ends = (part(each, "lastState", "terminated") for each in container_statuses(pod))
    return any(
        end.get("exitCode") and now - datetime.fromisoformat(end["finishedAt"]) < STEADY
        for end in ends
        if end.get("finishedAt")
    )


def _is_serving(workload: Manifest) -> bool:
    return bool(part(workload, "status").get("availableReplicas", 0))


def _rolls_on_delete(workload: Manifest | None) -> bool:
    return part(workload, "spec", "updateStrategy").get("type") == "OnDelete"


def _bare(pod: Manifest) -> Denial | None:
    if targets.controller_ref(pod) is not None:
        return None
    return _not_restartable(pod, "has no controller that would make it anew")


def _mirror(pod: Manifest) -> Denial | None:
    if MIRROR not in part(pod, "metadata", "annotations"):
        return None
    return _not_restartable(pod, "is a static pod of its node")


def _of_node(pod: Manifest) -> Denial | None:
    ref = targets.controller_ref(pod)
    if ref is None or ref["kind"] != kinds.NODE.kind:
        return None
    return _not_restartable(pod, "belongs to its node")


def _of_job(pod: Manifest) -> Denial | None:
    ref = targets.controller_ref(pod)
    if ref is None or ref["kind"] != kinds.JOB.kind:
        return None
    return _not_restartable(pod, "belongs to a Job, which repeats failed pods itself")


def _futile(pod: Manifest) -> Denial | None:
    name = name_of(pod)
    for status in container_statuses(pod):
        waiting = part(status, "state", "waiting").get("reason", "")
        if waiting in FUTILE_WAITS:
            return Denial(
                Reason.RESTART_FUTILE, f"A restart cannot help pod {name}: {FUTILE_WAITS[waiting]}."
            )
    if condition(pod, "PodScheduled").get("status") == "False":
        return Denial(
            Reason.RESTART_FUTILE,
            f"A restart cannot help pod {name}: no node fits it; see kubectl describe pod.",
        )
    return None


def _out_of_memory(pod: Manifest) -> Denial | None:
    for status in container_statuses(pod):
        last = part(status, "lastState", "terminated").get("reason")
        if last == "OOMKilled" and int(status.get("restartCount") or 0) >= OOM_RESTARTS:
            return Denial(
                Reason.RESTART_FUTILE,
                f"A restart cannot help pod {name_of(pod)}: it runs out of memory again"
                " and again; raise its memory limit.",
            )
    return None


_Refusal = Callable[[Manifest], Denial | None]

_POD_REFUSALS: Final[tuple[_Refusal, ...]] = (
    _mirror,
    _of_node,
    _bare,
    _of_job,
    _futile,
    _out_of_memory,
)


def _first_refusal(refusals: Iterable[_Refusal], pod: Manifest) -> Denial | None:
    return next((denial for check in refusals if (denial := check(pod)) is not None), None)


def _not_restartable(pod: Manifest, why: str) -> Denial:
    return Denial(Reason.NOT_RESTARTABLE, f"Pod {name_of(pod)} {why}, so it is left alone.")


def _age(pod: Manifest) -> tuple[str, str]:
    return str(pod["metadata"]["creationTimestamp"]), name_of(pod)
