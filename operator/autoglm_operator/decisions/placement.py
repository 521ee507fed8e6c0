"""Whether the pods of one node would find room on others.

A careful estimate of what the scheduler would find, made before a node is emptied: requests, taints,
node selectors and required node affinity count. Affinity between pods, spread constraints and the
place of volumes do not, so that verification has the last word. Never looks anything up.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from autoglm_operator.decisions import quantities, selection
from autoglm_operator.decisions.nodes import is_schedulable, is_well, taints
from autoglm_operator.decisions.quantities import Amounts
from autoglm_operator.decisions.reading import Manifest, labels_of, name_of, part, parts

_KEEPS_OUT: Final = ("NoSchedule", "NoExecute")
_FINISHED: Final = ("Succeeded", "Failed")


def takes_pods(node: Manifest) -> bool:
    """Whether a node is well and not cordoned, so that it could take pods."""
    return is_well(node) and is_schedulable(node)


def admits(node: Manifest, pod: Manifest) -> bool:
    """Whether a node's labels and taints would let a pod in, room aside."""
    return _is_wanted(node, pod) and all(
        any(_tolerates(each, taint) for each in parts(pod, "spec", "tolerations"))
        for taint in taints(node)
        if taint.get("effect") in _KEEPS_OUT
    )


def homeless(
    pods: Iterable[Manifest], nodes: Iterable[Manifest], everywhere: Iterable[Manifest]
) -> list[Manifest]:
    """The pods for which no room is left once the larger ones have taken theirs.

    Args:
        pods: The pods that would have to move.
        nodes: The other nodes; those that take no pods do not count.
        everywhere: All pods, wherever they are.
    """
    standby = [node for node in nodes if takes_pods(node)]
    left = {name_of(node): quantities.free(node, _of(node, everywhere)) for node in standby}
    without: list[Manifest] = []
    for pod in sorted(pods, key=_size, reverse=True):
        if not _place(pod, standby, left):
            without.append(pod)
    return without


def _place(pod: Manifest, nodes: Sequence[Manifest], left: dict[str, Amounts]) -> bool:
    asked = quantities.requests(pod)
    for node in nodes:
        name = name_of(node)
        if admits(node, pod) and quantities.fits(asked, left[name]):
            left[name] = quantities.minus(left[name], asked)
            return True
    return False


def _of(node: Manifest, pods: Iterable[Manifest]) -> list[Manifest]:
    return [
        pod
        for pod in pods
        if part(pod, "spec").get("nodeName") == name_of(node)
        and part(pod, "status").get("phase") not in _FINISHED
    ]


def _size(pod: Manifest) -> tuple[float, ...]:
    """What makes a pod hard to place: rare resources first, then memory, then CPU."""
    asked = quantities.requests(pod)
    rare = sum(amount for name, amount in asked.items() if "/" in name)
    return (float(rare), float(asked.get("memory", 0)), float(asked.get("cpu", 0)))


def _is_wanted(node: Manifest, pod: Manifest) -> bool:
    labels = labels_of(node)
    wanted: Mapping[str, str] = part(pod, "spec", "nodeSelector")
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    required = part(
        pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"
    )
    terms = parts(required, "nodeSelectorTerms")
    return not required or any(_fits_term(term, node) for term in terms)


def _fits_term(term: Manifest, node: Manifest) -> bool:
    labels, fields = labels_of(node), {"metadata.name": name_of(node)}
    expressions = parts(term, "matchExpressions")
    of_fields = parts(term, "matchFields")
    # A term that says nothing fits nothing, as the scheduler has it.
    return bool(expressions or of_fields) and (
        all(selection.meets(each, labels) for each in expressions)
        and all(selection.meets(each, fields) for each in of_fields)
    )


def _tolerates(toleration: Manifest, taint: Manifest) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    key = toleration.get("key")
    if toleration.get("operator") == "Exists":
        return key in (None, "", taint.get("key"))
    return key == taint.get("key") and (toleration.get("value") or "") == (taint.get("value") or "")
