"""Every name, place, address and duration of a test cluster, in one frozen value.

Two clusters with different names share nothing but programs and images: addresses may be equal
because each cluster lives in network namespaces of its own. Nothing here touches the machine.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from itertools import islice
from pathlib import Path

from testcluster.errors import UsageError

DEFAULT_NAME = "autoglm"
DEFAULT_NODES = 2
MOST_NODES = 4
"""Arbitrary, because more nodes share the same few cores and prove nothing that four do not."""

CONTROL_NETWORK = IPv4Network("10.89.0.0/24")
"""Arbitrary, because nobody outside of the cluster's own namespaces ever sees it."""
POD_NETWORK = IPv4Network("10.244.0.0/16")
"""As customary; may be anything that the other two are not."""
SERVICE_NETWORK = IPv4Network("10.96.0.0/16")
"""As customary; may be anything that the other two are not."""

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,28}[a-z0-9])?")


@dataclass(frozen=True)
class Topology:
    """Addresses inside the cluster's own network namespaces."""

    control_network: IPv4Network = CONTROL_NETWORK
    """One bridge that joins the control plane and the nodes."""
    pod_network: IPv4Network = POD_NETWORK
    """Split into one /24 for each node."""
    service_network: IPv4Network = SERVICE_NETWORK

    @property
    def control_address(self) -> IPv4Address:
        """Where API server, registry and DNS listen."""
        return self.control_network[1]

    def node_address(self, index: int) -> IPv4Address:
        """Address of node number `index`, counted from 1."""
        return self.control_network[10 + index]

    def node_pods(self, index: int) -> IPv4Network:
        """Pod addresses of node number `index`, counted from 1."""
        return next(islice(self.pod_network.subnets(new_prefix=24), index, None))

    @property
    def kubernetes_service(self) -> IPv4Address:
        """Address of the Service `kubernetes`: by definition the first of the range."""
        return self.service_network[1]

    @property
    def dns_service(self) -> IPv4Address:
        """Address of the Service `kube-dns`: the tenth by kubeadm's habit."""
        return self.service_network[10]

    @property
    def api_url(self) -> str:
        """URL of the API server for everything inside the cluster's namespaces."""
        return f"https://{self.control_address}:6443"

    @property
    def registry(self) -> str:
        """Address of the image registry."""
        return f"{self.control_address}:5000"


@dataclass(frozen=True)
class Timings:
    """Delays shortened openly so that tests of faults end within a minute."""

    node_status_period: timedelta = timedelta(seconds=4)
    node_lease: timedelta = timedelta(seconds=16)
    """Kubernetes: 40 s. The kubelet renews at a quarter of it."""
    node_grace: timedelta = timedelta(seconds=16)
    """Kubernetes: 50 s. Less than 16 s makes healthy nodes flicker on two busy cores (measured)."""
    node_monitor_period: timedelta = timedelta(seconds=2)
    pod_toleration: timedelta = timedelta(seconds=5)
    """Kubernetes: 5 min before the pods of a lost node are replaced."""
    pressure_transition: timedelta = timedelta(seconds=15)
    """Kubernetes: 5 min before a node's pressure condition is taken back."""
    pod_sync: timedelta = timedelta(minutes=1)
    """As Kubernetes; also how long a changed ConfigMap may take to reach a pod."""

    def shortened(self) -> str:
        """What is shorter than in an ordinary cluster, for a person who compares timings."""
        return (
            f"shortened: node lost after {self.node_grace.total_seconds():.0f} s (50 s), its pods "
            f"replaced {self.pod_toleration.total_seconds():.0f} s later (5 min), pressure taken "
            f"back after {self.pressure_transition.total_seconds():.0f} s (5 min)"
        )


@dataclass(frozen=True)
class Settings:
    """One named test cluster on this machine."""

    name: str = DEFAULT_NAME
    state_root: Path = Path("/var/lib/autoglm-testcluster")
    """Not in the cache, which continuous integration keeps: a dead cluster must not be kept."""
    topology: Topology = field(default_factory=Topology)
    timings: Timings = field(default_factory=Timings)
    disk_size: str = "8G"
    """Each node's own disk: a sparse file, so it costs what is really written."""
    node_memory_mib: int = 3072
    """What the scheduler may give out on one node."""

    def __post_init__(self) -> None:
        """Refuse names that do not fit into those of containers, namespaces and control groups."""
        if not _NAME.fullmatch(self.name):
            message = (
                f"the cluster name {self.name!r} must be up to 30 lower-case letters, digits and "
                "dashes that start with a letter, such as 'autoglm'"
            )
            raise UsageError(message)

    @property
    def directory(self) -> Path:
        """Everything this cluster keeps while it is up; removed by `down`."""
        return self.state_root / self.name

    @property
    def lock_file(self) -> Path:
        """Held by whoever changes the cluster."""
        return self.state_root / f"{self.name}.lock"

    @property
    def pki(self) -> Path:
        """Certificates, keys and kubeconfigs."""
        return self.directory / "pki"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the cluster's administrator."""
        return self.pki / "admin.kubeconfig"

    @property
    def logs(self) -> Path:
        """One file for each program, one folder for each node."""
        return self.directory / "logs"

    @property
    def programs(self) -> Path:
        """The programs this cluster runs, kept apart from the cache, which may change under it."""
        return self.directory / "bin"

    @property
    def control_namespace(self) -> Path:
        """File that holds the control plane's network namespace."""
        return self.directory / "net" / "control"

    def node_name(self, index: int) -> str:
        """Name of node number `index`, counted from 1."""
        return f"node{index}"

    def node_namespace(self, index: int) -> Path:
        """File that holds the network namespace of node number `index`."""
        return self.directory / "net" / self.node_name(index)

    @property
    def control_group(self) -> str:
        """Path below every control group hierarchy."""
        return f"autoglm-{self.name}"


def settings_from(name: str | None, environment: Mapping[str, str]) -> Settings:
    """Settings for the cluster called `name`, or the one the environment names."""
    chosen = name or environment.get("AUTOGLM_CLUSTER") or DEFAULT_NAME
    return Settings(name=chosen, state_root=_state_root(environment))


def _state_root(environment: Mapping[str, str]) -> Path:
    """A machine-wide place for root, whose clusters are machine-wide; a private one for others."""
    chosen = environment.get("AUTOGLM_CLUSTER_STATE")
    if chosen:
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/autoglm-testcluster")
    state = environment.get("XDG_STATE_HOME")
    home = Path(state) if state else Path.home() / ".local" / "state"
    return home / "autoglm-testcluster"
