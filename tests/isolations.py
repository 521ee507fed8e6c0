"""Builds what the healer sees of a node that is to be isolated: three workers and what they run.

Exists so that a test of an isolation states only what it is about. Never talks to a cluster.
"""

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import episodes
from autoglm_api.healingevidence import Evidence
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import (
    DisplacedWorkload,
    Intent,
    IntentVerb,
    Isolation,
    ObjectRef,
    StepRecord,
)
from autoglm_operator.decisions import target
from autoglm_operator.decisions.healing import Fleet, Seen
from episodes import NOW, a_node, a_pod, a_policy, a_run, a_workload

Object = dict[str, Any]

POOL = {"pool": "gpu"}
ROOM: Object = {"cpu": "4", "memory": "8Gi", "pods": "110"}


def a_worker(name: str = "node1", **changes: Any) -> Object:  # noqa: ANN401 - any part of a node
    """A worker of the pool with room for pods, and what the test says otherwise."""
    built = a_node(name, **changes)
    built["metadata"].setdefault("resourceVersion", "7")
    built["status"]["allocatable"] = dict(ROOM)
    return built


def with_taints(node: Object, *taints: Object) -> Object:
    """A copy of a node with further taints."""
    built = copy.deepcopy(node)
    built["spec"].setdefault("taints", []).extend(taints)
    return built


def own_taint(run: str = "crash-1") -> Object:
    """Our mark."""
    return {"key": "autoglm.io/isolated", "value": run, "effect": "NoSchedule"}


def isolated(node: Object, run: str = "crash-1") -> Object:
    """A copy of a node that is cordoned and carries our taint."""
    built = with_taints(node, own_taint(run))
    built["spec"]["unschedulable"] = True
    return built


def on(node: str | None, pod: Object, cpu: str = "100m", **spec: Any) -> Object:  # noqa: ANN401 - any part of a pod's spec
    """A copy of a pod that runs on a node, or on none, and asks for this much."""
    built = copy.deepcopy(pod)
    place = {} if node is None else {"nodeName": node}
    resources = {"requests": {"cpu": cpu}}
    built["spec"] = {**place, "containers": [{"name": "main", "resources": resources}], **spec}
    return built


def terminating(pod: Object) -> Object:
    """A copy of a pod that is being deleted."""
    built = copy.deepcopy(pod)
    built["metadata"]["deletionTimestamp"] = episodes.stamp(NOW)
    return built


def web(node: str, name: str = "web-1", **changes: Any) -> Object:  # noqa: ANN401 - parts of a pod
    """A pod of Deployment web on a node."""
    return on(node, a_pod(name, **changes))


WEB = (web("node1"), web("node2", "web-2"))


def a_fleet(*nodes: Object, pods: tuple[Object, ...] = WEB, **changes: Any) -> Fleet:  # noqa: ANN401
    """Three workers that are well, the pods of Deployment web, and what the test says otherwise."""
    found = nodes or (a_worker(), a_worker("node2"), a_worker("node3"))
    return Fleet(nodes=found, pods=pods, workloads=changes.get("workloads", (a_workload(),)))


def a_step(level: str = "Drain", **options: object) -> LadderStep:
    """An isolation for which two of three healthy nodes are enough."""
    options = {"level": level, "minHealthy": 2, **options}
    return LadderStep.model_validate({"action": "IsolateNode", "isolateNode": options})


def a_node_policy(*steps: LadderStep, **spec: object) -> HealingPolicy:
    """A policy that isolates nodes of the pool."""
    return a_policy(
        target={"kind": "Node", "selector": {"matchLabels": POOL}},
        ladder=[step.as_json() for step in steps or (a_step(),)],
        **spec,
    )


def a_look(
    node: Object | None = None,
    fleet: Fleet | None = None,
    labels: dict[str, str] | None = None,
    **changes: Any,  # noqa: ANN401 - any field of Seen
) -> Seen:
    """A look at node1, which its run wants to isolate."""
    policy = a_node_policy()
    found = node or a_worker()
    others = fleet or a_fleet(found, a_worker("node2"), a_worker("node3"))
    seen = episodes.seen(
        a_run(policy=policy, labels={"node": "node1", **(labels or {})}),
        policy=policy,
        sighting=target.sighted([found]),
        trusted_namespaces=frozenset({"team-a"}),
        **changes,
    )
    return replace(seen, sighting=replace(seen.sighting, fleet=others))


def an_intent(
    verb: IntentVerb = IntentVerb.DRAIN,
    *displaced: str,
    mark: str = "crash-1",
    kind: str = "Deployment",
) -> Intent:
    """The isolation of node1 by run crash-1, which displaced these workloads."""
    return Intent(
        verb=verb,
        object=ObjectRef(api_version="v1", kind="Node", name="node1", uid="node-node1"),
        isolation=Isolation(
            mark=mark,
            displaced=tuple(
                DisplacedWorkload(kind=kind, namespace="team-a", name=each) for each in displaced
            ),
        ),
        deadline=NOW + timedelta(minutes=10) if verb is IntentVerb.DRAIN else None,
    )


def a_record(intent: Intent | None, **changes: object) -> StepRecord:
    """The journal's entry of an isolation that was just begun."""
    record = StepRecord(
        action=ActionName.ISOLATE_NODE, intent=intent, started_at=NOW, before=Evidence()
    )
    return record.model_copy(update=changes)


def with_condition(node: episodes.Object, about: str, status: str) -> episodes.Object:
    """The node, and what it says of one more condition."""
    node["status"]["conditions"].append({"type": about, "status": status})
    return node
