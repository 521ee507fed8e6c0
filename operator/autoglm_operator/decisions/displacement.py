"""Whether what an isolated node ran is Available elsewhere.

The workloads that an isolation displaces are named in its intent, for their pods are gone from the
node by the time that it counts. Missing data is never health. Never looks anything up.
"""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from autoglm_api import kinds
from autoglm_api.healingevidence import Evidence, NodeEvidence
from autoglm_api.healingrun import (
    IntentVerb,
    Isolation,
    StepRecord,
)
from autoglm_operator.decisions import (
    capacity,
    evictions,
    isolation,
    nodemarks,
    nodes,
    selection,
    target,
)
from autoglm_operator.decisions.healing import Fleet, Health, Seen
from autoglm_operator.decisions.reading import (
    Manifest,
    condition,
    is_ready,
    is_terminating,
    labels_of,
    name_of,
    part,
    title,
    unobserved,
)

_OF_THE_CONTROL_PLANE: Final = "node.kubernetes.io/"
"""Beginning of the taints that Kubernetes sets by itself, such as for a cordon."""


def health(seen: Seen, step: StepRecord | None) -> Health:
    """Judge an isolation by its node, by the workloads it displaced and by pods left waiting."""
    node, fleet = seen.sighting.node, seen.sighting.fleet
    if node is None or fleet is None:
        return Health(healthy=False, message="The node does not exist.", evidence=None)
    known = step.intent.isolation if step is not None and step.intent is not None else None
    if step is None or known is None:
        return Health(
            healthy=False,
            message=f"{title(node)} is not isolated.",
            evidence=_evidence(node, fleet, None),
        )
    problem = _problem(node, fleet, step, known)
    if problem is not None:
        return Health(healthy=False, message=problem, evidence=_evidence(node, fleet, None))
    seconds = _recovery_seconds(step) if known.displaced else None
    return Health(
        healthy=True,
        message=_success(node, known, seconds),
        evidence=_evidence(node, fleet, seconds),
    )


def problem_elsewhere(workload: Manifest, pods: Iterable[Manifest], node: str) -> str | None:
    """What is missing of a workload away from a node, None if nothing is."""
    spec = part(workload, "spec")
    desired = int(spec.get("replicas", 1))
    ready = sum(
        selection.selects(part(spec, "selector"), labels_of(pod)) and is_ready(pod)
        for pod in pods
        if pod["metadata"].get("namespace") == workload["metadata"].get("namespace")
        and part(pod, "spec").get("nodeName") != node
        and not is_terminating(pod)
    )
    available = int(part(workload, "status").get("availableReplicas", 0))
    # A controller's own count lags behind evictions, and Ready pods may not be Available yet.
    count = min(ready, available)
    if count >= desired and not unobserved(workload):
        return None
    name = f"{workload['kind']} {evictions.full_name(workload)}"
    return f"{name} has {min(count, desired)} of {desired} pods Available away from node {node}"


def _problem(node: Manifest, fleet: Fleet, step: StepRecord, known: Isolation) -> str | None:
    name = name_of(node)
    if nodemarks.own_taint(node) != known.mark:
        return f"{title(node)} does not carry our mark any more: somebody else took it away."
    present = evictions.of_node(fleet.pods, name)
    drains = step.intent is not None and step.intent.verb is IntentVerb.DRAIN
    if drains and evictions.movable(present):
        left = isolation.listed([evictions.full_name(pod) for pod in evictions.movable(present)])
        return f"{title(node)} still runs {left}."
    wanted = {(each.kind, each.namespace, each.name) for each in known.displaced}
    missing = [
        problem
        for workload in fleet.workloads
        if (workload["kind"], workload["metadata"]["namespace"], name_of(workload)) in wanted
        and (problem := problem_elsewhere(workload, fleet.pods, name)) is not None
    ]
    if missing:
        return f"{isolation.listed(missing)}.{_stuck(node, present)}"
    waiting = _left_waiting(node, fleet, step.started_at)
    if waiting:
        return f"No other node takes {isolation.listed(waiting)}, which {title(node)} would take."
    return None


def _stuck(node: Manifest, present: list[Manifest]) -> str:
    """What a person must do about members of StatefulSets on a node that does not answer.

    A member is never made twice: its successor waits until the API server knows that it is gone,
    and only a person can know that of a node that is cut off.
    """
    members = [
        f"pod {evictions.full_name(pod)}"
        for pod in evictions.leaving(present)
        if (target.controller_ref(pod) or {}).get("kind") == kinds.STATEFUL_SET.kind
    ]
    if nodes.is_ready(node) or not members:
        return ""
    return (
        f" {title(node)} does not answer, and {isolation.listed(members)} of a StatefulSet must"
        " not run twice: make sure that the machine is off, then delete with"
        " kubectl delete pod --force, or taint the node node.kubernetes.io/out-of-service."
    )


def _left_waiting(node: Manifest, fleet: Fleet, since: datetime) -> list[str]:
    """Pods that no node has taken since, though the isolated one would if it were not isolated.

    A node that is not well takes nothing anyway.
    """
    if not nodes.is_well(node):
        return []
    spec, whole = part(node, "spec"), since.replace(microsecond=0)
    kept = [
        taint
        for taint in nodes.taints(node)
        if not nodemarks.is_ours(taint)
        and not str(taint.get("key", "")).startswith(_OF_THE_CONTROL_PLANE)
    ]
    open_again = {**node, "spec": {**spec, "unschedulable": False, "taints": kept}}
    return [
        f"pod {evictions.full_name(pod)}"
        for pod in fleet.pods
        if not part(pod, "spec").get("nodeName")
        and not is_terminating(pod)
        and condition(pod, "PodScheduled").get("status") == "False"
        and datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) >= whole
        and capacity.takes(open_again, part(pod, "spec"))
    ]


def _recovery_seconds(step: StepRecord) -> int | None:
    if step.healthy_since is None:
        return None
    return math.ceil((step.healthy_since - step.started_at).total_seconds())


def _success(node: Manifest, known: Isolation, seconds: int | None) -> str:
    if not known.displaced:
        return f"{title(node)} is isolated; no workload had to move."
    after = "" if seconds is None else f" {seconds} s after the isolation began"
    return (
        f"{title(node)} is isolated, and what it ran of {len(known.displaced)} workloads is"
        f" Available elsewhere{after}."
    )


def _evidence(node: Manifest, fleet: Fleet, seconds: int | None) -> Evidence:
    on_node = evictions.of_node(fleet.pods, name_of(node))
    return Evidence(
        node=NodeEvidence(
            ready=nodes.is_ready(node),
            schedulable=nodes.is_schedulable(node),
            pods=len(evictions.movable(on_node)),
            recovery_seconds=seconds,
        )
    )
