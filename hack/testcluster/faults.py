"""The faults as data: what each does, what the cluster shows of it, after how long.

Providers carry them out; this module decides nothing and touches nothing.
"""

import enum
from dataclasses import dataclass

DEFAULT_LEAVE_MIB = 300
"""Free space that `fill-disk` leaves: well below the 10 % at which the kubelet sees pressure, and
enough for the kubelet to keep working."""


class Scope(enum.Enum):
    """What a fault happens to."""

    NODE = "node"
    CONTROL_PLANE = "control plane"


@dataclass(frozen=True)
class Fault:
    """One thing that can be done to a cluster. Doing it twice is doing it once."""

    name: str
    scope: Scope
    does: str
    shows: str


_BACK = "Ready again after 1-2 s; leftover pods gone after 5 s"

CATALOGUE = {
    fault.name: fault
    for fault in (
        Fault(
            "stop-kubelet",
            Scope.NODE,
            "kills the kubelet; containers run on",
            "Ready=Unknown after 15-19 s, pods replaced after 21-26 s",
        ),
        Fault("start-kubelet", Scope.NODE, "starts the kubelet", _BACK),
        Fault(
            "stop-containerd",
            Scope.NODE,
            "kills containerd; containers run on",
            "Ready=False after 30-32 s",
        ),
        Fault("start-containerd", Scope.NODE, "starts containerd", "Ready again after 8-10 s"),
        Fault(
            "cut-network",
            Scope.NODE,
            "pulls the node's network cable",
            "Ready=Unknown after 13-17 s, pods replaced after 20-23 s",
        ),
        Fault(
            "heal-network",
            Scope.NODE,
            "plugs the network cable in",
            "Ready again after 8-10 s",
        ),
        Fault(
            "crash-node",
            Scope.NODE,
            "cuts the power: every process dies at once, the disk stays",
            "Ready=Unknown after 14-19 s, pods replaced after 20-25 s",
        ),
        Fault("boot-node", Scope.NODE, "switches the node on", _BACK),
        Fault(
            "fill-disk",
            Scope.NODE,
            f"fills the node's own disk up to {DEFAULT_LEAVE_MIB} MiB, or to --leave-mib",
            "DiskPressure=True after 3-10 s, pods replaced after 9-13 s",
        ),
        Fault(
            "free-disk",
            Scope.NODE,
            "deletes what fill-disk wrote",
            "DiskPressure=False after 3-31 s",
        ),
        Fault(
            "stop-etcd",
            Scope.CONTROL_PLANE,
            "kills etcd",
            "the API server answers 500 at /readyz and names etcd, at once",
        ),
        Fault("start-etcd", Scope.CONTROL_PLANE, "starts etcd", "ready after 2-3 s, nothing lost"),
        Fault(
            "stop-apiserver",
            Scope.CONTROL_PLANE,
            "kills the API server; pods run on",
            "connections are refused, at once",
        ),
        Fault(
            "start-apiserver",
            Scope.CONTROL_PLANE,
            "starts the API server",
            "ready after 3-5 s",
        ),
    )
}


def listing() -> str:
    """The catalogue for people, one fault a line."""
    rows = [
        (
            f"{fault.name} NODE" if fault.scope is Scope.NODE else fault.name,
            fault.does,
            fault.shows,
        )
        for fault in CATALOGUE.values()
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)
