"""The cluster is whole before anything is tried on it."""

from clusterlink import ClusterCommand
from kube import Kube
from statuses import condition, is_ready, taints


def test_every_node_is_ready_and_untainted(kube: Kube, nodes: list[str]) -> None:
    found = [kube.get("Node", name) for name in nodes]
    assert all(is_ready(node) for node in found)
    assert not set[str]().union(*(taints(node) for node in found))


def test_every_node_has_room(kube: Kube, nodes: list[str]) -> None:
    for name in nodes:
        node = kube.get("Node", name)
        assert [condition(node, f"{what}Pressure") for what in ("Disk", "Memory", "PID")] == [
            "False"
        ] * 3


def test_api_server_says_it_is_ready(kube: Kube) -> None:
    assert kube.raw("GET", "/readyz") == b"ok"


def test_a_node_that_does_not_exist_is_refused_by_name(
    cluster: ClusterCommand, nodes: list[str]
) -> None:
    outcome = cluster.attempt("fault", "stop-kubelet", "node9")
    assert outcome.code == 2
    assert "node9" in outcome.sentence
    assert all(name in outcome.sentence for name in nodes)
