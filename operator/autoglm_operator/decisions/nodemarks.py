"""Marks on a node: our own taint and cordon, and what others leave there.

Ours is the taint `autoglm.io/isolated`, whose value names the run, beside the annotation that every
lease has. Whoever else drains, reboots or removes a node is known by a taint, an annotation or a
label of theirs. Never changes a node.
"""

from typing import Any, Final

from autoglm_api import labels
from autoglm_operator.decisions.nodes import is_schedulable, taints
from autoglm_operator.decisions.reading import Manifest, labels_of, name_of, part

FIELD: Final = "spec.taints[autoglm.io/isolated]"
"""What the lease of an isolation calls the field that it changes."""
KEPT: Final = ".kept"
"""End of our taint's value on a node that somebody had cordoned before; the cordon is theirs."""

_REMOVED_BY: Final = {
    "ToBeDeletedByClusterAutoscaler": "the cluster autoscaler removes it",
    "karpenter.sh/disrupted": "Karpenter removes it",
    "karpenter.sh/disruption": "Karpenter removes it",
    "medik8s.io/drain": "the medik8s node maintenance operator drains it",
    "node.kubernetes.io/out-of-service": "somebody has declared it out of service",
}
"""Taints of others. Source: cluster-autoscaler's utils/taints, karpenter's apis/v1 and v1beta1,
node-maintenance-operator's controllers/taint.go, well-known taints of Kubernetes."""

_REBOOTED_BY: Final = {"weave.works/kured-reboot-in-progress": "Kured reboots it"}
"""Annotations of others. Source: Kured's --annotate-nodes."""

_EXCLUDED: Final = "remediation.medik8s.io/exclude-from-remediation"
"""Label by which people keep automation away from a node. Source: node-healthcheck-operator."""


def others_at_work(node: Manifest) -> str | None:
    """Who else is changing a node or asked to be left alone there; None if nobody."""
    for taint in taints(node):
        if taint.get("key") in _REMOVED_BY:
            return _said(node, _REMOVED_BY[str(taint["key"])])
    for annotation in part(node, "metadata", "annotations"):
        if annotation in _REBOOTED_BY:
            return _said(node, _REBOOTED_BY[annotation])
    marked = labels_of(node)
    if marked.get(_EXCLUDED) == labels.TRUE:
        return _said(node, f"its label {_EXCLUDED} keeps automation away")
    if marked.get(labels.HEALING) == labels.PAUSED:
        return _said(node, f"it is paused by its label {labels.HEALING}={labels.PAUSED}")
    return None


def own_taint(node: Manifest) -> str:
    """The value of our taint on a node, empty if it has none."""
    found = (str(each.get("value", "")) for each in taints(node) if is_ours(each))
    return next(found, "")


def taint_value(node: Manifest, run: str) -> str:
    """The value that our taint gets on a node as it is now."""
    return run if is_schedulable(node) else f"{run}{KEPT}"


def isolating(node: Manifest, mark: str) -> Manifest:
    """The change that cordons a node and sets our taint, on exactly this version of it."""
    ours: dict[str, Any] = {"key": labels.ISOLATED, "value": mark, "effect": "NoSchedule"}
    return _change(node, [*_others(node), ours], {"unschedulable": True})


def releasing(node: Manifest) -> Manifest:
    """The change that takes our taint and our cordon away, on exactly this version of a node.

    A cordon that was there before stays, and so does ours while somebody else removes or reboots
    the node: they rely on it by now.
    """
    keeps = own_taint(node).endswith(KEPT) or others_at_work(node) is not None
    return _change(node, _others(node), {} if keeps else {"unschedulable": None})


def _change(node: Manifest, wanted: list[Manifest], cordon: dict[str, Any]) -> Manifest:
    # The list of taints has no keys for a patch, so that it is replaced whole: the version makes
    # sure that nobody's taint of the meantime is lost.
    meta = {name: node["metadata"][name] for name in ("uid", "resourceVersion")}
    return {"metadata": meta, "spec": {"taints": wanted, **cordon}}


def _others(node: Manifest) -> list[Manifest]:
    return [each for each in taints(node) if not is_ours(each)]


def is_ours(taint: Manifest) -> bool:
    """Whether a taint is the mark of an isolation."""
    return taint.get("key") == labels.ISOLATED


def _said(node: Manifest, why: str) -> str:
    return f"Node {name_of(node)} is left alone for now: {why}."
