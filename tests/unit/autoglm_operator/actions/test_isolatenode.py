"""The calls of an isolation: each made once, looked before, and every answer understood."""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingrun import Intent, IntentVerb
from autoglm_api.kinds import Kind
from autoglm_operator.actions.isolatenode import IsolateNode
from autoglm_operator.clients import errors
from autoglm_operator.decisions import evictions, leases, nodelease, nodemarks
from autoglm_operator.decisions.healing import (
    BorrowingAction,
    Denial,
    OutcomeKind,
    ReversibleAction,
)
from autoglm_operator.decisions.reading import Manifest
from episodes import NOW, a_pod, a_workload
from isolations import (
    a_look,
    a_record,
    a_step,
    a_worker,
    an_intent,
    isolated,
    on,
    own_taint,
    terminating,
    web,
)

ACTION = IsolateNode(lambda: NOW, enabled=True)
US = "autoglm-healer/team-a/crash-1"
BUDGET = errors.TooManyRequests(429, "TooManyRequests", "It would violate the budget.")
SEVERAL = errors.Unavailable(
    500, "InternalError", f"This pod has {evictions.SEVERAL_BUDGETS}, which is not supported."
)
LOST = errors.Unavailable(0, "TimeoutError", "no answer")


@dataclass
class FakeCluster:
    """A node, its lease and pods, with faults by the name of a call."""

    node: Manifest | None = field(default_factory=a_worker)
    pods: list[Manifest] = field(default_factory=list[Manifest])
    lease: Manifest | None = None
    faults: dict[str, Exception] = field(default_factory=dict[str, Exception])
    stays_terminating: bool = False
    calls: list[str] = field(default_factory=list[str])

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if what in self.faults:
            raise self.faults[what]

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        assert (kind, namespace, name) in (
            (kinds.NODE, None, "node1"),
            (kinds.LEASE, "medik8s-leases", "node-node1"),
        )
        return self.node if kind == kinds.NODE else self.lease

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        assert (kind, namespace, labels) == (kinds.POD, None, None)
        return list(self.pods)

    async def create(self, obj: Manifest, *, manager: str | None = None) -> Manifest:
        assert manager == "autoglm-healer"
        self._called("create lease")
        meta = {**obj["metadata"], "uid": "l-1", "resourceVersion": "1"}
        self.lease = {**obj, "metadata": meta}
        return self.lease

    async def apply(self, obj: Manifest, *, manager: str, force: bool) -> Manifest:
        raise AssertionError((obj, manager, force))

    async def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: object,
        *,
        subresource: str | None = None,
        kind_of_patch: str = "merge",
    ) -> Manifest:
        assert (subresource, kind_of_patch) == (None, "merge")
        assert isinstance(body, dict)
        self._called(f"patch {kind.plural}")
        live = self.node if kind == kinds.NODE else self.lease
        assert live is not None
        # Every change is bound to the version that was read.
        for key in ("uid", "resourceVersion"):
            assert body["metadata"][key] == live["metadata"][key]
        live = copy.deepcopy(live)
        live["spec"] |= body["spec"]
        if kind == kinds.NODE:
            self.node = live
        else:
            self.lease = live
        return live

    async def evict(
        self, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        self._called(f"evict {namespace}/{name}")
        index = next(n for n, pod in enumerate(self.pods) if pod["metadata"]["name"] == name)
        assert self.pods[index]["metadata"]["uid"] == uid
        own = self.pods[index]["spec"].get("terminationGracePeriodSeconds", 30)
        assert (own if grace_seconds is None else grace_seconds) > 0
        if self.stays_terminating:
            self.pods[index] = terminating(self.pods[index])
        else:
            del self.pods[index]

    def evicted(self) -> Counter[str]:
        return Counter(call for call in self.calls if call.startswith("evict"))


QUARANTINE = an_intent(IntentVerb.QUARANTINE)
DRAIN = an_intent()


def held_by(who: str) -> Manifest:
    return {
        "metadata": {"name": "node-node1", "uid": "l-1", "resourceVersion": "1"},
        "spec": nodelease.new(a_worker(), who, NOW, timedelta(minutes=5))["spec"],
    }


async def test_a_quarantine_takes_the_lease_marks_the_node_and_gives_the_lease_up_in_the_end() -> (
    None
):
    cluster = FakeCluster()

    outcome = await ACTION.execute("team-a", QUARANTINE, cluster)

    assert (outcome.kind, outcome.message) == (
        OutcomeKind.SUCCEEDED,
        "Node node1 takes no new pods.",
    )
    assert cluster.calls == ["create lease", "patch nodes"]
    assert cluster.node is not None
    assert cluster.node["spec"] == {"taints": [own_taint()], "unschedulable": True}
    assert nodelease.holder(cluster.lease, NOW) == US
    await ACTION.settle("team-a", QUARANTINE, cluster)
    assert cluster.calls[2:] == ["patch leases"]
    assert nodelease.holder(cluster.lease, NOW) is None


async def test_the_same_call_again_changes_nothing_on_the_node() -> None:
    cluster = FakeCluster()
    await ACTION.execute("team-a", QUARANTINE, cluster)
    cluster.calls.clear()

    outcome = await ACTION.execute("team-a", QUARANTINE, cluster)

    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert "patch nodes" not in cluster.calls


async def test_a_drain_evicts_every_pod_once_and_waits_until_they_are_gone() -> None:
    pods = [web("node1", f"web-{n}") for n in range(7)]
    cluster = FakeCluster(pods=[*pods, web("node2", "elsewhere")], stays_terminating=True)

    first = await ACTION.execute("team-a", DRAIN, cluster)
    second = await ACTION.execute("team-a", DRAIN, cluster)

    assert first.kind is second.kind is OutcomeKind.UNDER_WAY
    assert first.reason is Reason.DRAINING
    assert first.message == (
        "Node node1 is being drained; pod team-a/web-0, pod team-a/web-1, pod team-a/web-2,"
        " pod team-a/web-3, pod team-a/web-4 and 2 more left."
    )
    assert len(cluster.evicted()) == evictions.AT_ONCE
    cluster.pods = [pod for pod in cluster.pods if "deletionTimestamp" not in pod["metadata"]]

    await ACTION.execute("team-a", DRAIN, cluster)
    cluster.pods = cluster.pods[-1:]
    last = await ACTION.execute("team-a", DRAIN, cluster)

    assert (last.kind, last.message) == (OutcomeKind.SUCCEEDED, "Node node1 is drained.")
    assert cluster.evicted() == {f"evict team-a/web-{n}": 1 for n in range(7)}
    assert cluster.calls.count("patch nodes") == 1
    assert cluster.calls.count("create lease") == 1


async def test_a_node_that_does_not_answer_is_not_waited_for() -> None:
    pods = [web("node1", f"web-{n}") for n in range(7)]
    cluster = FakeCluster(node=a_worker(ready=False), pods=pods, stays_terminating=True)

    outcome = await ACTION.execute("team-a", DRAIN, cluster)

    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert len(cluster.evicted()) == 7


async def test_no_pod_leaves_the_api_before_its_kubelet_says_that_it_ended() -> None:
    pods = [on("node1", a_pod(f"db-{n}"), terminationGracePeriodSeconds=n) for n in (0, 5)]
    cluster = FakeCluster(node=a_worker(ready=False), pods=pods, stays_terminating=True)

    outcome = await ACTION.execute("team-a", DRAIN, cluster)

    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert len(cluster.evicted()) == 2


async def test_a_budget_holds_one_pod_and_not_the_others() -> None:
    cluster = FakeCluster(
        pods=[web("node1", f"web-{n}") for n in range(3)],
        faults={"evict team-a/web-0": BUDGET, "evict team-a/web-1": SEVERAL},
    )

    outcome = await ACTION.execute("team-a", DRAIN, cluster)

    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNDER_WAY, Reason.DRAIN_BLOCKED)
    assert outcome.message == (
        "Node node1 is not empty yet: pod team-a/web-0 stays, for It would violate the budget,"
        f" pod team-a/web-1 stays, for This pod has {evictions.SEVERAL_BUDGETS}, which is not"
        " supported."
    )
    assert [pod["metadata"]["name"] for pod in cluster.pods] == ["web-0", "web-1"]


