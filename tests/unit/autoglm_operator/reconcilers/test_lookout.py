"""What the healer reads, and what it makes of what it may not read."""

from dataclasses import dataclass, field
from typing import Any

import pytest

import episodes
from autoglm_api import kinds, labels
from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors
from autoglm_operator.decisions import target
from autoglm_operator.decisions.healing import Denial, Sighting
from autoglm_operator.decisions.reading import Manifest
from autoglm_operator.reconcilers import lookout
from autoglm_operator.reconcilers.lookout import selector_text
from episodes import a_claim, a_node, a_pod, a_replica_set, a_run, a_workload, owned_by

DENIED = errors.Forbidden(403, "Forbidden", "no")


@dataclass
class FakeReader:
    """An API server with some objects, some of which may not be read."""

    objects: list[Manifest] = field(default_factory=list[Manifest])
    denied: tuple[Kind, ...] = ()
    lists: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        assert namespace is None or kind.namespaced
        if kind in self.denied:
            raise DENIED
        found = (obj for obj in self.objects if (obj["kind"], _name(obj)) == (kind.kind, name))
        return next(found, None)

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        assert namespace == ("team-a" if kind.namespaced else None)
        self.lists.append((kind.kind, labels))
        return [obj for obj in self.objects if obj["kind"] == kind.kind]


def _name(obj: Manifest) -> str:
    return str(obj["metadata"]["name"])


def a_revision(owner: Manifest) -> Manifest:
    return episodes.an_object(
        "apps/v1", "ControllerRevision", "web-1", ownerReferences=owned_by(owner)
    )


async def test_follows_a_pod_to_its_workload_and_its_pods() -> None:
    stray = a_pod("stray", owner=a_workload("StatefulSet"))
    reader = FakeReader([a_pod(), a_pod("web-2"), stray, a_replica_set(), a_workload()])

    seen = await lookout.look(reader, a_run())

    assert seen.workload == a_workload()
    assert [_name(pod) for pod in seen.pods] == ["web-1", "web-2"]
    assert [_name(each) for each in seen.revisions] == ["web-7d9f"]
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


async def test_finds_a_node_by_its_address_and_later_by_its_name() -> None:
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


async def test_finds_a_claim_by_its_name() -> None:
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
