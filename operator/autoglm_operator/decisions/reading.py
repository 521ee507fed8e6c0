"""Parts of plain objects, typed: what is absent is empty.

Objects come from the API server as dicts; these few functions keep every `or {}` in one place. They
never change an object.
"""

from typing import Any, cast

Manifest = dict[str, Any]
"""An object as the API server gives it, or a part of one."""


def part(obj: Manifest | None, *path: str) -> Manifest:
    """The map at a path, empty when it or anything above it is absent."""
    found: Manifest = obj or {}
    for key in path:
        below = found.get(key)
        found = cast("Manifest", below) if isinstance(below, dict) else {}
    return found


def parts(obj: Manifest | None, *path: str) -> list[Manifest]:
    """The list of maps at a path, empty when it or anything above it is absent."""
    found = part(obj, *path[:-1]).get(path[-1])
    return cast("list[Manifest]", found) if isinstance(found, list) else []


def labels_of(obj: Manifest) -> dict[str, str]:
    """The labels of an object."""
    return part(obj, "metadata", "labels")


def uid_of(obj: Manifest) -> str:
    """The UID of an object."""
    return str(obj["metadata"]["uid"])


def name_of(obj: Manifest) -> str:
    """The name of an object."""
    return str(obj["metadata"]["name"])


def title(obj: Manifest) -> str:
    """Kind and name, for a sentence."""
    return f"{obj['kind']} {name_of(obj)}"


def is_terminating(obj: Manifest) -> bool:
    """Whether an object is being deleted."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def unobserved(obj: Manifest) -> bool:
    """Whether the object's controller has not yet looked at its newest spec."""
    seen = part(obj, "status").get("observedGeneration", 0)
    return bool(seen < obj["metadata"].get("generation", 0))


def condition(obj: Manifest, about: str) -> Manifest:
    """A condition of an object, empty if absent."""
    absent: Manifest = {}
    found = parts(obj, "status", "conditions")
    return next((each for each in found if each.get("type") == about), absent)


def is_ready(pod: Manifest) -> bool:
    """Whether a pod's condition Ready is True."""
    return condition(pod, "Ready").get("status") == "True"


def container_statuses(pod: Manifest) -> list[Manifest]:
    """Status of every init container and container of a pod."""
    return [
        *parts(pod, "status", "initContainerStatuses"),
        *parts(pod, "status", "containerStatuses"),
    ]


def restarts(pod: Manifest) -> int:
    """Restarts of all containers of a pod."""
    return sum(int(status.get("restartCount") or 0) for status in container_statuses(pod))
