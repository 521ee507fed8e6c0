"""What the healer reads, and what it makes of what it may not read."""

from dataclasses import dataclass
from typing import Any

import pytest

import episodes
from autoglm_api import kinds, labels
from autoglm_api.healingrun import HealingRun
from autoglm_api.kinds import Kind
from autoglm_operator.decisions import target
from autoglm_operator.decisions.healing import Denial, Room, Sighting
from autoglm_operator.decisions.reading import Manifest
from autoglm_operator.reconcilers import lookout
from autoglm_operator.reconcilers.lookout import selector_text
from episodes import (
    a_claim,
    a_node,
    a_pod,
    a_policy,
    a_replica_set,
    a_run,
    a_workload,
    owned_by,
)
from fake_reader import DENIED, FakeReader, name_of


def a_revision(owner: Manifest) -> Manifest:
    return episodes.an_object(
        "apps/v1", "ControllerRevision", "web-1", ownerReferences=owned_by(owner)
    )


async def test_follows_a_pod_to_its_workload_and_its_pods() -> None:
    stray = a_pod("stray", owner=a_workload("StatefulSet"))
    reader = FakeReader([a_pod(), a_pod("web-2"), stray, a_replica_set(), a_workload()])

    seen = await lookout.look(reader, a_run())

    assert seen.workload == a_workload()
    assert [name_of(pod) for pod in seen.pods] == ["web-1", "web-2"]
    assert [name_of(each) for each in seen.revisions] == ["web-7d9f"]
    assert seen.key == "deployment-web"
    assert reader.lists == [("Pod", "app=web"), ("ReplicaSet", "app=web")]


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_reads_the_revisions_of_other_workloads(kind: str) -> None:
    workload = a_workload(kind)
    reader = FakeReader([a_pod(owner=workload), workload, a_revision(workload)])

    seen = await lookout.look(reader, a_run())

    assert [each["kind"] for each in seen.revisions] == ["ControllerRevision"]
    assert len(seen.pods) == 1


async def test_a_bare_replica_set_has_no_revisions() -> None:
    middle = a_replica_set(ownerReferences=[])
    middle["metadata"]["ownerReferences"] = []
    middle["spec"]["selector"] = {"matchLabels": {"app": "web"}}

    seen = await lookout.look(FakeReader([a_pod(owner=middle), middle]), a_run())

    assert (seen.revisions, len(seen.pods)) == ((), 1)


async def test_sees_nothing_when_nothing_is_there() -> None:
    assert await lookout.look(FakeReader(), a_run()) == Sighting()
    assert await lookout.look(FakeReader(), a_run(labels={})) == Sighting()


JOB = episodes.an_object("batch/v1", "Job", "nightly")
OWNERS = {
    "of a kind that nobody knows": (episodes.an_object("a.b/v1", "Stack", "x"), FakeReader()),
    "that is a node": (episodes.an_object("v1", "Node", "x"), FakeReader()),
    "that may not be read": (JOB, FakeReader([JOB], denied=(kinds.JOB,))),
    "that is gone": (JOB, FakeReader()),
    "that was made anew": (
        JOB,
        FakeReader([episodes.an_object("batch/v1", "Job", "nightly", uid="another")]),
    ),
}


@pytest.mark.parametrize(("owner", "reader"), OWNERS.values(), ids=OWNERS)
async def test_stops_at_an_owner(owner: Manifest, reader: FakeReader) -> None:
    pod = a_pod(owner=owner)
    reader.objects.append(pod)

    seen = await lookout.look(reader, a_run())

    assert (seen.chain, seen.key) == ((pod,), owner["metadata"]["uid"])


async def test_looks_for_the_workload_once_the_pod_is_gone() -> None:
    first = await lookout.look(FakeReader([a_pod(), a_replica_set(), a_workload()]), a_run())
    found = target.resolve(a_run(), first)
    assert not isinstance(found, Denial)
    run = a_run(a_run().status.model_copy(update={"target": found}))

    seen = await lookout.look(FakeReader([a_replica_set(), a_workload()]), run)

    assert (seen.pod, seen.workload) == (None, a_workload())
    assert await lookout.look(FakeReader(), run) == Sighting()


NODE_POLICY = episodes.a_policy(
    target={"kind": "Node", "selector": {"matchLabels": {"pool": "gpu"}}}
)


async def test_finds_a_node_by_its_address_and_later_by_itsname_of() -> None:
    node = a_node(addresses=["10.0.0.1"])
    run = a_run(policy=NODE_POLICY, labels={"node": "10.0.0.1:9100"})

    seen = await lookout.look(FakeReader([node, a_node("node2")]), run)

    assert (seen.node, seen.key, seen.ambiguous) == (node, "node-node1", None)
    found = target.resolve(run, seen)
    assert not isinstance(found, Denial)
    known = a_run(run.status.model_copy(update={"target": found}), policy=NODE_POLICY)
    moved = a_node(addresses=["10.0.0.7"])
    assert (await lookout.look(FakeReader([moved]), known)).node == moved


