"""Whether what an isolated node ran is Available elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from autoglm_api.healingrun import IntentVerb
from autoglm_operator.decisions import displacement
from autoglm_operator.decisions.healing import Fleet, Seen
from episodes import NOW, Object, a_pod, a_workload, stamp
from isolations import (
    a_fleet,
    a_look,
    a_record,
    a_worker,
    an_intent,
    isolated,
    on,
    terminating,
    web,
    with_taints,
)

NODE = isolated(a_worker())
DOWN = isolated(a_worker(ready=False))
MOVED = (web("node2", "web-2"), web("node3", "web-3"))
DRAINED = a_record(an_intent(IntentVerb.DRAIN, "web"))
QUARANTINED = a_record(an_intent(IntentVerb.QUARANTINE))


def after(
    *pods: Object, node: Object = NODE, workloads: tuple[Object, ...] = (a_workload(),)
) -> Seen:
    fleet = Fleet(nodes=(node,), pods=pods, workloads=workloads)
    return a_look(node, fleet)


def test_what_was_displaced_is_available_elsewhere() -> None:
    found = displacement.health(after(*MOVED), DRAINED)

    assert found.healthy
    assert found.message.startswith("Node node1 is isolated, and what it ran of 1 workloads is")
    assert found.evidence is not None
    assert found.evidence.node is not None
    assert (found.evidence.node.ready, found.evidence.node.schedulable) == (True, False)
    assert found.evidence.node.pods == 0
    assert found.evidence.node.recovery_seconds is None


def test_the_seconds_to_recovery_are_recorded() -> None:
    step = DRAINED.model_copy(update={"healthy_since": NOW + timedelta(seconds=11.2)})

    found = displacement.health(after(*MOVED), step)

    assert found.evidence is not None
    assert found.evidence.node is not None
    assert found.evidence.node.recovery_seconds == 12
    assert found.message.endswith("is Available elsewhere 12 s after the isolation began.")


def test_an_isolation_that_displaces_nothing_is_done_at_once() -> None:
    step = QUARANTINED.model_copy(update={"healthy_since": NOW})

    found = displacement.health(after(web("node1")), step)

    assert (found.healthy, found.message) == (
        True,
        "Node node1 is isolated; no workload had to move.",
    )
    assert found.evidence is not None
    assert found.evidence.node is not None
    assert (found.evidence.node.pods, found.evidence.node.recovery_seconds) == (1, None)


def test_before_a_step_there_is_evidence_and_no_health() -> None:
    for step in (None, a_record(None)):
        found = displacement.health(after(web("node1"), node=a_worker()), step)

        assert not found.healthy
        assert found.evidence is not None
        assert found.evidence.node is not None
        assert (found.evidence.node.schedulable, found.evidence.node.pods) == (True, 1)


@pytest.mark.parametrize("changes", [{"node": None}, {"fleet": None}])
def test_missing_data_is_never_health(changes: dict[str, Any]) -> None:
    look = after(*MOVED)
    look = replace(look, sighting=replace(look.sighting, **changes))

    found = displacement.health(look, DRAINED)

    assert (found.healthy, found.evidence) == (False, None)


def of_statefulset(node: str) -> Object:
    return on(node, a_pod("db-0", owner=a_workload("StatefulSet")))


def an_unscheduled(**changes: Any) -> Object:  # noqa: ANN401 - any part of a pod's spec
    pod = on(None, a_pod("new", creationTimestamp=stamp(NOW)), **changes)
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False"}]
    return pod


SICK: dict[str, tuple[Callable[[], Seen], str]] = {
    "our mark is gone": (
        lambda: after(*MOVED, node=a_worker()),
        "Node node1 does not carry our mark any more: somebody else took it away.",
    ),
    "a pod is left": (
        lambda: after(*MOVED, web("node1", "web-9")),
        "Node node1 still runs team-a/web-9.",
    ),
    "a pod is missing": (
        lambda: after(MOVED[0]),
        "Deployment team-a/web has 1 of 2 pods Available away from node node1.",
    ),
    "a pod elsewhere is not ready": (
        lambda: after(MOVED[0], web("node3", "web-3", ready=False)),
        "Deployment team-a/web has 1 of 2 pods Available away from node node1.",
    ),
    "a pod elsewhere is leaving": (
        lambda: after(MOVED[0], terminating(MOVED[1])),
        "Deployment team-a/web has 1 of 2 pods Available away from node node1.",
    ),
    "the ready pods are another's": (
        lambda: after(MOVED[0], web("node3", "x", labels={"app": "x"})),
        "Deployment team-a/web has 1 of 2 pods Available away from node node1.",
    ),
    "the ready pods lie in another namespace": (
        lambda: after(MOVED[0], web("node3", "x", namespace="team-b")),
        "Deployment team-a/web has 1 of 2 pods Available away from node node1.",
    ),
    "its controller counts less": (
        lambda: after(*MOVED, workloads=(a_workload(availableReplicas=0),)),
        "Deployment team-a/web has 0 of 2 pods Available away from node node1.",
    ),
    "its controller has not looked yet": (
        lambda: after(*MOVED, workloads=(a_workload(observedGeneration=0),)),
        "Deployment team-a/web has 2 of 2 pods Available away from node node1.",
    ),
    "a new pod finds no other node": (
        lambda: after(*MOVED, an_unscheduled()),
        "No other node takes pod team-a/new, which Node node1 would take.",
    ),
}


@pytest.mark.parametrize(("look", "message"), SICK.values(), ids=SICK)
def test_is_not_done_while(look: Callable[[], Seen], message: str) -> None:
    found = displacement.health(look(), DRAINED)

    assert (found.healthy, found.message) == (False, message)


FINE: dict[str, Callable[[], Seen]] = {
    "a workload that was deleted meanwhile": lambda: after(workloads=()),
    "a workload that was not displaced": lambda: after(
        *MOVED, workloads=(a_workload(), {**a_workload("StatefulSet"), "status": {}})
    ),
    "a workload that wants nothing": lambda: after(workloads=(a_workload(replicas=0),)),
    "a pod that waited before": lambda: after(
        *MOVED, {**an_unscheduled(), "metadata": a_pod("old")["metadata"]}
    ),
    "a pod that waits for another pool": lambda: after(
        *MOVED, an_unscheduled(nodeSelector={"pool": "cpu"})
    ),
    "a pod that waits and is being deleted": lambda: after(*MOVED, terminating(an_unscheduled())),
    "a pod that is about to be scheduled": lambda: after(
        *MOVED, on(None, a_pod("new", creationTimestamp=stamp(NOW)))
    ),
    "a pod that a dead node could not take either": lambda: after(
        *MOVED, an_unscheduled(), node=DOWN
    ),
    "a pod that another taint of the node keeps away": lambda: after(
        *MOVED,
        an_unscheduled(),
        node=with_taints(NODE, {"key": "spot", "value": "x", "effect": "NoSchedule"}),
    ),
}


@pytest.mark.parametrize("look", FINE.values(), ids=FINE)
def test_does_not_wait_for(look: Callable[[], Seen]) -> None:
    found = displacement.health(look(), DRAINED)

    assert found.healthy, found.message


def test_the_taint_of_a_cordon_does_not_hide_a_waiting_pod() -> None:
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}

    found = displacement.health(
        after(*MOVED, an_unscheduled(), node=with_taints(NODE, cordon)), DRAINED
    )

    assert not found.healthy


def test_a_member_of_a_statefulset_on_a_lost_node_is_reported_and_left() -> None:
    stuck = terminating(of_statefulset("node1"))
    other = on("node2", a_pod("db-1", owner=a_workload("StatefulSet")))
    step = a_record(an_intent(IntentVerb.DRAIN, "web", kind="StatefulSet"))
    members = (a_workload("StatefulSet"),)

    dead = displacement.health(after(stuck, other, node=DOWN, workloads=members), step)
    alive = displacement.health(after(stuck, other, workloads=members), step)

    assert dead.message.startswith(
        "StatefulSet team-a/web has 1 of 2 pods Available away from node node1. Node node1 does not"
        " answer, and pod team-a/db-0 of a StatefulSet must not run twice: make sure that the"
        " machine is off"
    )
    assert alive.message == "StatefulSet team-a/web has 1 of 2 pods Available away from node node1."
    assert not dead.healthy


def test_a_quarantine_leaves_pods_where_they_are() -> None:
    fleet = a_fleet(NODE, a_worker("node2"), a_worker("node3"))

    assert displacement.health(a_look(NODE, fleet), QUARANTINED).healthy
