"""Whether the pods of one node would find room on others.

An estimate of what the scheduler would find, made before a node is emptied: requests, taints, node
selectors and required node affinity count. Affinity between pods, spread constraints and the place
of volumes do not, so that verification has the last word. Never looks anything up.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from autoglm_operator.decisions import capacity, selection
from autoglm_operator.decisions.capacity import Amounts
from autoglm_operator.decisions.nodes import is_well
from autoglm_operator.decisions.reading import Manifest, labels_of, name_of, part, parts


def admits(node: Manifest, pod: Manifest) -> bool:
    """Whether a node that is well would let a pod in, room aside."""
    spec = part(pod, "spec")
    return is_well(node) and capacity.takes(node, spec) and _has_affinity(node, spec)


def homeless(
    pods: Iterable[Manifest], nodes: Iterable[Manifest], everywhere: Iterable[Manifest]
) -> list[Manifest]:
    """The pods for which no room is left once the larger ones have taken theirs.

    Args:
        pods: The pods that would have to move.
        nodes: The nodes to which they could.
        everywhere: All pods, wherever they are.
    """
    by_node: dict[str, list[Manifest]] = {}
    for pod in everywhere:
        by_node.setdefault(str(part(pod, "spec").get("nodeName", "")), []).append(pod)
    standby = list(nodes)
    left = {name_of(node): capacity.free(node, by_node.get(name_of(node), [])) for node in standby}
    return [pod for pod in sorted(pods, key=_size, reverse=True) if not _place(pod, standby, left)]


def _place(pod: Manifest, nodes: Sequence[Manifest], left: dict[str, Amounts]) -> bool:
    """Take the first room that a pod fits in."""
    asked = capacity.requested(part(pod, "spec"))
    for node in nodes:
        room = left[name_of(node)]
        fits = all(value <= room.get(key, Decimal()) for key, value in asked.items())
        if fits and admits(node, pod):
            left[name_of(node)] = {key: room[key] - asked.get(key, Decimal()) for key in room}
            return True
    return False


def _size(pod: Manifest) -> tuple[Decimal, Decimal, Decimal]:
    """What makes a pod hard to place: devices first, then memory, then CPU."""
    asked = capacity.requested(part(pod, "spec"))
    devices = sum((value for key, value in asked.items() if "/" in key), Decimal())
    return devices, asked.get("memory", Decimal()), asked.get("cpu", Decimal())


def _has_affinity(node: Manifest, spec: Manifest) -> bool:
    required = part(
        spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"
    )
    terms = parts(required, "nodeSelectorTerms")
    return not required or any(_fits_term(term, node) for term in terms)


def _fits_term(term: Manifest, node: Manifest) -> bool:
    labels, fields = labels_of(node), {"metadata.name": name_of(node)}
    expressions, of_fields = parts(term, "matchExpressions"), parts(term, "matchFields")
    # A term that says nothing fits nothing, as the scheduler has it.
    return bool(expressions or of_fields) and (
        all(selection.meets(each, labels) for each in expressions)
        and all(selection.meets(each, fields) for each in of_fields)
    )