async def test_says_which_nodes_share_an_address() -> None:
    reader = FakeReader([a_node("node2", addresses=["10.0.0.1"]), a_node(addresses=["10.0.0.1"])])

    seen = await lookout.look(reader, a_run(policy=NODE_POLICY, labels={"node": "10.0.0.1"}))

    assert seen == Sighting(
        ambiguous="The alert names 10.0.0.1, but more than one node has that name or address:"
        " node1, node2."
    )


async def test_an_event_leads_by_its_address_to_the_workload_of_a_pod() -> None:
    pod = a_pod()
    pod["status"]["podIP"] = "10.1.0.5"
    run = a_run(labels={"instance": "10.1.0.5"}, source="Event")

    seen = await lookout.look(FakeReader([pod, a_pod("web-2"), a_replica_set(), a_workload()]), run)

    assert (seen.pod, seen.workload) == (pod, a_workload())


async def test_an_event_about_an_address_without_a_pod_has_no_target() -> None:
    run = a_run(labels={"instance": "10.1.0.5"}, source="Event")

    seen = await lookout.look(FakeReader([a_pod()]), run)

    assert seen == Sighting(
        ambiguous="The alert names 10.1.0.5, but no pod in namespace team-a has that address of"
        " its own."
    )


async def test_finds_a_claim_by_itsname_of() -> None:
    policy = episodes.a_policy(
        target={"kind": "PersistentVolumeClaim", "selector": {"matchLabels": {"app": "web"}}}
    )
    run = a_run(policy=policy, labels={"persistentvolumeclaim": "data-store-0"})
    claim = a_claim(ownerReferences=owned_by(a_workload("StatefulSet")))

    seen = await lookout.look(FakeReader([claim]), run)

    assert (seen.claim, seen.chain, seen.key) == (claim, (claim,), claim["metadata"]["uid"])


async def test_reads_the_live_policy() -> None:
    assert await lookout.read_policy(FakeReader(), a_run()) is None
    live: dict[str, Any] = {
        "kind": "HealingPolicy",
        "metadata": {"name": "crash", "uid": "p-1"},
        "spec": episodes.a_policy().spec.as_json(),
    }

    policy = await lookout.read_policy(FakeReader([live]), a_run())

    assert policy is not None
    assert policy.metadata.uid == "p-1"


def a_switch(value: str | None) -> Manifest:
    data = {} if value is None else {"paused": value}
    return {"kind": "ConfigMap", "metadata": {"name": labels.PAUSE_CONFIG_MAP}, "data": data}


@pytest.mark.parametrize(
    ("value", "paused"),
    [("true", True), ("True ", True), ("yes", True), ("false", False), (None, False)],
)
async def test_whatever_is_not_false_pauses_everything(value: str | None, paused: bool) -> None:
    pauses = await lookout.read_pauses(FakeReader([a_switch(value)]), "team-a", "system")

    assert (pauses.everywhere is not None) is paused


async def test_nothing_is_paused_without_a_switch() -> None:
    pauses = await lookout.read_pauses(FakeReader(), "team-a", "system")

    assert (pauses.everywhere, pauses.namespace) == (None, False)


async def test_a_switch_that_cannot_be_read_pauses_everything() -> None:
    reader = FakeReader(denied=(kinds.CONFIG_MAP,))

    pauses = await lookout.read_pauses(reader, "team-a", "system")

    assert pauses.everywhere is not None
    assert "cannot be read" in pauses.everywhere


@pytest.mark.parametrize(("value", "paused"), [("paused", True), ("on", False)])
async def test_a_label_pauses_a_namespace(value: str, paused: bool) -> None:
    marked = {
        "kind": "Namespace",
        "metadata": {"name": "team-a", "labels": {labels.HEALING: value}},
    }

    pauses = await lookout.read_pauses(FakeReader([marked]), "team-a", "system")

    assert pauses.namespace is paused


def test_writes_selectors_as_lists_take_them() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "zone", "operator": "NotIn", "values": ["c"]},
        {"key": "app", "operator": "Exists"},
        {"key": "old", "operator": "DoesNotExist"},
    ]

    text = selector_text({"matchLabels": {"x": "y"}, "matchExpressions": expressions})

    assert text == "x=y,tier in (a,b),zone notin (c),app,!old"


def an_endpoint_run() -> HealingRun:
    spec = {"kind": "ModelEndpoint", "selector": {"matchLabels": {"app": "web"}}}
    return a_run(policy=a_policy(target=spec), labels={"endpoint": "local"})


