"""The cluster's network: one namespace for the control plane, one for each node, one bridge.

Nothing of it is in the host's own network namespace: no interface, no route, no rule, and so two
clusters may use the same addresses.
"""

from collections.abc import Iterator
from pathlib import Path

from testcluster.commands import in_network, run, succeeds
from testcluster.errors import ClusterError
from testcluster.settings import MOST_NODES, Settings

BRIDGE = "cluster"
NODE_INTERFACE = "eth0"


def namespaces(settings: Settings) -> list[Path]:
    """Files of every network namespace this cluster can have."""
    nodes = [settings.node_namespace(index) for index in range(1, MOST_NODES + 1)]
    return [settings.control_namespace, *nodes]


def create(settings: Settings, nodes: int) -> None:
    """Make all namespaces and connect them."""
    inhabited = [settings.node_namespace(index) for index in range(1, nodes + 1)]
    for namespace in (settings.control_namespace, *inhabited):
        namespace.parent.mkdir(parents=True, exist_ok=True)
        namespace.touch()
        run(["unshare", f"--net={namespace}", "true"])
    _ip_batch(settings.control_namespace, control_lines(settings, nodes))
    # Bridged packets between nodes must not meet the rules of the control plane's kube-proxy.
    _set_if_present(settings.control_namespace, "net.bridge.bridge-nf-call-iptables", 0)
    for index in range(1, nodes + 1):
        namespace = settings.node_namespace(index)
        _ip_batch(namespace, node_lines(settings, nodes, index))
        run(in_network(namespace, ["sysctl", "-qw", "net.ipv4.ip_forward=1"]))


def control_lines(settings: Settings, nodes: int) -> Iterator[str]:
    """Arguments of `ip` that build the control plane's side, one command a line."""
    topology = settings.topology
    yield "link set lo up"
    yield f"link add {BRIDGE} type bridge"
    address = topology.control_address
    yield f"address add {address}/{topology.control_network.prefixlen} dev {BRIDGE}"
    yield f"link set {BRIDGE} up"
    # A packet needs a route before kube-proxy's rules give it a pod's address.
    yield f"route add {topology.service_network} dev {BRIDGE}"
    for index in range(1, nodes + 1):
        name = settings.node_name(index)
        peer = settings.node_namespace(index)
        yield f"link add {name} type veth peer name {NODE_INTERFACE} netns {peer}"
        yield f"link set {name} master {BRIDGE} up"
        yield f"route add {topology.node_pods(index)} via {topology.node_address(index)}"


def node_lines(settings: Settings, nodes: int, index: int) -> Iterator[str]:
    """Arguments of `ip` that build one node's side, one command a line."""
    topology = settings.topology
    yield "link set lo up"
    address = topology.node_address(index)
    yield f"address add {address}/{topology.control_network.prefixlen} dev {NODE_INTERFACE}"
    yield f"link set {NODE_INTERFACE} up"
    yield f"route add default via {topology.control_address}"
    for other in range(1, nodes + 1):
        if other != index:
            yield f"route add {topology.node_pods(other)} via {topology.node_address(other)}"


def connect(settings: Settings, index: int) -> None:
    """Plug the node's cable in."""
    _set_link(settings, index, "up")


def disconnect(settings: Settings, index: int) -> None:
    """Pull the node's cable: it reaches nobody and nobody reaches it."""
    _set_link(settings, index, "down")


def _set_link(settings: Settings, index: int, state: str) -> None:
    argv = ["ip", "link", "set", settings.node_name(index), state]
    run(in_network(settings.control_namespace, argv))


def remove(settings: Settings) -> None:
    """Give the namespaces back; their processes must be gone."""
    for namespace in namespaces(settings):
        while namespace.exists() and is_mounted(namespace):
            run(["umount", namespace])
        namespace.unlink(missing_ok=True)


def is_mounted(namespace: Path) -> bool:
    """Whether the file holds a namespace; a reboot or a killed start leaves plain files."""
    return succeeds(["nsenter", f"--net={namespace}", "--", "true"])


def _ip_batch(namespace: Path, lines: Iterator[str]) -> None:
    try:
        run(in_network(namespace, ["ip", "-batch", "-"]), stdin="\n".join(lines) + "\n")
    except ClusterError as error:
        raise ClusterError(f"the cluster's network cannot be made: {error}") from error


def _set_if_present(namespace: Path, setting: str, value: int) -> None:
    present = Path("/proc/sys", *setting.split(".")).exists()
    if present:
        run(in_network(namespace, ["sysctl", "-qw", f"{setting}={value}"]))
