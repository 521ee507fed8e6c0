"""A played node with a full disk, and a cleaner that reports what a test says.

Exists so that Jobs run their whole way on a real API server without nodes. Never cleans anything.
"""

import contextlib
import json
import threading
from collections.abc import Generator
from dataclasses import dataclass, field

from autoglm_api.healingpolicy import HealingPolicy
from healing_objects import Scene
from kube import Kube, KubeError, KubeUnreachableError
from kubeconfig import Object
from played_fleet import POOL, PlayedFleet
from proxy_faults import Match

LOOK_SECONDS = 0.2
"""Arbitrary, because it only has to be short against what tests wait for."""
JOBS_MADE = Match(resource="jobs", verb="create")
MIB = 2**20


def a_report(freed_mib: int = 100) -> Object:
    """What a cleaner says that made so much free."""
    before = {"freeBytes": 10 * MIB, "freeInodes": 5000}
    after = {"freeBytes": (10 + freed_mib) * MIB, "freeInodes": 5100}
    disk = {"path": "/var/lib/kubelet", "totalBytes": 1000 * MIB, "totalInodes": 10000}
    kept = {"what": "/var/log/app", "sizeBytes": 900 * MIB, "why": "active"}
    return {"disks": [{**disk, "before": before, "after": after}], "kept": [kept]}


@dataclass
class PlayedCleaner:
    """Ends every pod of a namespace as a kubelet does after its only container has ended."""

    kube: Kube
    namespace: str
    report: Object = field(default_factory=a_report)
    holds: bool = False
    """Whether pods go on without an end."""
    fleet: PlayedFleet | None = None
    """Nodes that have room again once they were cleaned."""

    @contextlib.contextmanager
    def playing(self) -> Generator["PlayedCleaner"]:
        """Play until the block ends."""
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(LOOK_SECONDS):
                with contextlib.suppress(KubeError, KubeUnreachableError):
                    for pod in self.kube.list("Pod", self.namespace):
                        self._end(pod)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join()

    def _end(self, pod: Object) -> None:
        if self.holds or pod["status"].get("phase") == "Succeeded":
            return
        ended = {"exitCode": 0, "reason": "Completed", "message": json.dumps(self.report)}
        status = {
            "name": pod["spec"]["containers"][0]["name"],
            "state": {"terminated": ended},
            "image": "autoglm",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
        }
        body = {"status": {"phase": "Succeeded", "containerStatuses": [status]}}
        name = pod["metadata"]["name"]
        self.kube.patch("Pod", name, self.namespace, body, subresource="status")
        if self.fleet is not None:
            self.fleet.full.discard(pod["spec"]["nodeName"])


@dataclass(frozen=True)
class CleaningScene:
    """Nodes, a cleaner, and the proxy that counts what a healer does."""

    scene: Scene
    fleet: PlayedFleet
    cleaner: PlayedCleaner

    @property
    def node(self) -> str:
        """The node that is cleaned."""
        return self.fleet.names[0]

    def policy(self, **spec: object) -> HealingPolicy:
        """A policy that cleans the nodes of the pool, and what the test replaces."""
        return self.scene.make_policy(
            **{
                "target": {
                    "kind": "Node",
                    "selector": {"matchLabels": {POOL: self.scene.namespace}},
                },
                "ladder": [{"action": "CleanDisk", "cleanDisk": {"remove": ["Logs", "Images"]}}],
                "verify": {"stabilization": "1s", "timeout": "60s"},
                **spec,
            }
        )

    def start(self, policy: HealingPolicy) -> str:
        """Fill the disk and store the run of an alert about it; return its name."""
        self.fleet.fill(self.node)
        told = {"alertname": "KubeNodeDiskPressure", "node": self.node}
        return self.scene.start_run(policy, {"metadata": {"name": self.node}}, labels=told)

    def step(self, run: str) -> Object:
        """The first step of a run, as journaled; empty before it began."""
        steps: list[Object] = self.scene.run(run).get("status", {}).get("steps") or [{}]
        return steps[0]

    def jobs(self) -> list[Object]:
        """Every Job that is there."""
        return self.scene.kube.list("Job", self.cleaner.namespace)

    def made(self) -> int:
        """How many Jobs were made, as the API server carried them out."""
        return sum(record.applied for record in self.scene.proxy.writes(JOBS_MADE))
