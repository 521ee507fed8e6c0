"""Policies and runs about played nodes, as tests of their isolation need them."""

import contextlib
import threading
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from autoglm_api.healingpolicy import HealingPolicy
from healing_objects import Scene
from healing_processes import HealingProcess
from kubeconfig import Object
from played_fleet import POOL, PlayedFleet
from proxy_faults import Match
from timeline import within

LEASES = "medik8s-leases"
CALM = {"stabilization": "1s", "timeout": "60s"}


@dataclass(frozen=True)
class NodeScene:
    """Three nodes, what runs there, and the proxy that counts what a healer does."""

    scene: Scene
    fleet: PlayedFleet

    def policy(self, level: str = "Drain", **options: Any) -> HealingPolicy:  # noqa: ANN401
        """A policy that isolates nodes of the pool; `spec` replaces parts of it."""
        spec = options.pop("spec", {})
        isolation = {"level": level, "minHealthy": 2, "healthyDelay": "1h", **options}
        return self.scene.make_policy(
            **{
                "target": {
                    "kind": "Node",
                    "selector": {"matchLabels": {POOL: self.scene.namespace}},
                },
                "ladder": [{"action": "IsolateNode", "isolateNode": isolation}],
                "verify": CALM,
                **spec,
            }
        )

    def start(self, policy: HealingPolicy, node: str, **labels: str) -> str:
        """Store the run of an alert about a node and return its name."""
        told = {"alertname": "NodeSick", "node": node, **labels}
        about = {"metadata": {"name": node}}
        return self.scene.start_run(policy, about, labels=told)

    def step(self, run: str) -> Object:
        """The first step of a run, as journaled."""
        found: Object = self.scene.run(run)["status"]["steps"][0]
        return found

    def wants_isolated(self, run: str, node: str) -> None:
        """Wait until a run has succeeded, and check all its marks."""
        self.scene.wants_phase(run, "Succeeded")
        assert self.fleet.taint(node) == run
        assert self.fleet.is_cordoned(node)
        assert "autoglm.io/lease" in self.fleet.node(node)["metadata"]["annotations"]
        assert self.scene.run(run)["metadata"]["finalizers"] == ["autoglm.io/undo"]
        assert not self.maintainer(node)

    def wants_undone(self, run: str, node: str, state: str = "Reverted") -> None:
        """Wait until nothing of an isolation is left."""
        timeline = self.scene.timeline
        # Windows count from the beginning of a test, and some isolations stand for long.
        timeline.want(
            within(timeline.now + 60),
            f"the isolation is {state} and nothing holds the run",
            lambda: (
                self.step(run)["lease"]["state"] == state
                and not self.scene.run(run)["metadata"].get("finalizers")
            ),
        )
        assert "autoglm.io/lease" not in self.fleet.node(node)["metadata"].get("annotations", {})
        assert not self.maintainer(node)

    def deletes_policy(self) -> None:
        """Delete the policy once it names its last run, which is a write like any other."""
        timeline = self.scene.timeline
        timeline.want(
            within(timeline.now + 60),
            "the policy names its last run",
            lambda: "lastRun" in self.scene.policy()["status"],
        )
        self.scene.kube.delete("HealingPolicy", "crash", self.scene.namespace)

    def evicted(self) -> Counter[str]:
        """How often the API server carried out an eviction of each pod."""
        return self.scene.evicted()

    def isolations(self) -> int:
        """How often a write changed a node's spec and took effect."""
        found = self.scene.proxy.writes(Match(resource="nodes"))
        return sum(record.applied for record in found)

    def maintainer(self, node: str) -> str:
        """Who holds the Lease by which a node is maintained; empty if nobody does."""
        found = self.scene.kube.get("Lease", f"node-{node}", LEASES) or {}
        return str(found.get("spec", {}).get("holderIdentity", ""))


@contextlib.contextmanager
def revived(healer: HealingProcess) -> Generator[list[str]]:
    """Start the healer again whenever it was killed, as kubelet would."""
    deaths: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            if healer.ended():
                deaths.append("killed")
                healer.start()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield deaths
    finally:
        stop.set()
        watching.join()
