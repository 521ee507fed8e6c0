"""Plays three nodes of one pool and their kubelets: pods become ready, and leave when told to.

Exists so that the isolation of nodes runs against the real API server, scheduler and controllers
without nodes. A node that is down keeps reporting so, and confirms the end of no pod. Never used
where nodes are.
"""

import contextlib
import threading
from collections.abc import Generator

from autoglm_operator.runtime.clock import SystemClock
from kube import Kube, KubeError, KubeUnreachableError
from kubeconfig import Object
from played_nodes import TAINT, TOLERATION
from sick_pods import a_web_deployment

LOOK_SECONDS = 0.2
BEAT_SECONDS = 5.0
POOL = "pool"
ROOM: Object = {"cpu": "8", "memory": "8Gi", "pods": "50"}
_AWAY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def a_placed_workload(pool: str, replicas: int = 2, name: str = "web") -> Object:
    """A Deployment whose pods run in the pool, and which the control plane does not move."""
    built = a_web_deployment(replicas, name)
    pod: Object = built["spec"]["template"]["spec"]
    del pod["schedulerName"]
    pod["nodeSelector"] = {POOL: pool}
    pod["terminationGracePeriodSeconds"] = 1
    pod["tolerations"] = [
        TOLERATION,
        *(
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3600}
            for key in _AWAY
        ),
    ]
    return built


def a_placed_statefulset(pool: str, name: str = "db") -> Object:
    """The same as a StatefulSet of one member, which the API forgets at once if it is let."""
    built = a_placed_workload(pool, 1, name)
    built["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0
    built["kind"] = "StatefulSet"
    built["spec"]["serviceName"] = name
    return built


class PlayedFleet:
    """The nodes of one pool, which has the namespace's name, and the namespace's pods on them."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace
        self.names = tuple(f"{namespace}-{number}" for number in (1, 2, 3))
        self.down: set[str] = set()
        """Nodes whose kubelet does not answer."""
        self.full: set[str] = set()
        """Nodes whose kubelet reports DiskPressure."""
        self._stop = threading.Event()
        self._beaten = 0.0

    def node(self, name: str) -> Object:
        """A node as it is."""
        found = self.kube.get("Node", name)
        assert found is not None
        return found

    def taint(self, name: str) -> str:
        """The value of our mark on a node, empty if there is none."""
        taints: list[Object] = self.node(name)["spec"].get("taints") or []
        return next(
            (str(each["value"]) for each in taints if each["key"] == "autoglm.io/isolated"), ""
        )

    def is_cordoned(self, name: str) -> bool:
        """Whether a node takes no new pods."""
        return bool(self.node(name)["spec"].get("unschedulable"))

    def pods(self, name: str = "") -> list[Object]:
        """The pods of a node, or of all."""
        found = self.kube.list("Pod", self.namespace)
        return [pod for pod in found if not name or pod["spec"].get("nodeName") == name]

    def busy(self) -> str:
        """A node that runs a pod."""
        return next(str(pod["spec"]["nodeName"]) for pod in self.pods())

    def fill(self, name: str) -> None:
        """Let a node's kubelet report DiskPressure, until it is taken out of `full`."""
        self.full.add(name)
        self._report(name)

    def crash(self, name: str) -> None:
        """Let a node's kubelet answer no more; the control plane has noticed."""
        self.down.add(name)
        self._report(name)

    def recover(self, name: str) -> None:
        """Let it answer again."""
        self.down.discard(name)
        self._report(name)

    @contextlib.contextmanager
    def playing(self) -> Generator["PlayedFleet"]:
        """Play until the block ends."""
        for number, name in enumerate(self.names, 1):
            labels = {POOL: self.namespace, "kubernetes.io/hostname": name}
            spec = {"taints": [{"key": TAINT, "effect": "NoSchedule"}]}
            meta = {"name": name, "labels": labels}
            node = {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": spec}
            self.kube.create(node, None)
            self._report(name, address=f"198.19.{number}.{int(self.namespace[-2:], 36) % 250}")
        threads = [threading.Thread(target=work, daemon=True) for work in (self._beat, self._play)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            for pod in self.pods():
                self._end(pod)
            for name in self.names:
                self.kube.delete("Node", name)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            for name in self.names:
                with contextlib.suppress(KubeError, KubeUnreachableError):
                    self._report(name)

    def _report(self, name: str, address: str = "") -> None:
        now = SystemClock().now().strftime("%Y-%m-%dT%H:%M:%SZ")
        status = "False" if name in self.down else "True"
        found = self.kube.get("Node", name)
        told: list[Object] = (found or {}).get("status", {}).get("conditions") or []
        before: Object = {each["type"]: each for each in told}.get("Ready", {})
        same = before.get("status") == status
        ready = {
            "type": "Ready",
            "status": status,
            "reason": "Played",
            "lastHeartbeatTime": now,
            "lastTransitionTime": before["lastTransitionTime"] if same else now,
        }
        pressure = {"type": "DiskPressure", "status": "True" if name in self.full else "False"}
        conditions = [ready, ready | pressure]
        body: Object = {"allocatable": ROOM, "capacity": ROOM, "conditions": conditions}
        if address:
            body["addresses"] = [{"type": "InternalIP", "address": address}]
        self.kube.patch("Node", name, None, {"status": body}, subresource="status")

    def _play(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            with contextlib.suppress(KubeError, KubeUnreachableError):
                for pod in self.pods():
                    self._look(pod)

    def _look(self, pod: Object) -> None:
        name = pod["spec"].get("nodeName")
        if not name or name in self.down:
            return
        if "deletionTimestamp" in pod["metadata"]:
            self._end(pod)
        elif pod.get("status", {}).get("phase") != "Running":
            self._start(pod)

    def _start(self, pod: Object) -> None:
        moment = SystemClock().now().strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": moment}
            for kind in ("PodScheduled", "ContainersReady", "Ready")
        ]
        status = {"phase": "Running", "conditions": conditions}
        name = pod["metadata"]["name"]
        self.kube.patch("Pod", name, self.namespace, {"status": status}, subresource="status")

    def _end(self, pod: Object) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        with contextlib.suppress(KubeError):
            self.kube.call("DELETE", path, options)
