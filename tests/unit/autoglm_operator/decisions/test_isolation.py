"""When a node may be isolated, what that moves, and when it returns."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import episodes
from autoglm_api import labels
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import LadderStep
from autoglm_api.healingrun import Intent, IntentVerb
from autoglm_api.leases import Mark
from autoglm_operator.decisions import isolation
from autoglm_operator.decisions.healing import Denial, Seen
from autoglm_operator.decisions.surroundings import Load
from episodes import NOW, a_pod, a_workload
from isolations import (
    WEB,
    a_fleet,
    a_look,
    a_step,
    a_worker,
    isolated,
    on,
    own_taint,
    with_condition,
    with_taints,
)

DOWN = a_worker(ready=False)
BARE = on("node1", a_pod("bare", ownerReferences=[]))
SCRATCH = on("node1", a_pod("scratch"), volumes=[{"name": "tmp", "emptyDir": {}}])
OF_DAEMON = on("node1", a_pod("agent", owner=a_workload("DaemonSet")))


def planned(look: Seen, step: LadderStep | None = None) -> Intent:
    found = isolation.plan(step or a_step(), look, NOW)
    assert not isinstance(found, Denial), found
    return found


def test_a_drain_names_everything_that_it_will_do() -> None:
    intent = planned(a_look(), a_step(drainTimeout="10m", evictLocalData=True))

    assert intent.verb is IntentVerb.DRAIN
    assert (intent.object.kind, intent.object.uid) == ("Node", "node-node1")
    assert intent.deadline == NOW + timedelta(minutes=10)
    how = intent.isolation
    assert how is not None
    assert (how.mark, how.evict_bare_pods, how.evict_local_data) == ("crash-1", False, True)
    assert [(each.kind, each.namespace, each.name) for each in how.displaced] == [
        ("Deployment", "team-a", "web")
    ]


def test_a_quarantine_of_a_node_that_answers_displaces_nothing() -> None:
    intent = planned(a_look(), a_step("Quarantine"))

    assert intent.verb is IntentVerb.QUARANTINE
    assert intent.deadline is None
    assert intent.isolation is not None
    assert intent.isolation.displaced == ()


def test_a_quarantine_of_a_node_that_is_down_waits_for_what_it_ran() -> None:
    intent = planned(a_look(DOWN), a_step("Quarantine"))

    assert intent.isolation is not None
    assert [each.name for each in intent.isolation.displaced] == ["web"]


def test_a_node_that_was_cordoned_before_stays_so() -> None:
    intent = planned(a_look(a_worker(unschedulable=True)))

    assert intent.isolation is not None
    assert intent.isolation.mark == "crash-1.kept"


def marked_by(uid: str) -> episodes.Object:
    mark = Mark(run="crash-9", run_uid=uid, field="f", previous="", value="v", expires=NOW).text()
    return a_worker(annotations={labels.LEASE: mark})


def around(*pods: episodes.Object, node: episodes.Object | None = None) -> Seen:
    """A look at a node that runs these pods as well."""
    found = node or a_worker()
    fleet = a_fleet(found, a_worker("node2"), a_worker("node3"), pods=(*WEB, *pods))
    return a_look(found, fleet)


def among(*others: episodes.Object, load: Load | None = None, **meta: Any) -> Seen:  # noqa: ANN401 - any metadata
    """A look at a node with these nodes around it."""
    found = a_worker(**meta)
    return a_look(found, a_fleet(found, *others), load=load or Load())


def in_zone(name: str, zone: str, *, ready: bool = True) -> episodes.Object:
    return a_worker(name, ready=ready, labels={"pool": "gpu", isolation.ZONE: zone})


BIG = on("node1", a_pod("big"), cpu="3500m")
REFUSALS: dict[str, tuple[Callable[[], Seen], Reason, bool]] = {
    "the control plane": (
        lambda: a_look(a_worker(labels={"node-role.kubernetes.io/control-plane": ""})),
        Reason.TARGET_NOT_ALLOWED,
        False,
    ),
    "a condition that has cleared": (
        lambda: a_look(labels={"condition": "Ready", "status": "true"}),
        Reason.CONDITION_CLEARED,
        False,
    ),
    "a pressure that has cleared": (
        lambda: a_look(
            with_condition(a_worker(), "DiskPressure", "False"),
            labels={"condition": "DiskPressure", "status": "true"},
        ),
        Reason.CONDITION_CLEARED,
        False,
    ),
    "a taint that is gone": (
        lambda: a_look(labels={"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}),
        Reason.CONDITION_CLEARED,
        False,
    ),
    "a node that another run changed": (
        lambda: a_look(marked_by("run-crash-9")),
        Reason.LEASE_HELD,
        True,
    ),
    "a node that another run tainted": (
        lambda: a_look(with_taints(a_worker(), own_taint("crash-9"))),
        Reason.LEASE_HELD,
        True,
    ),
    "a node that somebody removes": (
        lambda: a_look(with_taints(a_worker(), {"key": "ToBeDeletedByClusterAutoscaler"})),
        Reason.NODE_IN_MAINTENANCE,
        True,
    ),
    "too few healthy nodes in the pool": (
        lambda: among(a_worker("node2"), a_worker("node3", ready=False)),
        Reason.TOO_FEW_HEALTHY,
        True,
    ),
    "a pool in which another one is cordoned": (
        lambda: among(a_worker("node2"), a_worker("node3", unschedulable=True)),
        Reason.TOO_FEW_HEALTHY,
        True,
    ),
    "a pool in which another isolation has begun unseen": (
        lambda: among(a_worker("node2"), a_worker("node3"), load=Load(isolations=1)),
        Reason.TOO_FEW_HEALTHY,
        True,
    ),
    "too few healthy nodes in the zone": (
        lambda: among(
            in_zone("node2", "a", ready=False),
            in_zone("node3", "b"),
            in_zone("node4", "b"),
            labels={"pool": "gpu", isolation.ZONE: "a"},
        ),
        Reason.TOO_FEW_HEALTHY,
        True,
    ),
    "a drain that would lose a pod": (lambda: around(BARE), Reason.DRAIN_BLOCKED, False),
    "a drain that would lose data": (lambda: around(SCRATCH), Reason.DRAIN_BLOCKED, False),
    "a drain without room elsewhere": (
        lambda: around(BIG, on("node2", a_pod("b2"), cpu="3"), on("node3", a_pod("b3"), cpu="3")),
        Reason.NO_CAPACITY,
        True,
    ),
}


@pytest.mark.parametrize(("look", "reason", "holds"), REFUSALS.values(), ids=REFUSALS)
def test_leaves_alone(look: Callable[[], Seen], reason: Reason, *, holds: bool) -> None:
    found = isolation.plan(a_step(), look(), NOW)

    assert isinstance(found, Denial)
    assert (found.reason, found.holds) == (reason, holds)


ALLOWED: dict[str, tuple[Callable[[], Seen], LadderStep]] = {
    "a node whose condition still holds": (
        lambda: a_look(DOWN, labels={"condition": "Ready", "status": "true"}),
        a_step(),
    ),
    "a node whose taint still stands": (
        lambda: a_look(
            with_taints(DOWN, {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}),
            labels={"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"},
        ),
        a_step(),
    ),
    "a node about which the alert names an unknown condition": (
        lambda: a_look(labels={"condition": "Rusty"}),
        a_step(),
    ),
    "a node that this run has marked already": (lambda: a_look(marked_by("run-crash-1")), a_step()),
    "a node that this run has tainted already": (lambda: a_look(isolated(a_worker())), a_step()),
    "a pool in which the isolated one is visible": (
        lambda: among(
            a_worker("node2"),
            a_worker("node3"),
            isolated(a_worker("node4"), "crash-9"),
            load=Load(isolations=1),
        ),
        a_step(),
    ),
    "a bare pod if the policy gives it up": (lambda: around(BARE), a_step(evictBarePods=True)),
    "local data if the policy gives it up": (lambda: around(SCRATCH), a_step(evictLocalData=True)),
    "a pod whose scratch is in memory": (
        lambda: around(on("node1", a_pod("m"), volumes=[{"emptyDir": {"medium": "Memory"}}])),
        a_step(),
    ),
    "pods that stay with their node": (lambda: around(OF_DAEMON), a_step()),
    "a quarantine although a drain would lose a pod": (
        lambda: around(BARE, BIG),
        a_step("Quarantine"),
    ),
    "a zone that is not labelled": (lambda: among(a_worker("node2"), a_worker("node3")), a_step()),
}


@pytest.mark.parametrize(("look", "step"), ALLOWED.values(), ids=ALLOWED)
def test_isolates(look: Callable[[], Seen], step: LadderStep) -> None:
    assert not isinstance(isolation.plan(step, look(), NOW), Denial)


def test_says_what_would_be_lost_and_what_allows_it() -> None:
    found = isolation.plan(a_step(), around(BARE), NOW)

    assert isinstance(found, Denial)
    assert found.message == (
        "Node node1 cannot be drained: pod team-a/bare: nobody would make it anew (evictBarePods)."
        " Allow it in isolateNode, or move these pods first."
    )


def test_is_refused_without_options_or_a_node() -> None:
    bare = LadderStep.model_validate({"action": "IsolateNode"})
    blind = replace(a_look(), sighting=replace(a_look().sighting, fleet=None))

    for look, step, reason in (
        (a_look(), bare, Reason.ACTION_REFUSED),
        (blind, a_step(), Reason.TARGET_GONE),
    ):
        found = isolation.plan(step, look, NOW)
        assert isinstance(found, Denial)
        assert found.reason is reason


@pytest.mark.parametrize(
    ("wish", "total", "wanted"),
    [("51%", 3, 2), ("51%", 4, 3), ("50%", 4, 2), ("100%", 3, 3), ("1%", 3, 1), ("2", 9, 2)],
)
def test_a_share_of_nodes_is_rounded_up(wish: str, total: int, wanted: int) -> None:
    assert isolation.required(wish, total) == wanted


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(1, 8))
def test_never_leaves_fewer_healthy_nodes_than_asked_for(ready: list[bool], wanted: int) -> None:
    others = tuple(a_worker(f"other-{n}", ready=each) for n, each in enumerate(ready))
    fleet = a_fleet(a_worker(), *others, pods=())

    found = isolation.plan(a_step(minHealthy=wanted), a_look(fleet=fleet), NOW)

    assert isinstance(found, Intent) == (sum(ready) >= wanted)


def test_names_a_few_and_counts_the_rest() -> None:
    assert isolation.listed(["b", "a"]) == "a, b"
    assert isolation.listed(list("gfedcba")) == "a, b, c, d, e and 2 more"


def test_deciding_again_after_the_mark_is_set_plans_the_same_mark() -> None:
    first = planned(a_look())
    assert first.isolation is not None

    again = planned(a_look(isolated(a_worker(), f"{first.isolation.mark}.kept")))

    assert again.isolation is not None
    assert again.isolation.mark == "crash-1.kept"


def test_a_workload_is_displaced_whoever_owns_it() -> None:
    stateful = a_workload("StatefulSet")
    fleet = a_fleet(workloads=(stateful,), pods=(on("node1", a_pod("web-0", owner=stateful)),))

    intent = planned(a_look(fleet=fleet))

    assert intent.isolation is not None
    assert [each.kind for each in intent.isolation.displaced] == ["StatefulSet"]
