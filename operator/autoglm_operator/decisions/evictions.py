"""Which pods leave a node that is drained, which stay, and which are in the way.

What `kubectl drain` does by default, except that nothing is ever deleted directly. Never looks
anything up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from autoglm_api import kinds
from autoglm_api.healingrun import Isolation
from autoglm_operator.decisions import target
from autoglm_operator.decisions.reading import Manifest, is_terminating, name_of, part, parts
from autoglm_operator.decisions.restart import MIRROR

AT_ONCE: Final = 5
"""Pods that may be leaving a node at the same time. Arbitrary, because other nodes start as many
with ease."""
AT_ONCE_WHEN_DOWN: Final = 20
"""Pods of a node that does not answer which are evicted in one round: they serve nobody any more.
Arbitrary, because it keeps a round short."""
SEVERAL_BUDGETS: Final = "more than one PodDisruptionBudget"
"""Part of the answer 500 that no repetition changes. Source: pkg/registry/core/pod/storage of
Kubernetes."""

_FINISHED: Final = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Blocker:
    """A pod that a drain may not evict, and why."""

    pod: str
    """Namespace and name."""
    why: str


def of_node(pods: Iterable[Manifest], node: str) -> list[Manifest]:
    """The pods of a node that have not finished, by namespace and name."""
    found = (
        pod
        for pod in pods
        if part(pod, "spec").get("nodeName") == node
        and part(pod, "status").get("phase") not in _FINISHED
    )
    return sorted(found, key=full_name)


def full_name(pod: Manifest) -> str:
    """Namespace and name, for a sentence."""
    return f"{pod['metadata'].get('namespace', '')}/{name_of(pod)}"


def stays(pod: Manifest) -> bool:
    """Whether a drain leaves a pod alone, because its node or a DaemonSet would make it anew."""
    owner = target.controller_ref(pod)
    of_the_node = owner is not None and owner["kind"] in (
        kinds.NODE.kind,
        kinds.DAEMON_SET.kind,
    )
    return of_the_node or MIRROR in part(pod, "metadata", "annotations")


def movable(pods: Iterable[Manifest]) -> list[Manifest]:
    """The pods of a node that an isolation displaces and that do not leave already."""
    return [pod for pod in pods if not stays(pod) and not is_terminating(pod)]


def leaving(pods: Iterable[Manifest]) -> list[Manifest]:
    """The pods of a node that are being deleted."""
    return [pod for pod in pods if not stays(pod) and is_terminating(pod)]


def blockers(pods: Iterable[Manifest], isolation: Isolation) -> list[Blocker]:
    """The pods that would be lost by their eviction, which the policy does not allow."""
    found: list[Blocker] = []
    for pod in movable(pods):
        if target.controller_ref(pod) is None and not isolation.evict_bare_pods:
            found.append(Blocker(full_name(pod), "nobody would make it anew (evictBarePods)"))
        elif _has_local_data(pod) and not isolation.evict_local_data:
            found.append(Blocker(full_name(pod), "its emptyDir would be lost (evictLocalData)"))
    return found


def candidates(pods: Iterable[Manifest], isolation: Isolation) -> list[Manifest]:
    """The pods that may be evicted."""
    present = list(pods)
    kept = {blocker.pod for blocker in blockers(present, isolation)}
    return [pod for pod in movable(present) if full_name(pod) not in kept]


def room(pods: Iterable[Manifest], *, reachable: bool) -> int:
    """How many more pods may leave now, so that only a few do at once.

    Args:
        pods: The pods of the node.
        reachable: Whether its kubelet answers; if not, nobody sees pods leave, so none is awaited.
    """
    return max(AT_ONCE - len(leaving(pods)), 0) if reachable else AT_ONCE_WHEN_DOWN


def grace(pod: Manifest) -> int | None:
    """Seconds of grace to ask for when a pod is evicted; None for its own.

    A pod with none leaves the API at once, and of a node that does not answer it may run on beside
    its successor. With a second it stays until its kubelet says that it has ended.
    """
    return 1 if part(pod, "spec").get("terminationGracePeriodSeconds") == 0 else None


def _has_local_data(pod: Manifest) -> bool:
    volumes = parts(pod, "spec", "volumes")
    return any(
        "emptyDir" in volume and part(volume, "emptyDir").get("medium") != "Memory"
        for volume in volumes
    )
