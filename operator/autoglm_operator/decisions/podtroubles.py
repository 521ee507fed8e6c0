"""Why the pods of a revision do not serve, in one word and one sentence.

Looked for in the order in which a pod starts, so that the first thing to mend is named. Sentences
hold nothing that changes by itself, so that a status is written once. Never looks at logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from autoglm_api import labels
from autoglm_api.conditions import Reason
from autoglm_operator.decisions import podstates
from autoglm_operator.decisions.statuses import Verdict, fails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Manifest = dict[str, Any]

CHECKED: Final = frozenset({Reason.DIGEST_MISMATCH, Reason.ARTIFACT_UNREADABLE})
"""Words with which the container that checks a model's files ends."""
_UNAVAILABLE: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
)
_CRASHING: Final = frozenset(
    {"CrashLoopBackOff", "RunContainerError", "CreateContainerConfigError"}
)
_SHOWN: Final = 512
"""Arbitrary, because a sentence has to fit into a condition with what stands around it."""


def trouble(workloads: Iterable[Manifest], pods: Iterable[Manifest]) -> Verdict | None:
    """The first thing that keeps a revision from serving; None if it may just need time.

    Args:
        workloads: Its Deployment, if there is one.
        pods: Its pods.
    """
    for workload in workloads:
        found = _refused(workload)
        if found is not None:
            return found
    waiting = [pod for pod in pods if not podstates.going(pod)]
    for look in (_unscheduled, _unpulled, _unverified, _crashing, _incomplete):
        for pod in sorted(waiting, key=lambda each: str(each["metadata"]["name"])):
            found = None if podstates.holds(pod, "Ready") else look(pod)
            if found is not None:
                return found
    return None


def _refused(workload: Manifest) -> Verdict | None:
    if not podstates.holds(workload, "ReplicaFailure"):
        return None
    condition = podstates.condition(workload, "ReplicaFailure") or {}
    return fails(
        Reason.PODS_REFUSED,
        f"No pod can be made: {str(condition.get('message', ''))[:_SHOWN]}",
    )


def _unscheduled(pod: Manifest) -> Verdict | None:
    condition = podstates.condition(pod, "PodScheduled") or {}
    if condition.get("reason") != "Unschedulable" or pod["status"].get("podIP"):
        return None
    return fails(
        Reason.UNSCHEDULABLE,
        f"No node can take pod {_name(pod)}: kubectl describe pod {_name(pod)} says why.",
    )


def _unpulled(pod: Manifest) -> Verdict | None:
    return _first(pod, _unpulled_container)


def _unpulled_container(pod: Manifest, container: Manifest) -> Verdict | None:
    if _state(container, "state", "waiting").get("reason") not in _UNAVAILABLE:
        return None
    return fails(
        Reason.IMAGE_UNAVAILABLE,
        f"The image of container {container['name']} cannot be pulled: check image and"
        f" imagePullSecrets; kubectl describe pod {_name(pod)} says more.",
    )


def _unverified(pod: Manifest) -> Verdict | None:
    return _first(pod, _unverified_container)


def _unverified_container(_: Manifest, container: Manifest) -> Verdict | None:
    for field in ("state", "lastState"):
        said = str(_state(container, field, "terminated").get("message", ""))
        word, *rest = said.split(": ", 1)
        if word in CHECKED and rest:
            return fails(Reason(word), rest[0].strip()[:_SHOWN])
    return None


def _crashing(pod: Manifest) -> Verdict | None:
    return _first(pod, _crashing_container)


def _crashing_container(pod: Manifest, container: Manifest) -> Verdict | None:
    waiting = _state(container, "state", "waiting").get("reason")
    last = _state(container, "lastState", "terminated") or _state(container, "state", "terminated")
    if waiting not in _CRASHING and not (last and int(container.get("restartCount", 0)) > 0):
        return None
    code = f" with exit code {last['exitCode']}" if "exitCode" in last else ""
    why = " (OOMKilled: raise its memory limit)" if last.get("reason") == "OOMKilled" else ""
    return fails(
        Reason.CONTAINER_CRASHING,
        f"Container {container['name']} ends{code}{why}:"
        f" kubectl logs {_name(pod)} -c {container['name']} --previous says more.",
    )


def _incomplete(pod: Manifest) -> Verdict | None:
    if not podstates.awaits_completion(pod):
        return None
    condition = podstates.condition(pod, labels.COMPLETION) or {}
    if not condition.get("message"):
        return None
    return fails(
        Reason.COMPLETION_PENDING,
        f"Pod {_name(pod)} has not completed a chat yet: {str(condition['message'])[:_SHOWN]}",
    )


def _first(pod: Manifest, look: Callable[[Manifest, Manifest], Verdict | None]) -> Verdict | None:
    status: Manifest = pod.get("status") or {}
    containers: list[Manifest] = [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]
    return next((found for each in containers if (found := look(pod, each)) is not None), None)


def _state(container: Manifest, field: str, kind: str) -> Manifest:
    states: Manifest = container.get(field) or {}
    found: Manifest = states.get(kind) or {}
    return found


def _name(pod: Manifest) -> str:
    return str(pod["metadata"]["name"])
