"""Configuration files say what the cluster needs of each program."""

import json
import tomllib
from datetime import timedelta

from testcluster import configs
from testcluster.settings import Settings, Timings

SETTINGS = Settings(name="blue")


def test_writes_durations_as_go_reads_them() -> None:
    assert configs.duration(timedelta(minutes=1)) == "60s"
    assert configs.duration(timedelta(milliseconds=500)) == "0.5s"


def test_kubelets_of_two_clusters_use_different_control_groups() -> None:
    documents = [json.loads(configs.kubelet(Settings(name=n), 1, 8192)) for n in ("a", "b")]
    assert [d["cgroupRoot"] for d in documents] == ["/autoglm-a/node1", "/autoglm-b/node1"]


def test_a_node_offers_its_slice_of_the_machine() -> None:
    document = json.loads(configs.kubelet(SETTINGS, 1, 8192))
    assert document["systemReserved"]["memory"] == f"{8192 - SETTINGS.node_memory_mib}Mi"


def test_a_small_machine_reserves_nothing_it_does_not_have() -> None:
    assert json.loads(configs.kubelet(SETTINGS, 1, 1024))["systemReserved"]["memory"] == "0Mi"


def test_the_kubelet_takes_the_shortened_delays() -> None:
    timings = Timings(node_status_period=timedelta(seconds=3), pod_sync=timedelta(seconds=5))
    document = json.loads(configs.kubelet(Settings(timings=timings), 1, 8192))
    assert document["nodeStatusUpdateFrequency"] == "3s"
    assert document["syncFrequency"] == "5s"


def test_containerd_never_collects_the_pause_image() -> None:
    document = tomllib.loads(configs.containerd("registry.local/pause:1"))
    images = document["plugins"]["io.containerd.cri.v1.images"]
    assert images["pinned_images"]["sandbox"] == "registry.local/pause:1"


def test_containerd_finds_the_registry_of_its_own_cluster() -> None:
    document = tomllib.loads(configs.registry_hosts(SETTINGS))
    assert document["server"] == f"http://{SETTINGS.topology.registry}"
    assert document["host"][document["server"]]["capabilities"] == ["pull", "resolve"]


def test_pods_of_a_node_get_addresses_of_that_node() -> None:
    document = json.loads(configs.pod_network(SETTINGS, 2))
    subnet = document["plugins"][0]["ipam"]["ranges"][0][0]["subnet"]
    assert subnet == str(SETTINGS.topology.node_pods(2))


def test_kube_proxy_leaves_the_connection_limits_of_the_machine_alone() -> None:
    document = json.loads(configs.kube_proxy(SETTINGS, "10.89.0.1", "/kubeconfig"))
    assert document["conntrack"]["maxPerCore"] == document["conntrack"]["min"] == 0


def test_etcd_listens_on_loopback_only() -> None:
    document = json.loads(configs.etcd("/data"))
    listens = [value for key, value in document.items() if key.startswith("listen-")]
    assert listens
    assert all(value.startswith("http://127.0.0.1:") for value in listens)


def test_commands_beside_the_control_plane_ask_the_cluster_dns() -> None:
    address = str(SETTINGS.topology.control_address)
    assert f"nameserver {address}\n" in configs.resolver(SETTINGS)
    assert f"bind {address}\n" in configs.corefile(SETTINGS)
