"""Configuration files of the cluster's programs, as text. Pure: reads and writes nothing."""

import json
from datetime import timedelta
from typing import Any

from testcluster.settings import Settings

Document = dict[str, Any]

NODE_FILES = "/opt/testcluster"
"""Where a node sees the files made for it."""
NODE_RUN = "/run/testcluster"
"""Pid files of a node's programs; gone after a power loss, as they must be."""
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CNI_PROGRAMS = "/usr/lib/cni"
"""Source: Debian's package containernetworking-plugins."""
VOLUMES = "/var/lib/local-path"
"""Where a node's disk keeps the data of claims."""


def duration(value: timedelta) -> str:
    """As Go's time.ParseDuration reads it."""
    return f"{value.total_seconds():g}s"


def etcd(directory: str) -> str:
    """One member that does not wait for the disk: tests throw its data away."""
    clients, peers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    document: Document = {
        "name": "testcluster",
        "data-dir": directory,
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"testcluster={peers}",
        "unsafe-no-fsync": True,
        "log-level": "error",
    }
    return json.dumps(document, indent=1)


def registry(settings: Settings, directory: str) -> str:
    """The image registry, over plain HTTP inside the cluster's network."""
    document: Document = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": directory}, "delete": {"enabled": True}},
        "http": {"addr": settings.topology.registry},
    }
    return json.dumps(document, indent=1)


def corefile(settings: Settings) -> str:
    """Cluster DNS; names outside the cluster fail at once, since nothing outside is reachable."""
    address = settings.topology.control_address
    return f"""\
.:53 {{
    bind {address}
    errors
    ready {address}:8181
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {settings.pki / "coredns.kubeconfig"}
    }}
    cache 5
}}
"""


def resolver(settings: Settings) -> str:
    """The resolv.conf of programs that run beside the control plane."""
    return (
        f"nameserver {settings.topology.control_address}\n"
        "search svc.cluster.local cluster.local\n"
        "options ndots:5\n"
    )


def registry_hosts(settings: Settings) -> str:
    """Where containerd finds images named registry.local/..."""
    url = f"http://{settings.topology.registry}"
    return f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'


def containerd(pause_image: str) -> str:
    """Version 3 of containerd's configuration, for 2.x.

    Without CAP_SYS_RESOURCE nothing may lower its OOM score, hence oom_score and
    restrict_oom_score_adj. A pinned pause image is never collected.
    """
    return f"""\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{pause_image}"
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = "{NODE_FILES}/registries"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{CNI_PROGRAMS}"]
    conf_dir = "{NODE_FILES}/cni"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def pod_network(settings: Settings, index: int) -> str:
    """CNI: every pod is routed, so no bridge filter of the host's kernel is needed."""
    ipam: Document = {
        "type": "host-local",
        "ranges": [[{"subnet": str(settings.topology.node_pods(index))}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": f"{NODE_RUN}/cni",  # leases end with the node's processes
    }
    document: Document = {
        "cniVersion": "0.4.0",
        "name": "testcluster",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    return json.dumps(document, indent=1)


def kubelet(settings: Settings, index: int, machine_memory_mib: int) -> str:
    """One kubelet: a slice of the machine's memory, real certificates, shortened delays."""
    name = settings.node_name(index)
    timings = settings.timings
    reserved = max(machine_memory_mib - settings.node_memory_mib, 0)
    document: Document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{settings.control_group}/{name}",
        "enforceNodeAllocatable": ["pods"],
        "systemReserved": {"memory": f"{reserved}Mi", "cpu": "200m"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{NODE_FILES}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{NODE_FILES}/node.crt",
        "tlsPrivateKeyFile": f"{NODE_FILES}/node.key",
        "clusterDNS": [str(settings.topology.dns_service)],
        "clusterDomain": "cluster.local",
        "resolvConf": "/etc/resolv.conf",
        "volumePluginDir": "/var/lib/kubelet/volumeplugins",
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxOpenFiles": 20000,
        "maxPods": 60,
        "nodeStatusUpdateFrequency": duration(timings.node_status_period),
        "nodeLeaseDurationSeconds": int(timings.node_lease.total_seconds()),
        "syncFrequency": duration(timings.pod_sync),
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "10%",
            "nodefs.inodesFree": "5%",
            "imagefs.available": "10%",
        },
        "evictionPressureTransitionPeriod": duration(timings.pressure_transition),
        "imageGCHighThresholdPercent": 100,
    }
    return json.dumps(document, indent=1)


def kube_proxy(settings: Settings, address: str, kubeconfig: str) -> str:
    """One kube-proxy, in nftables mode, that leaves the machine's connection limits alone."""
    document: Document = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": str(settings.topology.pod_network),
        "bindAddress": address,
        "clientConnection": {"kubeconfig": kubeconfig},
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "oomScoreAdj": 0,
    }
    return json.dumps(document, indent=1)
