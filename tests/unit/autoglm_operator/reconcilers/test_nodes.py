"""What is read around a node that is isolated, and who else maintains it."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

import episodes
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import HealingRun, HealingRunStatus, IntentVerb, StepRecord
from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors
from autoglm_operator.decisions import nodelease
from autoglm_operator.decisions.healing import Fleet
from autoglm_operator.decisions.reading import Manifest
from autoglm_operator.reconcilers import nodes
from episodes import NOW, a_pod, a_replica_set, a_run, a_workload
from isolations import a_node_policy, a_record, a_step, a_worker, an_intent, on, terminating, web


@dataclass
class FakeReader:
    """An API server with some objects."""

    objects: list[Manifest] = field(default_factory=list[Manifest])
    error: Exception | None = None

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        if self.error is not None:
            raise self.error
        for each in self.objects:
            meta = each["metadata"]
            if (each["kind"], meta["name"]) == (kind.kind, name):
                assert meta.get("namespace") == namespace
                return each
        return None

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        assert (namespace, labels) == (None, None)
        return [each for each in self.objects if each["kind"] == kind.kind]


STATEFUL = a_workload("StatefulSet")
STATEFUL["metadata"] |= {"name": "db", "uid": "db"}
JOB = episodes.an_object("batch/v1", "Job", "nightly")
WORLD = [
    a_worker(),
    a_worker("node2"),
    web("node1"),
    web("node1", "web-2"),
    terminating(on("node1", a_pod("db-0", owner=STATEFUL))),
    on("node1", a_pod("nightly-1", owner=JOB)),
    on("node1", a_pod("bare", ownerReferences=[])),
    on("node1", a_pod("agent", owner=a_workload("DaemonSet"))),
    on("node2", a_pod("other", owner=episodes.an_object("apps/v1", "ReplicaSet", "other"))),
    a_workload(),
    a_replica_set(),
    STATEFUL,
    JOB,
]


def run_with(*steps: StepRecord, ladder: int = 1, ended: bool = False) -> HealingRun:
    status = HealingRunStatus(steps=steps, finished_at=NOW if ended else None)
    return a_run(status, policy=a_node_policy(*[a_step()] * ladder))


def found_by(fleet: Fleet | None) -> list[str]:
    assert fleet is not None
    return [f"{each['kind']} {each['metadata']['name']}" for each in fleet.workloads]


async def test_before_a_step_the_topmost_workloads_of_the_nodes_pods_are_read() -> None:
    fleet = await nodes.fleet(FakeReader(WORLD), run_with(), WORLD[0])

    assert fleet is not None
    assert len(fleet.nodes) == 2
    assert len(fleet.pods) == 7
    assert found_by(fleet) == ["Deployment web", "StatefulSet db"]


async def test_a_bare_replica_set_stands_for_itself() -> None:
    bare = a_replica_set()
    bare["metadata"]["ownerReferences"] = []

    fleet = await nodes.fleet(FakeReader([a_worker(), web("node1"), bare]), run_with(), a_worker())

    assert found_by(fleet) == ["ReplicaSet web-7d9f"]


async def test_during_a_step_what_it_displaced_is_read_wherever_it_is() -> None:
    step = a_record(an_intent(IntentVerb.DRAIN, "web", "deleted"))

    fleet = await nodes.fleet(FakeReader([a_worker(), a_workload()]), run_with(step), a_worker())

    assert found_by(fleet) == ["Deployment web"]


@pytest.mark.parametrize("helped", [False, None])
async def test_before_the_next_isolation_the_node_is_looked_at_anew(*, helped: bool | None) -> None:
    intent = an_intent() if helped is not None else None
    step = a_record(intent, helped=helped)

    fleet = await nodes.fleet(FakeReader(WORLD), run_with(step, ladder=2), WORLD[0])

    assert found_by(fleet) == ["Deployment web", "StatefulSet db"]


async def test_nothing_is_read_where_nothing_is_isolated() -> None:
    cleaned = StepRecord(action=ActionName.CLEAN_DISK, started_at=NOW)
    reader = FakeReader(error=AssertionError("was read"))

    assert await nodes.fleet(reader, run_with(ended=True), a_worker()) is None
    assert await nodes.fleet(reader, run_with(cleaned), a_worker()) is None


def a_lease(holder: str) -> Manifest:
    return nodelease.new(a_worker(), holder, NOW, timedelta(minutes=1))


async def test_says_who_else_maintains_a_node() -> None:
    reader = FakeReader([a_lease("node-maintenance")])

    assert await nodes.maintainer(reader, run_with(), a_worker(), NOW) == (
        "Node node1 is maintained by node-maintenance, who holds its lease."
    )
    assert await nodes.maintainer(reader, run_with(), a_worker(), NOW + timedelta(hours=1)) is None


async def test_nobody_else_maintains_a_node_that_is_ours() -> None:
    ours = FakeReader([a_lease("autoglm-healer/team-a/crash-1")])

    assert await nodes.maintainer(ours, run_with(), a_worker(), NOW) is None
    assert await nodes.maintainer(FakeReader(), run_with(), a_worker(), NOW) is None


async def test_nobody_is_asked_for_without_a_node_a_right_or_a_wish() -> None:
    reader = FakeReader(error=errors.Forbidden(403, "Forbidden", "no"))

    assert await nodes.maintainer(reader, run_with(), a_worker(), NOW) is None
    reader = FakeReader(error=AssertionError("was read"))
    assert await nodes.maintainer(reader, run_with(), None, NOW) is None
    assert await nodes.maintainer(reader, run_with(ended=True), a_worker(), NOW) is None
