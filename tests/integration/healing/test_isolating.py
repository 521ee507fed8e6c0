"""From a stored run to an isolated node and back: once, by whoever may, and only our own marks."""

from collections.abc import Generator

import pytest

from healing_objects import SOON, MakeProcess
from healing_processes import HealingProcess, running
from kube import Kube
from kubeconfig import Object
from node_scenes import LEASES, NodeScene
from played_fleet import a_placed_statefulset
from statuses import is_available
from timeline import Timeline, between


@pytest.fixture
def process(make_process: MakeProcess, namespace: str) -> HealingProcess:
    """A healer that may act on nodes for policies of the test's namespace."""
    return make_process("healer", node_healing="true", trusted_namespaces=namespace)


@pytest.fixture
def acting(process: HealingProcess) -> Generator[HealingProcess]:
    """That healer, running."""
    with running(process):
        yield process


@pytest.mark.usefixtures("acting")
def test_a_drained_nodes_pods_are_available_elsewhere_and_it_returns_with_its_policy(
    nodes: NodeScene, kube: Kube
) -> None:
    node = nodes.fleet.busy()
    moved = {pod["metadata"]["name"] for pod in nodes.fleet.pods(node)}
    policy = nodes.policy()
    nodes.scene.wants_accepted()

    run = nodes.start(policy, node)

    nodes.wants_isolated(run, node)
    step = nodes.step(run)
    assert nodes.evicted() == dict.fromkeys(moved, 1)
    assert nodes.fleet.pods(node) == []
    assert is_available(kube.get("Deployment", "web", nodes.scene.namespace))
    assert (step["before"]["node"]["pods"], step["after"]["node"]["pods"]) == (len(moved), 0)
    nodes.scene.timeline.note(
        f"Available elsewhere after {step['after']['node']['recoverySeconds']} s"
    )

    nodes.deletes_policy()

    nodes.wants_undone(run, node)
    assert (nodes.fleet.taint(node), nodes.fleet.is_cordoned(node)) == ("", False)


@pytest.mark.usefixtures("acting")
def test_a_node_returns_once_it_was_well_for_the_delay_and_not_while_it_flaps(
    nodes: NodeScene,
) -> None:
    node = nodes.fleet.busy()
    nodes.fleet.crash(node)
    run = nodes.start(nodes.policy("Quarantine", healthyDelay="20s"), node)
    nodes.scene.timeline.want(SOON, "it is isolated", lambda: nodes.fleet.taint(node) == run)
    # Whatever ran there has to come up elsewhere before the quarantine has helped.
    for pod in nodes.fleet.pods(node):
        kill_pod(nodes, pod)
    nodes.wants_isolated(run, node)

    for _ in range(2):
        nodes.fleet.recover(node)
        nodes.scene.timeline.stays(8, "it stays isolated", lambda: nodes.fleet.is_cordoned(node))
        nodes.fleet.crash(node)
        nodes.scene.timeline.stays(2, "it stays isolated", lambda: nodes.fleet.is_cordoned(node))
    nodes.fleet.recover(node)

    nodes.scene.timeline.want(
        between(10, 90), "it returns", lambda: not nodes.fleet.is_cordoned(node)
    )
    nodes.wants_undone(run, node)


def kill_pod(nodes: NodeScene, pod: Object) -> None:
    """Delete a pod as the control plane does once a node was away for long."""
    path = f"/api/v1/namespaces/{nodes.scene.namespace}/pods/{pod['metadata']['name']}"
    nodes.scene.kube.call("DELETE", path, {"gracePeriodSeconds": 0})


@pytest.mark.usefixtures("acting")
def test_an_isolation_ends_when_it_expires_though_the_node_is_down(nodes: NodeScene) -> None:
    node = nodes.fleet.busy()
    nodes.fleet.crash(node)

    run = nodes.start(nodes.policy(expiresAfter="1m"), node)

    nodes.wants_isolated(run, node)
    nodes.scene.timeline.want(
        between(20, 150), "it ends", lambda: not nodes.fleet.is_cordoned(node)
    )
    nodes.wants_undone(run, node)
    assert nodes.fleet.taint(node) == ""


