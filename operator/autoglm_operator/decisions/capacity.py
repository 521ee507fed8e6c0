"""How many more pods of a kind nodes and quotas have room for.

An estimate before an action, by requests alone: affinity, topology and volumes are the scheduler's
business, and what does not come up is seen afterwards. Never looks anything up.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from autoglm_operator.decisions.quantities import amount
from autoglm_operator.decisions.reading import (
    Manifest,
    condition,
    labels_of,
    name_of,
    part,
    parts,
)

PODS: Final = "pods"
"""The resource of which every pod takes one."""
ENOUGH: Final = 10_000
"""Room that counts as unlimited. Source: the largest `maxReplicas` of a ScaleOut."""
_ENDED: Final = ("Succeeded", "Failed")
_CHARGED: Final = {"cpu": "requests.cpu", "memory": "requests.memory"}
"""Keys of a quota that mean the same. Source: the resource names of ResourceQuota."""

Amounts = dict[str, Decimal]


def requested(spec: Manifest, what: str = "requests") -> Amounts:
    """What a pod of this spec asks for: the sum of its containers, or its largest init container.

    Args:
        spec: The pod's spec, or that of a template.
        what: `requests`, for which a limit stands in where none is written, or `limits`.
    """
    steady, starting = Amounts(), Amounts()
    for container in parts(spec, "containers"):
        _add(steady, _of(container, what))
    for container in parts(spec, "initContainers"):
        if container.get("restartPolicy") == "Always":
            _add(steady, _of(container, what))
        else:
            for key, value in _of(container, what).items():
                starting[key] = max(starting.get(key, Decimal()), value)
    both = {**starting, **steady}
    wanted = {key: max(steady.get(key, Decimal()), starting.get(key, Decimal())) for key in both}
    _add(wanted, {key: amount(value) for key, value in part(spec, "overhead").items()})
    wanted[PODS] = Decimal(1)
    return wanted


def node_room(nodes: Iterable[Manifest], pods: Iterable[Manifest], spec: Manifest) -> int:
    """How many more pods of this spec fit on the nodes that take them.

    Args:
        nodes: All nodes.
        pods: All pods of the cluster.
        spec: The spec of the new pods.
    """
    by_node: dict[str, list[Manifest]] = {}
    for pod in pods:
        by_node.setdefault(str(part(pod, "spec").get("nodeName", "")), []).append(pod)
    wanted = requested(spec)
    return sum(
        _times(free(node, by_node.get(name_of(node), ())), wanted)
        for node in nodes
        if takes(node, spec)
    )


def free(node: Manifest, pods: Sequence[Manifest]) -> Amounts:
    """What the pods of a node leave of what it can allocate."""
    left = {key: amount(value) for key, value in part(node, "status", "allocatable").items()}
    for pod in pods:
        if part(pod, "status").get("phase") in _ENDED:
            continue
        for key, value in requested(part(pod, "spec")).items():
            left[key] = left.get(key, Decimal()) - value
    return left


def takes(node: Manifest, spec: Manifest) -> bool:
    """Whether a ready node would let pods of this spec in, room aside."""
    if part(node, "spec").get("unschedulable") or condition(node, "Ready").get("status") != "True":
        return False
    wanted = part(spec, "nodeSelector")
    if any(labels_of(node).get(key) != value for key, value in wanted.items()):
        return False
    tolerations = parts(spec, "tolerations")
    taints = parts(node, "spec", "taints")
    return all(
        taint.get("effect") == "PreferNoSchedule"
        or any(_tolerates(each, taint) for each in tolerations)
        for taint in taints
    )


def quota_room(quotas: Iterable[Manifest], spec: Manifest) -> tuple[int, str]:
    """How many more pods of this spec the quotas allow, and the name of the tightest one.

    Quotas with scopes are left out: which pods they count is the API server's business.
    """
    requests, limits = requested(spec), requested(spec, "limits")
    limits.pop(PODS)
    asked = {
        **requests,
        "count/pods": Decimal(1),
        **{_CHARGED[key]: value for key, value in requests.items() if key in _CHARGED},
        **{f"limits.{key}": value for key, value in limits.items()},
    }
    rooms = [(ENOUGH, "")]
    for quota in quotas:
        if part(quota, "spec").get("scopes") or part(quota, "spec", "scopeSelector"):
            continue
        used = part(quota, "status", "used")
        left = {
            key: amount(hard) - amount(used.get(key, 0))
            for key, hard in part(quota, "status", "hard").items()
        }
        rooms.append((_times(left, {k: v for k, v in asked.items() if k in left}), name_of(quota)))
    return min(rooms)


def _of(container: Manifest, what: str) -> Amounts:
    limits = part(container, "resources", "limits")
    found = limits if what == "limits" else {**limits, **part(container, "resources", what)}
    return {key: amount(value) for key, value in found.items()}


def _add(total: Amounts, more: Amounts) -> None:
    for key, value in more.items():
        total[key] = total.get(key, Decimal()) + value


def _times(left: Amounts, wanted: Amounts) -> int:
    counts = [int(left.get(key, Decimal()) // value) for key, value in wanted.items() if value > 0]
    return max(min(counts, default=ENOUGH), 0)


def _tolerates(toleration: Manifest, taint: Manifest) -> bool:
    """Source: ToleratesTaint in k8s.io/api/core/v1."""
    effect, key = toleration.get("effect"), toleration.get("key")
    if effect and effect != taint.get("effect"):
        return False
    if key and key != taint.get("key"):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(key) and toleration.get("value", "") == taint.get("value", "")
