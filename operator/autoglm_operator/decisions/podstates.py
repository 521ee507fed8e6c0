"""What pods and their workloads say about themselves.

Only reads what Kubernetes wrote; never decides what follows from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoglm_api import labels

if TYPE_CHECKING:
    from collections.abc import Iterable

Manifest = dict[str, Any]

FINISHED = frozenset({"Succeeded", "Failed"})


def ready_pods(pods: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """Pods that serve: Ready, with an address, not about to go; in a stable order."""
    ready = [
        pod
        for pod in pods
        if not going(pod) and pod.get("status", {}).get("podIP") and holds(pod, "Ready")
    ]
    return tuple(sorted(ready, key=lambda pod: str(pod["metadata"]["uid"])))


def going(obj: Manifest) -> bool:
    """Whether an object is about to go."""
    return "deletionTimestamp" in obj["metadata"]


def condition(obj: Manifest, kind: str) -> Manifest | None:
    """A condition of a pod or workload; None if it has none of this type."""
    status: Manifest = obj.get("status") or {}
    conditions: list[Manifest] = status.get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), None)


def holds(obj: Manifest, kind: str) -> bool:
    """Whether a condition is there and True."""
    found = condition(obj, kind)
    return found is not None and found.get("status") == "True"


def awaits_completion(pod: Manifest) -> bool:
    """Whether a server is up whose first completion nobody has seen."""
    annotations: Manifest = pod["metadata"].get("annotations") or {}
    return (
        labels.MODEL in annotations
        and not going(pod)
        and bool(pod.get("status", {}).get("podIP"))
        and holds(pod, "ContainersReady")
        and not holds(pod, labels.COMPLETION)
    )


def workload_is_current(workload: Manifest) -> bool:
    """Whether all pods of a Deployment or StatefulSet are of its current spec, and ready."""
    status: Manifest = workload.get("status") or {}
    replicas = int(workload["spec"].get("replicas", 1))
    return (
        int(status.get("observedGeneration", 0)) >= int(workload["metadata"].get("generation", 0))
        and int(status.get("updatedReplicas", 0)) == replicas
        and int(status.get("readyReplicas", 0)) == replicas
        and int(status.get("replicas", 0)) == replicas
    )
