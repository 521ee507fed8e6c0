"""Our own marks on a node, and those of others."""

from typing import Any

import pytest

from autoglm_operator.decisions import nodemarks
from episodes import Object
from isolations import a_worker, isolated, own_taint, with_taints

SPOT = {"key": "spot", "effect": "NoSchedule"}
VERSION = {"uid": "node-node1", "resourceVersion": "7"}

AT_WORK = {
    "the cluster autoscaler": with_taints(a_worker(), {"key": "ToBeDeletedByClusterAutoscaler"}),
    "Karpenter": with_taints(a_worker(), SPOT, {"key": "karpenter.sh/disrupted"}),
    "a maintenance": with_taints(a_worker(), {"key": "medik8s.io/drain"}),
    "Kured": a_worker(annotations={"weave.works/kured-reboot-in-progress": "2026-01-01"}),
    "a person who excluded it": a_worker(
        labels={"remediation.medik8s.io/exclude-from-remediation": "true"}
    ),
    "a person who paused it": a_worker(labels={"autoglm.io/healing": "paused"}),
}


@pytest.mark.parametrize("node", AT_WORK.values(), ids=AT_WORK)
def test_sees_at_work(node: Object) -> None:
    why = nodemarks.others_at_work(node)

    assert why is not None
    assert why.startswith("Node node1 is left alone for now: ")


@pytest.mark.parametrize(
    "node",
    [
        a_worker(),
        with_taints(a_worker(), SPOT),
        a_worker(annotations={"weave.works/kured-most-recent-reboot-needed": "2026-01-01"}),
        a_worker(labels={"remediation.medik8s.io/exclude-from-remediation": "false"}),
        a_worker(labels={"autoglm.io/healing": "on"}),
        isolated(a_worker()),
    ],
)
def test_sees_nobody_else_at_work(node: Object) -> None:
    assert nodemarks.others_at_work(node) is None


def test_isolating_keeps_the_taints_of_others() -> None:
    node = with_taints(a_worker(), SPOT)

    assert nodemarks.isolating(node, "crash-1") == {
        "metadata": VERSION,
        "spec": {"taints": [SPOT, own_taint()], "unschedulable": True},
    }


def test_isolating_twice_sets_one_taint() -> None:
    assert nodemarks.isolating(isolated(a_worker()), "crash-1")["spec"]["taints"] == [own_taint()]


def test_releasing_takes_taint_and_cordon_away() -> None:
    node = with_taints(isolated(a_worker()), SPOT)

    assert nodemarks.releasing(node) == {
        "metadata": VERSION,
        "spec": {"taints": [SPOT], "unschedulable": None},
    }


def removed_by_an_autoscaler() -> Object:
    return with_taints(isolated(a_worker()), {"key": "ToBeDeletedByClusterAutoscaler"})


@pytest.mark.parametrize("node", [isolated(a_worker(), "crash-1.kept"), removed_by_an_autoscaler()])
def test_releasing_keeps_a_cordon_that_others_need(node: Object) -> None:
    spec: dict[str, Any] = nodemarks.releasing(node)["spec"]

    assert "unschedulable" not in spec
    assert own_taint() not in spec["taints"]


def test_the_taint_tells_whose_the_cordon_is() -> None:
    assert nodemarks.taint_value(a_worker(), "crash-1") == "crash-1"
    assert nodemarks.taint_value(a_worker(unschedulable=True), "crash-1") == "crash-1.kept"
    longest = "p" * 40 + "-" + "f" * 16
    assert len(nodemarks.taint_value(a_worker(unschedulable=True), longest)) <= 63


def test_knows_its_own_taint() -> None:
    assert nodemarks.own_taint(isolated(with_taints(a_worker(), SPOT))) == "crash-1"
    assert nodemarks.own_taint(with_taints(a_worker(), SPOT)) == ""
