"""Plays a node that is ready and has room, for what only counts nodes.

Nothing ever runs on it: it is tainted, so that the scheduler gives it none of the pods of others.
Never used where nodes are.
"""

import contextlib
import threading
from collections.abc import Generator

from autoglm_operator.runtime.clock import SystemClock
from kube import Kube, KubeError, KubeUnreachableError
from kubeconfig import Object

BEAT_SECONDS = 5.0
"""The control plane gives a silent node up after 40 s."""
TAINT = "played"
TOLERATION: Object = {"key": TAINT, "operator": "Exists", "effect": "NoSchedule"}


@contextlib.contextmanager
def a_played_node(kube: Kube, name: str, **allocatable: str) -> Generator[str]:
    """A ready node until the block ends, by default with room for many pods."""
    room = {"cpu": "64", "memory": "64Gi", "pods": "200", **allocatable}
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]},
        },
        None,
    )
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(kube, name, room, stop), daemon=True)
    _show(kube, name, room)
    beating.start()
    try:
        yield name
    finally:
        stop.set()
        beating.join()
        kube.delete("Node", name, None)


def _beat(kube: Kube, name: str, room: Object, stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        with contextlib.suppress(KubeError, KubeUnreachableError):
            _show(kube, name, room)


def _show(kube: Kube, name: str, room: Object) -> None:
    now = SystemClock().now().strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {"type": "Ready", "status": "True", "reason": "Played", "lastHeartbeatTime": now}
    status = {"allocatable": room, "capacity": room, "conditions": [ready]}
    kube.patch("Node", name, None, {"status": status}, subresource="status")