def an_endpoint(revision: str | None = "abc") -> Manifest:
    built = episodes.an_object("autoglm.io/v1alpha1", "ModelEndpoint", "local")
    built["status"] = {} if revision is None else {"activeRevision": revision}
    return built


def its_deployment(owner: Manifest) -> Manifest:
    built = a_workload()
    built["metadata"] |= {"name": "local-abc", "ownerReferences": owned_by(owner)}
    return built


async def test_an_endpoint_leads_to_the_deployment_that_serves_for_it() -> None:
    endpoint = an_endpoint()
    serving = its_deployment(endpoint)

    seen = await lookout.look(FakeReader([endpoint, serving, a_workload()]), an_endpoint_run())

    assert (seen.endpoint, seen.workload, seen.key) == (endpoint, serving, "modelendpoint-local")
    assert seen.chain == (serving, endpoint)
    found = target.resolve(an_endpoint_run(), seen)
    assert not isinstance(found, Denial)
    assert (found.kind, found.name, found.workload) == ("ModelEndpoint", "local", None)
    run = an_endpoint_run()
    known = run.model_copy(update={"status": run.status.model_copy(update={"target": found})})
    again = await lookout.look(FakeReader([endpoint, serving]), known)
    assert target.remembered(known, again) == endpoint


@pytest.mark.parametrize(
    "objects",
    [
        [an_endpoint(None)],
        [an_endpoint()],
        [an_endpoint(), its_deployment(a_workload("StatefulSet"))],
    ],
    ids=["nothing serves yet", "its Deployment is gone", "somebody else's Deployment"],
)
async def test_an_endpoint_may_have_nothing_that_serves(objects: list[Manifest]) -> None:
    seen = await lookout.look(FakeReader(objects), an_endpoint_run())

    assert (seen.workload, seen.key) == (None, "modelendpoint-local")


def a_scaling_run() -> HealingRun:
    return a_run(policy=a_policy(ladder=[{"action": "ScaleOut", "scaleOut": {"maxReplicas": 5}}]))


def a_scaler(name: str) -> Manifest:
    built = episodes.an_object("autoscaling/v2", "HorizontalPodAutoscaler", name)
    built["spec"] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    }
    return built


PODS_AND_OWNERS = [a_pod(), a_replica_set(), a_workload(), a_scaler("web"), a_scaler("other")]


async def test_looks_for_autoscalers_and_room_where_a_ladder_scales_out() -> None:
    reader = AnyReader([*PODS_AND_OWNERS, a_roomy_node()])

    seen = await lookout.look(reader, a_scaling_run())

    assert [name_of(each) for each in seen.autoscalers] == ["web"]
    assert seen.room == Room(109, "the nodes")


async def test_does_not_look_for_either_elsewhere() -> None:
    seen = await lookout.look(AnyReader(PODS_AND_OWNERS), a_run())

    assert (seen.autoscalers, seen.room) == ((), None)


async def test_room_is_not_asked_for_once_the_step_was_taken() -> None:
    run = a_scaling_run()
    step = {"action": "ScaleOut", "startedAt": episodes.NOW}
    status = run.status.model_validate({"steps": [step]})

    seen = await lookout.look(AnyReader(PODS_AND_OWNERS), run.model_copy(update={"status": status}))

    assert len(seen.autoscalers) == 1
    assert seen.room is None


@pytest.mark.parametrize(
    ("denied", "quota", "room"),
    [
        ((), "3", Room(2, "ResourceQuota team")),
        ((kinds.NODE,), "3", Room(2, "ResourceQuota team")),
        ((kinds.NODE,), None, None),
    ],
)
async def test_a_quota_is_room_too(
    denied: tuple[Kind, ...], quota: str | None, room: Room | None
) -> None:
    objects = [*PODS_AND_OWNERS, a_roomy_node()]
    if quota is not None:
        built = episodes.an_object("v1", "ResourceQuota", "team")
        built["status"] = {"hard": {"pods": quota}, "used": {"pods": "1"}}
        objects.append(built)

    seen = await lookout.look(AnyReader(objects, denied), a_scaling_run())

    assert seen.room == room


def a_roomy_node() -> Manifest:
    node = a_node()
    node["status"] |= {"allocatable": {"pods": "110"}}
    node["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    for pod in PODS_AND_OWNERS[:1]:
        pod["spec"] = {"nodeName": name_of(node), "containers": []}
    return node


@dataclass
class AnyReader(FakeReader):
    """One that lists everywhere, and may refuse that."""

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        if kind in self.denied:
            raise DENIED
        return [obj for obj in self.objects if obj["kind"] == kind.kind]


async def test_the_switch_also_undoes_everything() -> None:
    switch = a_switch("false")
    switch["data"]["revert"] = "true"

    pauses = await lookout.read_pauses(FakeReader([switch]), "team-a", "system")

    assert pauses.reverting
    assert pauses.everywhere is not None
