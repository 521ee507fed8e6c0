"""Which pods leave a node that is drained, which stay, and which are in the way."""

import pytest

from autoglm_api.healingrun import Isolation
from autoglm_operator.decisions import evictions
from autoglm_operator.decisions.reading import name_of
from episodes import Object, a_node, a_pod, a_workload
from isolations import on, terminating, web

BARE = on("node1", a_pod("bare", ownerReferences=[]))
SCRATCH = on("node1", a_pod("scratch"), volumes=[{"name": "s", "emptyDir": {}}])
STAYS = {
    "of a DaemonSet": on("node1", a_pod("agent", owner=a_workload("DaemonSet"))),
    "of its node": on("node1", a_pod("proxy", owner=a_node())),
    "of a file": on("node1", a_pod("etcd", annotations={"kubernetes.io/config.mirror": "x"})),
}


def finished(pod: Object, phase: str) -> Object:
    pod["status"]["phase"] = phase
    return pod


def test_finds_the_unfinished_pods_of_a_node_in_order() -> None:
    pods = [
        web("node1", "web-3"),
        web("node1", "web-1"),
        web("node2", "web-2"),
        on(None, a_pod("waiting")),
        finished(web("node1", "done"), "Succeeded"),
        finished(web("node1", "failed"), "Failed"),
    ]

    assert [name_of(pod) for pod in evictions.of_node(pods, "node1")] == ["web-1", "web-3"]


@pytest.mark.parametrize("pod", STAYS.values(), ids=STAYS)
def test_leaves_a_pod(pod: Object) -> None:
    assert evictions.stays(pod)
    assert evictions.movable([pod]) == []
    assert evictions.leaving([terminating(pod)]) == []


def test_moves_a_pod_once() -> None:
    pods = [web("node1"), terminating(web("node1", "web-2"))]

    assert [name_of(pod) for pod in evictions.movable(pods)] == ["web-1"]
    assert [name_of(pod) for pod in evictions.leaving(pods)] == ["web-2"]


def test_says_which_pods_would_be_lost() -> None:
    found = evictions.blockers([web("node1"), BARE, SCRATCH], Isolation(mark="m"))

    assert [(each.pod, each.why) for each in found] == [
        ("team-a/bare", "nobody would make it anew (evictBarePods)"),
        ("team-a/scratch", "its emptyDir would be lost (evictLocalData)"),
    ]


def test_evicts_only_what_the_policy_gives_up() -> None:
    pods = [web("node1"), BARE, SCRATCH]
    all_of_them = Isolation(mark="m", evict_bare_pods=True, evict_local_data=True)

    assert evictions.candidates(pods, Isolation(mark="m")) == [pods[0]]
    assert evictions.candidates(pods, all_of_them) == pods


def test_only_a_few_leave_a_node_at_once() -> None:
    leaving = [terminating(web("node1", f"web-{n}")) for n in range(4)]

    assert evictions.room([], reachable=True) == evictions.AT_ONCE
    assert evictions.room(leaving, reachable=True) == 1
    assert evictions.room([*leaving, *leaving], reachable=True) == 0
    assert evictions.room(leaving, reachable=False) == evictions.AT_ONCE_WHEN_DOWN


@pytest.mark.parametrize(("own", "asked"), [(0, 1), (1, None), (30, None), (None, None)])
def test_no_pod_is_asked_to_leave_without_any_grace(own: int | None, asked: int | None) -> None:
    pod = on("node1", a_pod("db-0"))
    pod["spec"] |= {} if own is None else {"terminationGracePeriodSeconds": own}

    assert evictions.grace(pod) == asked
