"""Plays kubelet for the pods of a namespace, some of which are sick until they are replaced.

Exists so that healing runs against the real API server and its controllers without nodes: a sick
pod stays unready and counts restarts, every other one becomes ready. Never used where nodes are.
"""

import contextlib
import threading
from collections.abc import Generator

from kube import Kube, KubeError, KubeUnreachableError
from kubeconfig import Object
from played_nodes import TOLERATION

LOOK_SECONDS = 0.2
"""Arbitrary, because it only has to be short against what tests wait for."""
NOBODY = "nobody"
"""A scheduler that does not exist: the real one would say that no node fits."""


def a_web_deployment(replicas: int = 2, name: str = "web") -> Object:
    """A Deployment whose pods nobody schedules; one of any name is labelled app=web itself."""
    labels = {"app": name}
    container = {"name": "main", "image": "registry.local/none:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "schedulerName": NOBODY,
                    "tolerations": [TOLERATION],
                    "automountServiceAccountToken": False,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        container
                        | {
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "capabilities": {"drop": ["ALL"]},
                            }
                        }
                    ],
                },
            },
        },
    }


def address_of(pod: Object) -> str:
    """The address that a pod is played with: the same as long as it lives."""
    number = int(pod["metadata"]["uid"][:4], 16)
    # Source: RFC 2544; nothing of a cluster has an address of this network.
    return f"198.18.{number // 256}.{number % 256}"


class SickPods:
    """The pods of one namespace."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace
        self.sick: set[str] = set()
        """UIDs of pods that stay unready."""
        self.hopeless = False
        """Every new pod is sick, too."""
        self._seen: dict[str, str] = {}
        self._stop = threading.Event()

    def live(self) -> list[Object]:
        """The pods that are not being deleted, oldest first."""
        found = self.kube.list("Pod", self.namespace)
        alive = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return sorted(alive, key=lambda pod: pod["metadata"]["name"])

    def sicken(self, app: str = "web") -> Object:
        """Make one pod of a Deployment sick and return it as it is then."""
        pod = next(each for each in self.live() if each["metadata"]["labels"]["app"] == app)
        self.sick.add(pod["metadata"]["uid"])
        self._show(pod, "False")
        return pod

    @contextlib.contextmanager
    def playing(self) -> Generator["SickPods"]:
        """Play until the block ends."""
        thread = threading.Thread(target=self._play, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _play(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            with contextlib.suppress(KubeError, KubeUnreachableError):
                for pod in self.live():
                    self._look(pod)

    def _look(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if self.hopeless and uid not in self._seen:
            self.sick.add(uid)
        ready = "False" if uid in self.sick else "True"
        if self._seen.get(uid) != ready:
            self._show(pod, ready)

    def _show(self, pod: Object, ready: str) -> None:
        restarts = 5 if ready == "False" else 0
        state: Object = {"running": {}} if ready == "True" else {"waiting": {"reason": "Error"}}
        status = {
            "phase": "Running",
            "podIP": address_of(pod),
            "conditions": [
                {"type": kind, "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for kind in ("Ready", "ContainersReady")
            ],
            "containerStatuses": [
                {
                    "name": "main",
                    "image": "none",
                    "imageID": "none",
                    "ready": ready == "True",
                    "restartCount": restarts,
                    "state": state,
                }
            ],
        }
        name = pod["metadata"]["name"]
        self.kube.patch("Pod", name, self.namespace, {"status": status}, subresource="status")
        self._seen[pod["metadata"]["uid"]] = ready