@pytest.mark.usefixtures("acting")
def test_a_humans_cordon_is_kept(nodes: NodeScene, kube: Kube) -> None:
    node = nodes.fleet.busy()
    kube.patch("Node", node, None, {"spec": {"unschedulable": True}})

    run = nodes.start(nodes.policy("Quarantine"), node)

    nodes.scene.wants_phase(run, "Succeeded")
    assert nodes.fleet.taint(node) == f"{run}.kept"
    kube.delete("HealingPolicy", "crash", nodes.scene.namespace)
    nodes.wants_undone(run, node)
    assert (nodes.fleet.taint(node), nodes.fleet.is_cordoned(node)) == ("", True)


@pytest.mark.usefixtures("acting")
def test_what_a_human_took_over_is_left_alone(nodes: NodeScene, kube: Kube) -> None:
    node = nodes.fleet.busy()
    run = nodes.start(nodes.policy("Quarantine"), node)
    nodes.wants_isolated(run, node)
    others = [
        each
        for each in nodes.fleet.node(node)["spec"]["taints"]
        if each["key"] != "autoglm.io/isolated"
    ]
    kube.patch("Node", node, None, {"spec": {"taints": others}})

    kube.delete("HealingPolicy", "crash", nodes.scene.namespace)

    nodes.wants_undone(run, node)
    assert nodes.fleet.is_cordoned(node)


@pytest.mark.usefixtures("acting")
def test_waits_for_whoever_maintains_the_node(nodes: NodeScene, kube: Kube) -> None:
    node = nodes.fleet.busy()
    stamp = "2020-01-01T00:00:00.000000Z"
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"node-{node}"},
        "spec": {
            "holderIdentity": "node-maintenance",
            "leaseDurationSeconds": 2_000_000_000,
            "renewTime": stamp,
        },
    }
    kube.create(lease, LEASES)
    run = nodes.start(nodes.policy("Quarantine"), node)
    nodes.scene.wants_reason(run, "NodeLeased")
    assert nodes.fleet.taint(node) == ""

    kube.delete("Lease", f"node-{node}", LEASES)

    nodes.wants_isolated(run, node)


@pytest.mark.usefixtures("acting")
def test_is_held_while_too_few_others_are_healthy(nodes: NodeScene) -> None:
    node = nodes.fleet.busy()
    other = next(name for name in nodes.fleet.names if name != node)
    nodes.fleet.crash(other)
    run = nodes.start(nodes.policy("Quarantine"), node)
    nodes.scene.wants_reason(run, "TooFewHealthy")
    assert nodes.isolations() == 0

    nodes.fleet.recover(other)

    nodes.wants_isolated(run, node)


@pytest.mark.usefixtures("acting")
def test_a_drain_that_a_budget_blocks_names_the_pod_and_is_undone(
    nodes: NodeScene, kube: Kube
) -> None:
    node = nodes.fleet.busy()
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
    }
    kube.create(budget, nodes.scene.namespace)
    nodes.scene.timeline.want(
        SOON,
        "the budget is counted",
        lambda: (
            "currentHealthy"
            in (kube.get("PodDisruptionBudget", "web", nodes.scene.namespace) or {}).get(
                "status", {}
            )
        ),
    )

    run = nodes.start(nodes.policy(drainTimeout="10s"), node)

    nodes.scene.wants_phase(run, "Escalated")
    step = nodes.step(run)
    assert (step["outcome"], step["reason"]) == ("Failed", "DrainBlocked")
    assert nodes.fleet.pods(node)[0]["metadata"]["name"] in step["message"]
    nodes.wants_undone(run, node)
    assert not nodes.evicted()
    assert not nodes.fleet.is_cordoned(node)


@pytest.mark.usefixtures("acting")
def test_a_member_that_is_stuck_on_a_lost_node_is_reported_and_never_doubled(
    nodes: NodeScene, kube: Kube
) -> None:
    namespace = nodes.scene.namespace
    kube.create(a_placed_statefulset(namespace), namespace)
    nodes.scene.timeline.want(
        SOON,
        "the member is ready",
        lambda: (
            (kube.get("StatefulSet", "db", namespace) or {}).get("status", {}).get("readyReplicas")
        ),
    )
    member = kube.get("Pod", "db-0", namespace)
    assert member is not None
    node = member["spec"]["nodeName"]
    nodes.fleet.crash(node)
    quick = {"verify": {"stabilization": "1s", "timeout": "10s"}}

    run = nodes.start(nodes.policy(spec=quick), node)

    nodes.scene.wants_phase(run, "Escalated")
    conditions = nodes.scene.run(run)["status"]["conditions"]
    said = next(each["message"] for each in conditions if each["type"] == "Succeeded")
    assert f"pod {namespace}/db-0 of a StatefulSet must not run twice" in said
    stuck = kube.get("Pod", "db-0", namespace)
    assert stuck is not None
    assert stuck["metadata"]["uid"] == member["metadata"]["uid"]
    assert "deletionTimestamp" in stuck["metadata"]
    assert nodes.evicted()["db-0"] == 1