async def test_pods_that_came_since_and_would_be_lost_are_named_and_left() -> None:
    bare = on("node1", a_pod("bare", ownerReferences=[]))
    agent = on("node1", a_pod("agent", owner=a_workload("DaemonSet")))
    cluster = FakeCluster(pods=[bare, agent])

    outcome = await ACTION.execute("team-a", DRAIN, cluster)

    assert outcome.kind is OutcomeKind.UNDER_WAY
    assert outcome.message == (
        "Node node1 is not empty yet: pod team-a/bare stays, for nobody would make it anew"
        " (evictBarePods)."
    )
    assert not cluster.evicted()


async def test_a_pod_that_went_by_itself_is_fine() -> None:
    cluster = FakeCluster(
        node=a_worker(ready=False),
        pods=[web("node1")],
        faults={"evict team-a/web-1": errors.NotFound(404, "NotFound", "gone")},
    )

    assert (await ACTION.execute("team-a", DRAIN, cluster)).kind is OutcomeKind.SUCCEEDED


async def test_a_lost_reply_is_looked_into() -> None:
    cluster = FakeCluster(pods=[web("node1")], faults={"evict team-a/web-1": LOST})

    outcome = await ACTION.execute("team-a", DRAIN, cluster)

    assert (outcome.kind, outcome.reason) == (OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE)


async def test_waits_for_whoever_holds_the_lease_of_the_node() -> None:
    cluster = FakeCluster(lease=held_by("node-maintenance"))

    outcome = await ACTION.execute("team-a", DRAIN, cluster)

    assert (outcome.kind, outcome.reason) == (OutcomeKind.RETRYABLE, Reason.NODE_LEASED)
    assert cluster.calls == []


