"""Names and addresses of a cluster."""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from testcluster.errors import UsageError
from testcluster.settings import MOST_NODES, Settings, Timings, Topology, settings_from


@pytest.mark.parametrize("name", ["a", "autoglm", "cluster-2", "a" * 30])
def test_accepts_names_that_fit_a_container(name: str) -> None:
    assert Settings(name=name).control_group == f"autoglm-{name}"


@pytest.mark.parametrize("name", ["", "A", "2nd", "-a", "a-", "a/b", "..", "a b", "a" * 31])
def test_refuses_other_names_with_an_example(name: str) -> None:
    with pytest.raises(UsageError, match="such as 'autoglm'"):
        Settings(name=name)


def test_keeps_clusters_of_different_names_apart() -> None:
    first, second = Settings(name="one"), Settings(name="two")
    assert first.directory != second.directory
    assert first.lock_file != second.lock_file
    assert first.control_namespace != second.control_namespace


def test_gives_every_node_its_own_pods() -> None:
    topology = Topology()
    networks = [topology.node_pods(index) for index in range(1, MOST_NODES + 1)]
    assert len(set(networks)) == MOST_NODES
    assert all(network.subnet_of(topology.pod_network) for network in networks)
    assert str(networks[0]) == "10.244.1.0/24"


def test_puts_nodes_into_the_control_network_beside_the_control_plane() -> None:
    topology = Topology()
    addresses = {topology.node_address(index) for index in range(1, MOST_NODES + 1)}
    assert len(addresses - {topology.control_address}) == MOST_NODES
    assert all(address in topology.control_network for address in addresses)


def test_serves_kubernetes_and_dns_at_the_customary_addresses() -> None:
    topology = Topology()
    assert topology.kubernetes_service == ip_address("10.96.0.1")
    assert topology.dns_service == ip_address("10.96.0.10")


def test_takes_the_name_from_the_command_line_before_the_environment() -> None:
    environment = {"AUTOGLM_CLUSTER": "theirs"}
    assert settings_from("mine", environment).name == "mine"
    assert settings_from(None, environment).name == "theirs"
    assert settings_from(None, {}).name == "autoglm"


def test_keeps_its_state_where_the_environment_says(tmp_path: Path) -> None:
    settings = settings_from(None, {"AUTOGLM_CLUSTER_STATE": str(tmp_path)})
    assert settings.directory == tmp_path / "autoglm"


def test_says_which_delays_are_shorter_than_in_an_ordinary_cluster() -> None:
    shortened = Timings(node_grace=timedelta(seconds=20)).shortened()
    assert "node lost after 20 s (50 s)" in shortened
