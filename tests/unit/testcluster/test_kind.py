"""What kind and Docker are told; a machine without Docker can test no more."""

import json
from typing import Any, cast

import pytest

from testcluster import faults
from testcluster.errors import UnavailableError
from testcluster.providers.kind import Kind, cluster_config, fault_commands, node_names
from testcluster.settings import Settings

SETTINGS = Settings(name="blue")


def test_asks_for_one_control_plane_and_the_workers() -> None:
    config = cast("dict[str, Any]", cluster_config(SETTINGS, 3))
    roles = [node["role"] for node in config["nodes"]]
    assert roles == ["control-plane", "worker", "worker", "worker"]


def test_shortens_the_same_delays_as_the_embedded_cluster() -> None:
    config = cast("dict[str, Any]", cluster_config(SETTINGS, 1))
    cluster, kubelet = (json.loads(patch) for patch in config["kubeadmConfigPatches"])
    grace = cluster["controllerManager"]["extraArgs"]["node-monitor-grace-period"]
    assert grace == f"{SETTINGS.timings.node_grace.total_seconds():g}s"
    assert kubelet["nodeLeaseDurationSeconds"] == SETTINGS.timings.node_lease.total_seconds()


def test_names_workers_as_kind_does() -> None:
    assert node_names(SETTINGS, 3) == ["blue-worker", "blue-worker2", "blue-worker3"]
    assert node_names(SETTINGS, 0) == []


@pytest.mark.parametrize("fault", ["fill-disk", "free-disk"])
def test_refuses_to_fill_the_disk_of_the_contributor(fault: str) -> None:
    with pytest.raises(UnavailableError, match="embedded") as refusal:
        fault_commands(fault, "blue-worker")
    assert refusal.value.exit_code == 69


@pytest.mark.parametrize("fault", [n for n in faults.CATALOGUE if not n.endswith("-disk")])
def test_carries_every_other_fault_out_on_the_node_it_names(fault: str) -> None:
    commands = fault_commands(fault, "blue-worker")
    assert commands
    assert all(command[0] == "docker" for command in commands)
    assert all("blue-worker" in command for command in commands)


@pytest.mark.parametrize(
    ("fault", "command"),
    [
        ("stop-kubelet", ["docker", "exec", "n", "systemctl", "stop", "kubelet"]),
        ("start-containerd", ["docker", "exec", "n", "systemctl", "start", "containerd"]),
        ("crash-node", ["docker", "stop", "--time=0", "n"]),
        ("boot-node", ["docker", "start", "n"]),
    ],
)
def test_breaks_nodes_by_their_containers(fault: str, command: list[str]) -> None:
    assert fault_commands(fault, "n")[-1] == command


@pytest.mark.parametrize(
    ("fault", "source", "target"),
    [
        ("stop-etcd", "/etc/kubernetes/manifests/etcd.yaml", "/etc/kubernetes/etcd.yaml"),
        (
            "start-apiserver",
            "/etc/kubernetes/kube-apiserver.yaml",
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
        ),
    ],
)
def test_stops_the_control_plane_by_its_manifests_and_may_do_so_twice(
    fault: str, source: str, target: str
) -> None:
    script = fault_commands(fault, "n")[0][-1]
    assert script == f"test ! -e {source} || mv {source} {target}"


def test_cuts_what_passes_a_node_as_well_as_what_it_sends() -> None:
    script = fault_commands("cut-network", "n")[0][-1]
    for chain in ("INPUT -i", "OUTPUT -o", "FORWARD -i", "FORWARD -o"):
        assert f"iptables -I {chain} eth0 -j DROP" in script


def test_a_cluster_without_nodes_is_a_control_plane_that_takes_no_pods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    def note(argv: list[str]) -> None:
        calls.append(" ".join(argv))

    monkeypatch.setattr("testcluster.providers.kind.run", note)
    Kind(SETTINGS).keep_pods_away()
    assert "rollout status deployment/coredns" in calls[0]
    assert calls[1].endswith("cordon blue-control-plane")
