import random  # noqa: TID251 - the generator that queues are given
from typing import Any

import pytest

from autoglm_api import kinds
from autoglm_operator.handlers.operator import Wakeups, asks_for_work, trim_pod
from autoglm_operator.runtime.keys import ObjectKey
from autoglm_operator.runtime.store import ObjectStore
from autoglm_operator.runtime.workqueue import WorkQueue
from manual_clock import ManualClock

Object = dict[str, Any]
DEMO, LOCAL = ObjectKey("ns", "demo"), ObjectKey("ns", "local")


def an_object(name: str, spec: Object | None = None, **meta: object) -> Object:
    about = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1", "generation": 1}
    return {"metadata": {**about, **meta}, "spec": spec or {}}


CLUSTER = an_object("demo", {"upstreams": [{"endpointRef": {"name": "local"}}]})


class Woken:
    """The queues, and what is in them."""

    def __init__(self) -> None:
        clock, rng = ManualClock(), random.Random(1)  # noqa: S311 - jitter
        self.clusters = WorkQueue[ObjectKey]("c", clock, rng=rng)
        self.endpoints = WorkQueue[ObjectKey]("e", clock, rng=rng)
        self.store = ObjectStore()
        self.store.put(kinds.AUTOGLM_CLUSTER, CLUSTER)
        self.wakeups = Wakeups(self.store, self.clusters, self.endpoints)

    async def keys(self) -> tuple[set[ObjectKey], set[ObjectKey]]:
        """What is due, taken out."""
        clusters = {await self.clusters.get() for _ in range(len(self.clusters))}
        return clusters, {await self.endpoints.get() for _ in range(len(self.endpoints))}


async def test_a_new_cluster_wakes_itself() -> None:
    woken = Woken()
    woken.wakeups.on_change(kinds.AUTOGLM_CLUSTER, None, CLUSTER)
    assert await woken.keys() == ({DEMO}, set())


async def test_our_own_status_wakes_nobody() -> None:
    woken = Woken()
    told = {**CLUSTER, "status": {"url": "x"}}
    woken.wakeups.on_change(kinds.AUTOGLM_CLUSTER, CLUSTER, told)
    assert await woken.keys() == (set(), set())


async def test_an_endpoints_status_wakes_the_clusters_that_use_it() -> None:
    woken = Woken()
    local = an_object("local")
    woken.wakeups.on_change(kinds.MODEL_ENDPOINT, local, {**local, "status": {"ready": 1}})
    assert await woken.keys() == ({DEMO}, set())
    other = an_object("other")
    woken.wakeups.on_change(kinds.MODEL_ENDPOINT, None, other)
    assert await woken.keys() == (set(), {ObjectKey("ns", "other")})


async def test_a_child_wakes_its_owner_by_reference_or_label() -> None:
    woken = Woken()
    owned = an_object("x", ownerReferences=[{"kind": "AutoGLMCluster", "name": "demo"}])
    woken.wakeups.on_change(kinds.DEPLOYMENT, None, owned)
    assert await woken.keys() == ({DEMO}, set())
    woken.clusters.done(DEMO)
    labelled = an_object("y", labels={"autoglm.io/endpoint": "local"})
    woken.wakeups.on_change(kinds.SERVICE, labelled, None)
    assert await woken.keys() == (set(), {LOCAL})


async def test_a_child_whose_label_was_flipped_still_wakes_its_owner() -> None:
    woken = Woken()
    before = an_object("x", labels={"autoglm.io/cluster": "demo"})
    woken.wakeups.on_change(kinds.SERVICE, before, an_object("x"))
    assert await woken.keys() == ({DEMO}, set())


async def test_a_model_pod_wakes_endpoint_and_clusters() -> None:
    woken = Woken()
    pod = an_object("p", labels={"autoglm.io/endpoint": "local"})
    woken.wakeups.on_change(kinds.POD, None, pod)
    assert await woken.keys() == ({DEMO}, {LOCAL})


async def test_strangers_wake_nobody() -> None:
    woken = Woken()
    stranger = an_object("x", ownerReferences=[{"kind": "Deployment", "name": "y"}])
    woken.wakeups.on_change(kinds.POD, None, stranger)
    woken.wakeups.on_change(kinds.POD, None, None)
    assert await woken.keys() == (set(), set())


def test_lists_every_object_of_our_own() -> None:
    woken = Woken()
    woken.store.put(kinds.MODEL_ENDPOINT, an_object("local"))
    assert [key for _, key in woken.wakeups.all_keys()] == [LOCAL, DEMO]


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"uid": "another"},
        {"labels": {"a": "b"}},
        {"annotations": {"a": "b"}},
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
    ],
)
def test_what_a_person_changes_asks_for_work(change: Object) -> None:
    assert asks_for_work(CLUSTER, an_object("demo", **change))


def test_pods_are_trimmed_to_what_is_read() -> None:
    pod: Object = {
        "metadata": {"name": "p", "managedFields": []},
        "spec": {"nodeName": "n", "containers": [1]},
        "status": {
            "podIP": "1",
            "phase": "Running",
            "hostIP": "2",
            "initContainerStatuses": [],
            "containerStatuses": [{"name": "server", "restartCount": 1, "imageID": "x"}],
        },
    }
    assert trim_pod(pod) == {
        "metadata": {"name": "p"},
        "spec": {"nodeName": "n"},
        "status": {
            "podIP": "1",
            "phase": "Running",
            "containerStatuses": [{"name": "server", "restartCount": 1}],
        },
    }