@pytest.mark.parametrize("holder", [US, "node-maintenance"])
async def test_goes_on_with_its_own_lease_and_takes_one_that_has_ended(holder: str) -> None:
    lease = held_by(holder)
    if holder != US:
        lease["spec"]["renewTime"] = "2026-03-01T11:00:00.000000Z"
    cluster = FakeCluster(lease=lease)

    assert (await ACTION.execute("team-a", QUARANTINE, cluster)).kind is OutcomeKind.SUCCEEDED
    assert nodelease.holder(cluster.lease, NOW) == US


async def test_a_lease_that_cannot_be_given_up_does_no_harm() -> None:
    cluster = FakeCluster(lease=held_by(US), faults={"patch leases": LOST})

    await ACTION.settle("team-a", QUARANTINE, cluster)

    assert cluster.calls == ["patch leases"]


@pytest.mark.parametrize("lease", [None, held_by("node-maintenance")], ids=["none", "another's"])
async def test_a_lease_that_is_not_ours_is_not_given_up(lease: Manifest | None) -> None:
    cluster = FakeCluster(lease=lease)

    await ACTION.settle("team-a", QUARANTINE, cluster)
    await ACTION.settle("team-a", QUARANTINE.model_copy(update={"isolation": None}), cluster)

    assert cluster.calls == []


NO_NAMESPACE = errors.NotFound(404, "NotFound", "namespaces not found")
FAILURES: dict[str, tuple[Callable[[], FakeCluster], Reason]] = {
    "the node is gone": (lambda: FakeCluster(node=None), Reason.TARGET_GONE),
    "the node was made anew": (lambda: FakeCluster(node=a_worker(uid="other")), Reason.TARGET_GONE),
    "another run isolates it": (
        lambda: FakeCluster(node=isolated(a_worker(), "crash-9")),
        Reason.LEASE_HELD,
    ),
    "a right is missing": (
        lambda: FakeCluster(faults={"patch nodes": errors.Forbidden(403, "Forbidden", "no")}),
        Reason.ACTION_FAILED,
    ),
    "the namespace of leases is missing": (
        lambda: FakeCluster(faults={"create lease": NO_NAMESPACE}),
        Reason.ACTION_FAILED,
    ),
}


@pytest.mark.parametrize(("cluster", "reason"), FAILURES.values(), ids=FAILURES)
async def test_fails_when(cluster: Callable[[], FakeCluster], reason: Reason) -> None:
    outcome = await ACTION.execute("team-a", QUARANTINE, cluster())

    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, reason)


async def test_fails_when_the_journal_says_nothing() -> None:
    blank = QUARANTINE.model_copy(update={"isolation": None})

    outcome = await ACTION.execute("team-a", blank, FakeCluster())

    assert outcome.kind is OutcomeKind.FAILED


@pytest.mark.parametrize(
    "fault",
    [errors.Conflict(409, "Conflict", "changed"), LOST, BUDGET],
    ids=["conflict", "lost reply", "budget"],
)
async def test_a_node_that_changed_meanwhile_is_looked_at_again(fault: Exception) -> None:
    outcome = await ACTION.execute("team-a", QUARANTINE, FakeCluster(faults={"patch nodes": fault}))

    assert outcome.kind is OutcomeKind.RETRYABLE


async def test_undo_takes_only_our_own_marks() -> None:
    cluster = FakeCluster(node=isolated(a_worker()))
    assert cluster.node is not None
    cluster.node["spec"]["taints"].insert(0, {"key": "spot", "effect": "NoSchedule"})
    look = a_look()
    record = ACTION.lease(a_step(), QUARANTINE, look, NOW)
    assert ACTION.current(record, cluster.node) == record.value
    assert ACTION.step_back(record, record.value) == record.previous
    lease = leases.lease_of(look.run, record)
    # A run that is deleted while the node is being drained comes to no other end.
    cluster.lease = held_by(US)

    await ACTION.undo("team-a", lease, cluster.node, cluster)

    assert nodelease.holder(cluster.lease, NOW) is None

    assert cluster.node["spec"] == {
        "taints": [{"key": "spot", "effect": "NoSchedule"}],
        "unschedulable": None,
    }
    assert ACTION.current(record, cluster.node) == record.previous
    assert nodemarks.own_taint(cluster.node) == ""


def test_plans_only_where_the_administrator_lets_it() -> None:
    off = IsolateNode(lambda: NOW, enabled=False).plan(a_step(), a_look(), NOW)

    assert isinstance(off, Denial)
    assert off.reason is Reason.NODE_HEALING_OFF
    assert isinstance(ACTION.plan(a_step(), a_look(), NOW), Intent)


def test_is_an_action_that_can_be_undone() -> None:
    assert isinstance(ACTION, ReversibleAction)
    assert isinstance(ACTION, BorrowingAction)
    assert (
        ACTION.returns_at(a_step(), ACTION.lease(a_step(), DRAIN, a_look(), NOW), a_look()) is None
    )
    assert not ACTION.is_done(DRAIN, a_look().sighting)
    assert not ACTION.health(a_look(), a_record(DRAIN)).healthy
