"""Which node or pod an address means, and what a node's object says about it."""

from typing import Any

import pytest

from autoglm_operator.decisions import nodes
from autoglm_operator.decisions.reading import name_of
from episodes import a_node, a_pod

HOSTS = {
    "a name": ("node1", "node1"),
    "a name in capitals": ("Node1", "node1"),
    "a name with a port": ("node1:9100", "node1"),
    "a name with dots and a port": ("node1.example.com:9100", "node1.example.com"),
    "an address": ("10.0.0.1", "10.0.0.1"),
    "an address with a port": ("10.0.0.1:9100", "10.0.0.1"),
    "blanks around it": (" 10.0.0.1 ", "10.0.0.1"),
    "IPv6": ("fd00::1", "fd00::1"),
    "IPv6 in its long form": ("fd00:0:0:0:0:0:0:1", "fd00::1"),
    "IPv6 in capitals": ("FD00::A", "fd00::a"),
    "IPv6 in brackets": ("[fd00::1]", "fd00::1"),
    "IPv6 with a port": ("[fd00::1]:9100", "fd00::1"),
    "nothing": ("", ""),
    "only a port": (":9100", ""),
    "nonsense": ("[", ""),
}


@pytest.mark.parametrize(("text", "host"), HOSTS.values(), ids=HOSTS)
def test_finds_the_host_in(text: str, host: str) -> None:
    assert nodes.host(text) == host


NODES = [
    a_node("node1", addresses=["10.0.0.1", "fd00:0::1"]),
    a_node("node2", addresses=["10.0.0.2", "node2.internal"]),
    a_node("node3", addresses=["10.0.0.3", "10.0.0.2"]),
    a_node("node4"),
]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node4", ["node4"]),
        ("node4:9100", ["node4"]),
        ("10.0.0.1:9100", ["node1"]),
        ("[fd00::1]:9100", ["node1"]),
        ("node2.internal", ["node2"]),
        ("10.0.0.2", ["node2", "node3"]),
        ("10.0.0", []),
        ("node", []),
        ("", []),
    ],
)
def test_names_nodes_by_name_or_whole_address(text: str, names: list[str]) -> None:
    assert [name_of(node) for node in nodes.named_nodes(NODES, text)] == names


def a_pod_at(address: str, name: str = "web-1", **status: Any) -> dict[str, Any]:  # noqa: ANN401
    pod = a_pod(name)
    pod["status"] |= {"podIP": address, **status}
    return pod


def test_a_pod_is_named_by_any_of_its_addresses() -> None:
    pods = [
        a_pod_at("10.1.0.1", podIPs=[{"ip": "10.1.0.1"}, {"ip": "fd01::1"}]),
        a_pod_at("10.1.0.2", "web-2"),
        a_pod("web-3"),
    ]

    assert nodes.addressed_pods(pods, "10.1.0.1:8080") == [pods[0]]
    assert nodes.addressed_pods(pods, "[fd01::1]:8080") == [pods[0]]
    assert nodes.addressed_pods(pods, "10.1.0.9") == []
    assert nodes.addressed_pods(pods, "") == []


def test_a_pod_in_the_network_of_its_host_is_never_meant() -> None:
    pod = a_pod_at("10.0.0.1")
    pod["spec"] = {"hostNetwork": True}

    assert nodes.addressed_pods([pod], "10.0.0.1") == []


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_the_address_of_a_finished_pod_is_not_its_own_any_more(phase: str) -> None:
    pods = [a_pod_at("10.1.0.1", phase=phase), a_pod_at("10.1.0.1", "web-2")]

    assert nodes.addressed_pods(pods, "10.1.0.1") == [pods[1]]


@pytest.mark.parametrize("role", ["control-plane", "master"])
def test_knows_the_control_plane_by_its_label(role: str) -> None:
    assert nodes.is_control_plane(a_node(labels={f"node-role.kubernetes.io/{role}": ""}))
    assert not nodes.is_control_plane(a_node())


def test_knows_whether_a_node_is_ready_and_takes_pods() -> None:
    assert nodes.is_ready(a_node())
    assert not nodes.is_ready(a_node(ready=False))
    assert nodes.is_schedulable(a_node())
    assert not nodes.is_schedulable(a_node(unschedulable=True))


def a_reporting_node(**conditions: str) -> dict[str, Any]:
    node = a_node()
    node["status"]["conditions"] = [
        {"type": about, "status": status, "lastTransitionTime": f"2026-03-01T12:00:0{n}Z"}
        for n, (about, status) in enumerate(conditions.items())
    ]
    return node


@pytest.mark.parametrize(
    ("conditions", "well"),
    [
        ({"Ready": "True"}, True),
        ({"Ready": "True", "DiskPressure": "False"}, True),
        ({"Ready": "True", "DiskPressure": "True"}, False),
        ({"Ready": "True", "NetworkUnavailable": "Unknown"}, False),
        ({"Ready": "Unknown"}, False),
        ({}, False),
        ({"Ready": "True", "OfAnotherProgram": "True"}, True),
    ],
)
def test_a_node_is_well_when_ready_without_pressure(
    conditions: dict[str, str], *, well: bool
) -> None:
    assert nodes.is_well(a_reporting_node(**conditions)) is well


def test_a_node_is_well_since_its_last_relapse() -> None:
    since = nodes.well_since(a_reporting_node(Ready="True", MemoryPressure="False"))

    assert since is not None
    assert since.second == 1
    assert nodes.well_since(a_reporting_node(Ready="False")) is None
    assert nodes.well_since(a_node()) is None


def test_reads_taints() -> None:
    node = a_node()
    assert nodes.taints(node) == []
    node["spec"]["taints"] = [{"key": "spot"}]
    assert nodes.taints(node) == [{"key": "spot"}]
