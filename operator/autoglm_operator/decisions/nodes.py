"""Which node or pod an address means, and what a node's object says about it.

An alert may name a node by its name or by any of its addresses, with or without a port. Whatever it
says, exactly one object must fit. Never looks anything up.
"""

from collections.abc import Iterable
from datetime import datetime
from ipaddress import ip_address
from typing import Final

from autoglm_operator.decisions.reading import Manifest, condition, labels_of, name_of, part, parts

CONTROL_PLANE: Final = (
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
)
"""Labels of nodes that run the control plane. Source: well-known labels of Kubernetes; kubeadm set
the second until 1.24, and other installers still do."""

_PRESSURES: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
"""Conditions that are False on a node that is well. Source: node status in the Kubernetes
documentation. Those of other programs are not known to have a good value."""

_FINISHED: Final = ("Succeeded", "Failed")


def host(text: str) -> str:
    """The host in an `instance` label, without a port; an IP address in its shortest form.

    Takes `name`, `name:port`, `10.0.0.1`, `10.0.0.1:9100`, `fd00::1`, `[fd00::1]` and
    `[fd00::1]:9100`.
    """
    bare = text.strip()
    if bare.startswith("["):
        return _shortest(bare[1:].partition("]")[0])
    # More than one colon without brackets is an IPv6 address, which then has no port.
    return _shortest(bare.partition(":")[0] if bare.count(":") == 1 else bare)


def named_nodes(nodes: Iterable[Manifest], text: str) -> list[Manifest]:
    """The nodes that have this name or address."""
    wanted = host(text)
    return [node for node in nodes if wanted and wanted in _names_of(node)]


def addressed_pods(pods: Iterable[Manifest], text: str) -> list[Manifest]:
    """The pods that have this address to themselves.

    A pod in its host's network has the address of its node, as every other such pod there, so it
    is never meant. An address of a finished pod may be another one's by now.
    """
    wanted = host(text)
    return [
        pod
        for pod in pods
        if wanted
        and wanted in _addresses_of(pod)
        and not part(pod, "spec").get("hostNetwork")
        and part(pod, "status").get("phase") not in _FINISHED
    ]


def is_control_plane(node: Manifest) -> bool:
    """Whether a node runs the control plane, by its labels."""
    return any(label in labels_of(node) for label in CONTROL_PLANE)


def is_ready(node: Manifest) -> bool:
    """Whether a node's kubelet reports Ready."""
    return condition(node, "Ready").get("status") == "True"


def is_well(node: Manifest) -> bool:
    """Whether a node is Ready and reports no pressure; a report that is missing is none."""
    return is_ready(node) and not any(
        condition(node, about).get("status", "False") != "False" for about in _PRESSURES
    )


def well_since(node: Manifest) -> datetime | None:
    """Since when a node is well; None while it is not. Every relapse starts it anew."""
    if not is_well(node):
        return None
    moments = [
        datetime.fromisoformat(str(found["lastTransitionTime"]))
        for about in ("Ready", *_PRESSURES)
        if (found := condition(node, about)).get("lastTransitionTime")
    ]
    return max(moments, default=None)


def taints(node: Manifest) -> list[Manifest]:
    """The taints of a node."""
    return parts(node, "spec", "taints")


def is_schedulable(node: Manifest) -> bool:
    """Whether a node is not cordoned."""
    return not part(node, "spec").get("unschedulable")


def _names_of(node: Manifest) -> set[str]:
    addresses = (str(each.get("address", "")) for each in parts(node, "status", "addresses"))
    return {name_of(node), *(_shortest(each) for each in addresses if each)}


def _addresses_of(pod: Manifest) -> set[str]:
    status = part(pod, "status")
    listed = [str(each.get("ip", "")) for each in parts(pod, "status", "podIPs")]
    return {_shortest(each) for each in (str(status.get("podIP") or ""), *listed) if each}


def _shortest(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text.lower()
