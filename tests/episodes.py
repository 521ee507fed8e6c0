"""Builds what the healer sees: runs, policies, pods and workloads, healthy unless said otherwise.

Exists so that a test of a healing decision states only what it is about. Never talks to a cluster.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from autoglm_api.healingladder import ActionName
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import HealingRun, HealingRunStatus
from autoglm_operator.actions.restart import Restart
from autoglm_operator.decisions import target
from autoglm_operator.decisions.healing import Actions, OtherRun, Pauses, Seen, Sighting

Object = dict[str, Any]

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""When the run of these tests was created."""
FIRED = NOW - timedelta(minutes=1)
OLDER = NOW - timedelta(hours=1)

ACTIONS: Actions = {ActionName.RESTART: Restart()}

RESTART_POD: Object = {"action": "Restart", "restart": {"scope": "Pod"}}
RESTART_WORKLOAD: Object = {"action": "Restart", "restart": {"scope": "Workload"}}


def stamp(moment: datetime) -> str:
    """A moment as the API server writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def owned_by(owner: Object) -> list[Object]:
    """The owner reference of a controller."""
    return [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
    ]


def an_object(api_version: str, kind: str, name: str, **meta: object) -> Object:
    """An object that is older than the alert; its UID is made of kind and name."""
    metadata: Object = {
        "name": name,
        "namespace": "team-a",
        "uid": f"{kind}-{name}".lower(),
        "generation": 1,
        "creationTimestamp": stamp(OLDER),
        "labels": {"app": "web"},
        **meta,
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def a_workload(kind: str = "Deployment", *, replicas: int = 2, **status: object) -> Object:
    """A workload whose pods are all available, and what its status says otherwise."""
    counts: Object = {
        "observedGeneration": 1,
        "replicas": replicas,
        "updatedReplicas": replicas,
        "availableReplicas": replicas,
    }
    if kind == "DaemonSet":
        counts = {
            "observedGeneration": 1,
            "desiredNumberScheduled": replicas,
            "updatedNumberScheduled": replicas,
            "numberAvailable": replicas,
        }
    built = an_object("apps/v1", kind, "web")
    built["spec"] = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {}},
    }
    built["status"] = counts | status
    return built


def a_replica_set(owner: Object | None = None, **meta: object) -> Object:
    """The ReplicaSet between a Deployment and its pods."""
    built = an_object("apps/v1", "ReplicaSet", "web-7d9f", **meta)
    built["metadata"]["ownerReferences"] = owned_by(owner or a_workload())
    built["spec"] = {"replicas": 2}
    return built


def a_pod(
    name: str = "web-1",
    *,
    ready: bool = True,
    restarts: int = 0,
    owner: Object | None = None,
    **meta: object,
) -> Object:
    """A pod of the ReplicaSet, or of another owner."""
    built = an_object("v1", "Pod", name, **meta)
    built["metadata"].setdefault("ownerReferences", owned_by(owner or a_replica_set()))
    built["status"] = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": [{"name": "main", "restartCount": restarts}],
    }
    return built


def a_node(
    name: str = "node1",
    *,
    ready: bool = True,
    unschedulable: bool = False,
    addresses: Sequence[str] = (),
    **meta: object,
) -> Object:
    """A worker that is ready, with these addresses besides its name."""
    built = an_object("v1", "Node", name, **{"labels": {"pool": "gpu"}, **meta})
    del built["metadata"]["namespace"]
    built["spec"] = {"unschedulable": True} if unschedulable else {}
    built["status"] = {
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "addresses": [{"type": "InternalIP", "address": each} for each in addresses],
    }
    return built


def a_claim(name: str = "data-store-0", **meta: object) -> Object:
    """A bound claim of 1Gi."""
    built = an_object("v1", "PersistentVolumeClaim", name, **meta)
    built["spec"] = {
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    built["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    return built


def a_sighting(
    pod: Object | None = None,
    *,
    workload: Object | None = None,
    pods: tuple[Object, ...] | None = None,
    revisions: tuple[Object, ...] = (),
) -> Sighting:
    """A look at a crashing pod of a Deployment, and what the test sees otherwise."""
    found = workload or a_workload()
    middle = a_replica_set(found)
    bottom = pod or a_pod(ready=False, restarts=5)
    seen = target.sighted([bottom, middle, found])
    return replace(
        seen,
        pods=(bottom, a_pod("web-2")) if pods is None else pods,
        revisions=revisions or (middle,),
    )


def a_policy(**spec: object) -> HealingPolicy:
    """An enforcing policy for all pods labelled app=web, and what the test replaces."""
    return HealingPolicy.read(
        {
            "metadata": {"name": "crash", "namespace": "team-a", "uid": "p-1", "generation": 3},
            "spec": {
                "mode": "Enforce",
                "alerts": [{"matchers": [{"name": "alertname", "value": "Crash"}]}],
                "target": {"kind": "Workload", "selector": {"matchLabels": {"app": "web"}}},
                "ladder": [RESTART_POD, RESTART_WORKLOAD],
                "verify": {"stabilization": "60s", "timeout": "5m"},
                "guards": {"cooldown": "10m", "maxWait": "1h"},
                **copy.deepcopy(spec),
            },
        }
    )


def a_run(
    status: HealingRunStatus | None = None,
    *,
    name: str = "crash-1",
    labels: dict[str, str] | None = None,
    policy: HealingPolicy | None = None,
    source: str = "Alertmanager",
) -> HealingRun:
    """A run that was just created for pod web-1."""
    copied = (policy or a_policy()).spec.as_json()
    run = HealingRun.read(
        {
            "metadata": {
                "name": name,
                "namespace": "team-a",
                "uid": f"run-{name}",
                "resourceVersion": "1",
                "creationTimestamp": stamp(NOW),
            },
            "spec": {
                "policy": {
                    "name": "crash",
                    "uid": "p-1",
                    "generation": 3,
                    **{key: copied[key] for key in ("mode", "target", "ladder", "verify")},
                },
                "alert": {
                    "name": "Crash",
                    "fingerprint": "a1b2",
                    "startsAt": stamp(FIRED),
                    "labels": {"namespace": "team-a", "pod": "web-1"} if labels is None else labels,
                    "source": source,
                },
            },
        }
    )
    return run if status is None else run.model_copy(update={"status": status})


def seen(
    run: HealingRun | None = None,
    *,
    sighting: Sighting | None = None,
    policy: HealingPolicy | None = None,
    **changes: Any,  # noqa: ANN401 - any field of Seen
) -> Seen:
    """One look in which nothing stands against an action, and what the test sees otherwise."""
    live = policy or a_policy()
    base = Seen(
        run=run or a_run(policy=live),
        policy=live,
        sighting=a_sighting() if sighting is None else sighting,
        pauses=Pauses(),
    )
    return replace(base, **changes)


def another_run(**changes: Any) -> OtherRun:  # noqa: ANN401 - any field of OtherRun
    """An ended run for the same target that never acted."""
    base = OtherRun(
        name="crash-0",
        created=stamp(OLDER),
        policy_uid="p-1",
        is_open=False,
        begun=False,
        acted_at=None,
    )
    return replace(base, **changes)
