"""Times the way from an alert to the action: pods without nodes fall sick, and are evicted.

The pods are real objects of real Deployments; what a kubelet would say of them is written here. The
action counts as begun when the watch shows that the evicted pod is going: later than the healer's
own record says, never earlier.
"""

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Final

from bench.healing.alerts import Object
from bench.healing.stage import ACTED, Stage, StormError, now, until
from kube import Kube, KubeError, KubeUnreachableError
from kubeconfig import Object as Pod
from sick_pods import a_web_deployment
from statuses import is_ready

TARGETS: Final = 100
"""Alerts, one a second, each about a workload of its own. Arbitrary: the p99 of fewer would be
their maximum."""
ACTION_SECONDS: Final = 60.0
"""Time for the last action. Arbitrary, because it is long past every limit."""


@dataclass
class Kubelet:
    """Says of every new pod of a namespace that it is ready, and notes when one goes."""

    kube: Kube
    gone: dict[str, float] = field(default_factory=dict[str, float])
    """Moment of the monotonic clock at which a pod was seen to go, by its name."""
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def playing(self) -> Generator["Kubelet"]:
        """Play until the block ends."""
        thread = threading.Thread(target=self._play, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(30)

    def show(self, pod: Pod, *, ready: bool) -> None:
        """Write what a kubelet would say of a pod."""
        meta = pod["metadata"]
        said = "True" if ready else "False"
        state: Object = {"running": {}} if ready else {"waiting": {"reason": "CrashLoopBackOff"}}
        container = {
            "name": "main",
            "image": "none",
            "imageID": "none",
            "ready": ready,
            "restartCount": 0 if ready else 5,
            "state": state,
        }
        status = {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": said, "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for kind in ("Ready", "ContainersReady")
            ],
            "containerStatuses": [container],
        }
        self.kube.patch("Pod", meta["name"], ACTED, {"status": status}, subresource="status")

    def _play(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(KubeError, KubeUnreachableError, OSError, ValueError):
                self._watch()

    def _watch(self) -> None:
        connection = self.kube.connect()
        headers = {"Accept": "application/json"}
        if self.kube.access.token:
            headers["Authorization"] = f"Bearer {self.kube.access.token}"
        try:
            path = f"/api/v1/namespaces/{ACTED}/pods?watch=1&timeoutSeconds=10"
            connection.request("GET", path, headers=headers)
            for line in connection.getresponse():
                self._look(json.loads(line))
        finally:
            connection.close()

    def _look(self, event: Object) -> None:
        pod = event["object"]
        name = pod["metadata"]["name"]
        if event["type"] == "DELETED" or "deletionTimestamp" in pod["metadata"]:
            self.gone.setdefault(name, time.monotonic())
        elif "containerStatuses" not in pod.get("status", {}):
            with contextlib.suppress(KubeError):
                self.show(pod, ready=True)


def latencies(stage: Stage, count: int = TARGETS) -> list[float]:
    """Seconds from the sending of each alert to the going of its pod.

    Raises:
        StormError: an alert led to no action.
    """
    kube = stage.kube
    for number in range(count):
        kube.create(a_web_deployment(1, f"web-{number:03d}"), ACTED)
    with Kubelet(kube).playing() as kubelet:
        until("all pods are ready", lambda: _ready(kube) == count)
        sick = [pod["metadata"]["name"] for pod in kube.list("Pod", ACTED)]
        for pod in kube.list("Pod", ACTED):
            kubelet.show(pod, ready=False)
        # An alert that is older than its pod would be about another one.
        program = stage.sender(ACTED, sick, 1, rate=1.0, starts_at=now())
        program.go()
        sent: dict[str, float] = {}
        for report in program.reports():
            if report["status"] != 200:  # noqa: PLR2004 - HTTP OK
                raise StormError(f"an alert was answered {report['status']}")
            sent[report["pods"][0]] = report["begun"]
        with contextlib.suppress(StormError):
            until("pods go", lambda: kubelet.gone.keys() >= sent.keys(), ACTION_SECONDS)
        missing = sorted(sent.keys() - kubelet.gone.keys())
        if missing:
            raise StormError(f"{len(missing)} alerts led to no action: {_reasons(kube)}")
        return [kubelet.gone[pod] - moment for pod, moment in sent.items()]


def _reasons(kube: Kube) -> dict[str, int]:
    """Why runs go on, wait or ended."""
    found = Counter[str]()
    for run in kube.list("HealingRun", ACTED):
        conditions: list[Object] = run.get("status", {}).get("conditions") or []
        found.update(each["reason"] for each in conditions if each["type"] == "Progressing")
    return dict(found)


def _ready(kube: Kube) -> int:
    return sum(is_ready(pod) for pod in kube.list("Pod", ACTED))