def test_policies_of_other_namespaces_may_not_act_on_nodes(
    nodes: NodeScene, make_process: MakeProcess
) -> None:
    with running(make_process("healer", node_healing="true")):
        run = nodes.start(nodes.policy(), nodes.fleet.busy())

        nodes.scene.wants_phase(run, "Skipped")
    assert nodes.scene.reason(run, "Accepted") == "TargetNotAllowed"
    assert nodes.isolations() == 0


@pytest.mark.usefixtures("acting")
def test_an_address_names_exactly_one_node(nodes: NodeScene, kube: Kube) -> None:
    first, second, _ = nodes.fleet.names
    source = {"from": {"nameLabel": "instance"}}
    policy = nodes.policy("Quarantine")
    spec = policy.spec.as_json()["target"] | source
    kube.patch("HealingPolicy", "crash", nodes.scene.namespace, {"spec": {"target": spec}})
    live = type(policy).read(nodes.scene.policy())
    addresses: list[Object] = nodes.fleet.node(first)["status"]["addresses"]
    instance = f"{addresses[0]['address']}:9100"

    run = nodes.start(live, first, instance=instance)
    nodes.wants_isolated(run, first)

    kube.patch("Node", second, None, {"status": {"addresses": addresses}}, subresource="status")
    other = nodes.start(live, second, instance=instance)
    nodes.scene.wants_phase(other, "Skipped")
    assert nodes.scene.reason(other, "Accepted") == "TargetAmbiguous"


@pytest.mark.usefixtures("acting")
def test_a_full_volume_is_offered_an_expansion_that_the_api_server_takes(
    nodes: NodeScene, kube: Kube
) -> None:
    namespace = nodes.scene.namespace
    grown = _a_bound_claim(kube, namespace)
    policy = nodes.scene.make_policy(
        mode="DryRun",
        target={"kind": "PersistentVolumeClaim", "selector": {"matchLabels": {"app": "db"}}},
        ladder=[{"action": "Notify"}],
        notify=[{"type": "Slack", "slack": {"urlSecretRef": {"name": "hook", "key": "url"}}}],
    )

    run = nodes.scene.start_run(
        policy,
        {"metadata": {"name": "data"}},
        labels={"alertname": "Full", "namespace": namespace, "persistentvolumeclaim": "data"},
    )

    nodes.scene.wants_phase(run, "Skipped")
    conditions = nodes.scene.run(run)["status"]["conditions"]
    said = next(each["message"] for each in conditions if each["type"] == "Accepted")
    assert "kubectl patch persistentvolumeclaim data" in said
    assert '{"spec": {"resources": {"requests": {"storage": "15Gi"}}}}' in said
    kube.patch("PersistentVolumeClaim", "data", namespace, grown)


def _a_bound_claim(kube: Kube, namespace: str) -> Object:
    """Make a bound claim of 10Gi whose class lets it grow; returns what is expected as offer."""
    storage: Object = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": namespace},
        "provisioner": "example.com/none",
        "allowVolumeExpansion": True,
    }
    volume: Object = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": namespace},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": namespace,
            "hostPath": {"path": "/none"},
            "claimRef": {"namespace": namespace, "name": "data"},
        },
    }
    claim: Object = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": {"app": "db"}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": namespace,
            "volumeName": namespace,
            "resources": {"requests": {"storage": "10Gi"}},
        },
    }
    kube.create(storage)
    kube.create(volume)
    kube.create(claim, namespace)

    def is_bound() -> bool:
        found = kube.get("PersistentVolumeClaim", "data", namespace) or {}
        return bool(found.get("status", {}).get("phase") == "Bound")

    Timeline().want(SOON, "the claim is bound", is_bound)
    return {"spec": {"resources": {"requests": {"storage": "15Gi"}}}}
