"""Workloads that real requests keep busy, and whose pods share the work.

Each request costs a fixed time of a processor, so how busy the pods are depends on how many share
the requests, and on nothing else: not on the speed of the machine. Never scales anything.
"""

from dataclasses import dataclass

from builders import a_container, a_deployment, a_service
from healing_release import CARE, HealingRelease
from kubeconfig import Object
from statuses import is_available
from timeline import Timeline, within

PORT = 8000
LIMIT = 0.1
"""Processors that a pod may use."""
COST = 0.02
"""Seconds of a processor that a request costs."""

# Only a few callers may wait: a long queue would have to be worked off before anybody sees relief.
SERVER = f"""
import socket, time
server = socket.create_server(("", {PORT}), backlog=4)
while True:
    caller, _ = server.accept()
    end = time.process_time() + {COST}
    while time.process_time() < end:
        pass
    caller.close()
"""

CALLERS = f"""
import socket, sys, threading, time
def ask():
    try:
        with socket.create_connection((sys.argv[1], {PORT}), 1) as server:
            server.settimeout(1)
            server.recv(1)
    except OSError:
        pass
while True:
    threading.Thread(target=ask).start()
    time.sleep(1 / float(sys.argv[2]))
"""


@dataclass(frozen=True)
class BusyWorkload:
    """A Deployment behind a Service, and those who call it."""

    release: HealingRelease
    image: str
    name: str

    def start(self, replicas: int, need: float) -> None:
        """Start it with callers.

        Args:
            replicas: Pods in the beginning.
            need: How many pods could just serve the callers, with all that they may use.
        """
        kube = self.release.kube
        resources = {"requests": {"cpu": "50m"}, "limits": {"cpu": f"{LIMIT * 1000:.0f}m"}}
        server = a_container(self.image, ["python3", "-c", SERVER], resources=resources)
        kube.create(a_deployment(self.name, server, replicas=replicas), CARE)
        kube.patch("Deployment", self.name, CARE, {"metadata": {"labels": {"app": self.name}}})
        kube.create(a_service(self.name, PORT), CARE)
        rate = f"{need * LIMIT / COST:.1f}"
        caller = a_container(self.image, ["python3", "-c", CALLERS, self.name, rate])
        kube.create(a_deployment(self.callers, caller), CARE)
        Timeline().want(within(90), f"{self.name} serves", lambda: is_available(self.live()))

    @property
    def callers(self) -> str:
        """The Deployment of those who call."""
        return f"callers-of-{self.name}"

    def live(self) -> Object:
        """The Deployment as it is."""
        found = self.release.kube.get("Deployment", self.name, CARE)
        assert found is not None
        return found

    def replicas(self) -> int:
        """How many pods are wanted."""
        return int(self.live()["spec"]["replicas"])

    def most(self) -> int:
        """The upper bound of its autoscaler."""
        found = self.release.kube.get("HorizontalPodAutoscaler", self.name, CARE)
        assert found is not None
        return int(found["spec"]["maxReplicas"])

    def policy(self, alert: list[Object], source: Object, *, paused: bool) -> None:
        """Store the policy: one pod more for a minute, healed when no pod is at its limit."""
        used = (
            f'max(sum by (pod) (rate(container_cpu_usage_seconds_total{{namespace="{CARE}",'
            f'pod=~"{self.name}-.+",container!=""}}[40s]))) / {LIMIT}'
        )
        spec: Object = {
            "paused": paused,
            "alerts": [{"matchers": [*alert, {"name": "namespace", "value": CARE}]}],
            "target": {
                "kind": "Workload",
                "from": source,
                "selector": {"matchLabels": {"app": self.name}},
            },
            "ladder": [
                {
                    "action": "ScaleOut",
                    "scaleOut": {"step": "1", "maxReplicas": 4, "revertAfter": "1m"},
                }
            ],
            "verify": {
                "stabilization": "3s",
                "timeout": "3m",
                "metrics": [{"query": used, "thresholdRange": {"max": 0.9}}],
            },
            "guards": {"cooldown": "1h"},
        }
        self.release.policy(self.name, spec)

    def clear(self) -> None:
        """Take everything away again."""
        kube = self.release.kube
        self.release.forget(self.name)
        kube.delete("HorizontalPodAutoscaler", self.name, CARE)
        kube.delete("Service", self.name, CARE)
        for name in (self.name, self.callers):
            kube.delete("Deployment", name, CARE)
