"""Whether the pods of one node would find room on others."""

from typing import Any

import pytest

from autoglm_operator.decisions import placement
from autoglm_operator.decisions.reading import name_of
from episodes import Object, a_pod
from isolations import a_worker, on, with_taints


def wanting(**affinity: object) -> Object:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": affinity}
    return on("node1", a_pod(), affinity={"nodeAffinity": required})


def terms(*each: dict[str, Any]) -> dict[str, Any]:
    return {"nodeSelectorTerms": list(each)}


GPU = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["gpu"]}]}
CPU = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["cpu"]}]}
HERE = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node2"]}]}
THERE = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node3"]}]}

ADMITTED = {
    "any pod": (on("node1", a_pod()), True),
    "a pod that wants its label": (on("node1", a_pod(), nodeSelector={"pool": "gpu"}), True),
    "a pod that wants another label": (on("node1", a_pod(), nodeSelector={"pool": "cpu"}), False),
    "a pod with affinity for it": (wanting(**terms(CPU, GPU)), True),
    "a pod with affinity for another": (wanting(**terms(CPU)), False),
    "a pod with affinity for its name": (wanting(**terms(HERE)), True),
    "a pod with affinity for another name": (wanting(**terms(THERE)), False),
    "a pod whose affinity says nothing": (wanting(**terms({})), False),
}


@pytest.mark.parametrize(("pod", "admitted"), ADMITTED.values(), ids=ADMITTED)
def test_a_node_admits(pod: Object, *, admitted: bool) -> None:
    assert placement.admits(a_worker("node2"), pod) is admitted


@pytest.mark.parametrize(
    "node",
    [
        a_worker("node2", ready=False),
        a_worker("node2", unschedulable=True),
        with_taints(a_worker("node2"), {"key": "spot", "effect": "NoSchedule"}),
    ],
)
def test_a_node_that_takes_no_pods_is_no_standby(node: Object) -> None:
    pod = on("node1", a_pod())

    assert placement.homeless([pod], [node], [pod]) == [pod]


def test_every_pod_takes_its_room() -> None:
    pods = [on("node1", a_pod(f"web-{n}"), cpu="1500m") for n in range(5)]
    nodes = [a_worker("node2"), a_worker("node3")]

    assert placement.homeless(pods[:4], nodes, pods) == []
    assert len(placement.homeless(pods, nodes, pods)) == 1


def test_what_runs_there_already_counts() -> None:
    pod = on("node1", a_pod(), cpu="2")
    there = on("node2", a_pod("other"), cpu="3")

    assert placement.homeless([pod], [a_worker("node2")], [pod, there]) == [pod]


def test_the_larger_ones_come_first() -> None:
    small, large = on("node1", a_pod("small"), cpu="1"), on("node1", a_pod("large"), cpu="4")

    found = placement.homeless([small, large], [a_worker("node2")], [])

    assert [name_of(pod) for pod in found] == ["small"]


def test_a_device_that_no_other_node_has_leaves_a_pod_homeless() -> None:
    containers = [{"resources": {"requests": {"nvidia.com/gpu": "1"}}}]
    pod = on("node1", a_pod(), containers=containers)

    assert placement.homeless([pod], [a_worker("node2")], []) == [pod]
