"""The lines that build the network."""

from testcluster.network import control_lines, namespaces, node_lines
from testcluster.settings import MOST_NODES, Settings

SETTINGS = Settings(name="blue")


def test_plugs_every_node_into_the_one_bridge() -> None:
    lines = list(control_lines(SETTINGS, 2))
    for name in ("node1", "node2"):
        peer = SETTINGS.directory / "net" / name
        assert f"link add {name} type veth peer name eth0 netns {peer}" in lines
        assert f"link set {name} master cluster up" in lines


def test_routes_pods_through_their_nodes() -> None:
    assert "route add 10.244.2.0/24 via 10.89.0.12" in control_lines(SETTINGS, 2)
    assert "route add 10.244.2.0/24 via 10.89.0.12" in node_lines(SETTINGS, 2, 1)


def test_no_node_routes_its_own_pods_away() -> None:
    assert not any("10.244.1.0/24" in line for line in node_lines(SETTINGS, 4, 1))


def test_the_control_plane_has_a_route_for_services() -> None:
    assert "route add 10.96.0.0/16 dev cluster" in control_lines(SETTINGS, 0)


def test_looks_for_leftovers_of_every_node_a_cluster_can_have() -> None:
    assert len(namespaces(SETTINGS)) == 1 + MOST_NODES
