"""What a status says, in one word.

Exists so that tests and their messages read alike. Pure: takes objects, never fetches them.
"""

from typing import cast

from kubeconfig import Object


def condition(obj: Object | None, kind: str) -> str:
    """Return the status of a condition, "Absent" when it or the object is missing."""
    conditions = cast("list[Object]", _status(obj).get("conditions") or [])
    return next((str(entry["status"]) for entry in conditions if entry["type"] == kind), "Absent")


def is_ready(obj: Object | None) -> bool:
    """Tell whether a pod or node is Ready and not being deleted."""
    return (
        obj is not None
        and condition(obj, "Ready") == "True"
        and "deletionTimestamp" not in obj["metadata"]
    )


def is_available(workload: Object | None) -> bool:
    """Tell whether every wanted replica of the current spec of a Deployment is available."""
    if workload is None:
        return False
    status = _status(workload)
    wanted = workload["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
    )


def phase(obj: Object | None) -> str:
    """Return the phase of a pod, claim or namespace, "Absent" when there is none."""
    return str(_status(obj).get("phase", "Absent"))


def taints(node: Object | None) -> set[str]:
    """Return the keys of a node's taints."""
    return {taint["key"] for taint in node["spec"].get("taints", [])} if node else set()


def _status(obj: Object | None) -> Object:
    return cast("Object", obj.get("status", {})) if obj else {}
