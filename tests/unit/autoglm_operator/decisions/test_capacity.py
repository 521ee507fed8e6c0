"""Room for more pods is counted by requests, and only where they would be let in."""

from decimal import Decimal
from typing import Any

import pytest

from autoglm_operator.decisions import capacity
from autoglm_operator.decisions.quantities import amount

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", "2"),
        (3, "3"),
        ("250m", "0.25"),
        ("1Gi", "1073741824"),
        ("5k", "5000"),
        ("1e3", "1000"),
        ("0.5", "0.5"),
        ("2E", "2000000000000000000"),
    ],
)
def test_reads_amounts(text: object, number: str) -> None:
    assert amount(text) == Decimal(number)


def test_refuses_what_is_no_amount() -> None:
    with pytest.raises(ValueError, match="no quantity"):
        amount("many")


def a_spec(cpu: str = "500m", **spec: object) -> Object:
    return {"containers": [{"resources": {"requests": {"cpu": cpu}}}], **spec}


def a_node(name: str = "node1", *, cpu: str = "2", ready: str = "True", **spec: object) -> Object:
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"pool": "general"}},
        "spec": spec,
        "status": {
            "allocatable": {"cpu": cpu, "pods": "110"},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def a_pod(node: str = "node1", cpu: str = "500m", phase: str = "Running") -> Object:
    return {"spec": {"nodeName": node, **a_spec(cpu)}, "status": {"phase": phase}}


def test_sums_containers_and_takes_the_largest_that_starts_before_them() -> None:
    spec: Object = {
        "containers": [
            {"resources": {"requests": {"cpu": "100m"}}},
            {"resources": {"limits": {"memory": "1Gi"}}},
        ],
        "initContainers": [
            {"resources": {"requests": {"cpu": "1"}}},
            {"resources": {"requests": {"cpu": "300m"}}},
            {"restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}},
        ],
        "overhead": {"cpu": "10m"},
    }

    assert capacity.requested(spec) == {
        "cpu": Decimal("1.010"),
        "memory": Decimal(2**30),
        "pods": Decimal(1),
    }
    assert capacity.requested(spec, "limits")["memory"] == 2**30


def test_counts_what_pods_of_a_node_leave() -> None:
    pods = [a_pod(), a_pod(phase="Succeeded"), a_pod("node2")]

    assert capacity.node_room([a_node()], pods, a_spec()) == 3


def test_has_no_room_where_more_is_used_than_there_is() -> None:
    assert capacity.node_room([a_node(cpu="1")], [a_pod(), a_pod(cpu="1")], a_spec()) == 0


def test_pods_are_a_resource_too() -> None:
    node = a_node()
    node["status"]["allocatable"]["pods"] = "2"

    assert capacity.node_room([node], [a_pod()], a_spec("1m")) == 1


def test_a_resource_that_no_node_has_leaves_no_room() -> None:
    spec = {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]}

    assert capacity.node_room([a_node()], [], spec) == 0


@pytest.mark.parametrize(
    "node",
    [
        a_node(unschedulable=True),
        a_node(ready="Unknown"),
        a_node(taints=[{"key": "own", "effect": "NoSchedule"}]),
    ],
    ids=["cordoned", "not ready", "tainted"],
)
def test_a_node_that_lets_nobody_in_has_no_room(node: Object) -> None:
    assert capacity.node_room([node], [], a_spec()) == 0


def test_a_mere_preference_keeps_nobody_out() -> None:
    node = a_node(taints=[{"key": "own", "effect": "PreferNoSchedule"}])

    assert capacity.node_room([node], [], a_spec()) == 4


def test_a_node_selector_counts() -> None:
    assert capacity.takes(a_node(), a_spec(nodeSelector={"pool": "general"}))
    assert not capacity.takes(a_node(), a_spec(nodeSelector={"pool": "gpu"}))


@pytest.mark.parametrize(
    ("toleration", "taken"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "own", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "own", "value": "a"}, True),
        ({"key": "own", "value": "b"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "own", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"value": "a"}, False),
    ],
)
def test_a_taint_is_tolerated_as_the_scheduler_does(toleration: Object, *, taken: bool) -> None:
    node = a_node(taints=[{"key": "own", "value": "a", "effect": "NoSchedule"}])

    assert capacity.takes(node, a_spec(tolerations=[toleration])) is taken


def a_quota(hard: Object, used: Object, **spec: object) -> Object:
    return {"metadata": {"name": "team"}, "spec": spec, "status": {"hard": hard, "used": used}}


@pytest.mark.parametrize(
    ("quota", "room"),
    [
        (a_quota({"pods": "5"}, {"pods": "3"}), (2, "team")),
        (a_quota({"count/pods": "5"}, {}), (5, "team")),
        (a_quota({"requests.cpu": "2"}, {"requests.cpu": "900m"}), (2, "team")),
        (a_quota({"cpu": "2"}, {"cpu": "3"}), (0, "team")),
        (a_quota({"limits.memory": "1Gi"}, {"limits.memory": "0"}), (1, "team")),
        (a_quota({"services": "1"}, {"services": "1"}), (capacity.ENOUGH, "")),
        (a_quota({"pods": "5"}, {"pods": "5"}, scopes=["Terminating"]), (capacity.ENOUGH, "")),
        (a_quota({"pods": "5"}, {"pods": "5"}, scopeSelector={"a": 1}), (capacity.ENOUGH, "")),
    ],
)
def test_a_quota_limits_by_what_it_counts(quota: Object, room: tuple[int, str]) -> None:
    spec = a_spec()
    spec["containers"][0]["resources"]["limits"] = {"memory": "600Mi"}

    assert capacity.quota_room([quota], spec) == room
