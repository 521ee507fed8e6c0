"""Workloads on nodes that are about to be lost, and what isolating these nodes comes to.

Exists so that the tests read as the story of a node. Never breaks one: that is for `faults`, and
for the tests to say when.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from builders import a_container, a_deployment
from healing_release import CARE, LEASES, SELECTED, HealingRelease, condition_of
from kubeconfig import Object
from statuses import is_available, is_ready
from timeline import Timeline, within

POLICY = "lost-node"
FOREIGN: Object = {"key": "example.com/spare", "value": "somebody", "effect": "PreferNoSchedule"}
"""A taint of somebody else's."""
HEALTHY_DELAY = 10.0
"""Seconds that a node has to be well before it gets pods again; the shortest that is allowed."""
_AWAY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_PROC = Path("/proc")


def _on(node: str) -> Object:
    """Fields of a pod that goes to a node while it can, and which the control plane leaves there.

    By default Kubernetes itself moves pods of a lost node, after five minutes.
    """
    there = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    wish = {"weight": 100, "preference": {"matchExpressions": [there]}}
    return {
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}},
        "tolerations": [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3600}
            for key in _AWAY
        ],
    }


@dataclass(frozen=True)
class LostNodes:
    """Nodes to lose, with a workload on each."""

    release: HealingRelease
    busybox: str
    where: dict[str, str] = field(default_factory=dict[str, str])
    """Names of Deployments by the node that each began on."""

    def run_on(self, node: str, name: str) -> None:
        """Start a Deployment of one pod on a node."""
        container = a_container(self.busybox, ["sleep", "3600"])
        self.release.kube.create(a_deployment(name, container, **_on(node)), CARE)
        self.where[node] = name
        Timeline().want(within(60), f"{name} is available", lambda: self.is_up(node))
        assert self.places(name) == {node}

    def member_on(self, node: str, name: str, marker: str) -> Object:
        """Start a StatefulSet of one member on a node and return its pod."""
        container = a_container(self.busybox, ["sleep", marker])
        built = a_deployment(name, container, **_on(node))
        built["kind"] = "StatefulSet"
        built["spec"]["serviceName"] = name
        self.release.kube.create(built, CARE)
        Timeline().want(within(60), "its process runs", lambda: processes(marker) == 1)
        member = self.release.kube.get("Pod", f"{name}-0", CARE)
        assert member is not None
        assert member["spec"]["nodeName"] == node
        return member

    def policy(self, *, paused: bool = False, verify: str = "2m") -> None:
        """Store the policy."""
        names = "KubeNodeNotReady|KubeNodeUnreachable"
        isolation = {
            "level": "Drain",
            "minHealthy": "1",
            "healthyDelay": f"{HEALTHY_DELAY:.0f}s",
            "drainTimeout": "1m",
        }
        spec: Object = {
            "paused": paused,
            "alerts": [{"matchers": [{"name": "alertname", "matchType": "=~", "value": names}]}],
            "target": {"kind": "Node", "selector": {"matchLabels": SELECTED}},
            "ladder": [{"action": "IsolateNode", "isolateNode": isolation}],
            "verify": {"stabilization": "3s", "timeout": verify},
        }
        self.release.policy(POLICY, spec)

    def is_up(self, node: str) -> bool:
        """Whether the workload that began on a node is Available."""
        return is_available(self.release.kube.get("Deployment", self.where[node], CARE))

    def is_down(self, node: str) -> bool:
        """Whether it is not."""
        return not self.is_up(node)

    def is_ready(self, node: str) -> bool:
        """Whether a node is Ready."""
        return is_ready(self.node(node))

    def is_free(self, node: str) -> bool:
        """Whether a node does not carry our taint."""
        return not self.mark(node)

    def places(self, app: str) -> set[str]:
        """The nodes of a workload's pods that are not on their way out."""
        found = self.release.kube.list("Pod", CARE, f"app={app}")
        staying = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return {pod["spec"].get("nodeName", "") for pod in staying}

    def run(self, node: str, phase: str) -> Object | None:
        """The run about a node that is in a phase.

        Two alerts tell of the same node, so that there is another one, which ends as a duplicate.
        """
        found = self.release.runs(POLICY, phase)
        about = (run for run in found if run["spec"]["alert"]["labels"]["node"] == node)
        return next(about, None)

    def is_paused(self, node: str) -> bool:
        """Whether a run about a node is held because the policy is paused."""
        run = self.run(node, "Held")
        return run is not None and condition_of(run, "Progressing").get("reason") == "Paused"

    def is_reverted(self, node: str) -> bool:
        """Whether the run that isolated a node has recorded its return."""
        return str(self._lease(node)["state"]) == "Reverted"

    def well_before_return(self, node: str) -> float:
        """For how many seconds a node had been Ready when its isolation was undone."""
        told: list[Object] = self.node(node)["status"]["conditions"]
        ready = next(each for each in told if each["type"] == "Ready")
        back = datetime.fromisoformat(self._lease(node)["revertedAt"])
        return (back - datetime.fromisoformat(ready["lastTransitionTime"])).total_seconds()

    def _lease(self, node: str) -> Object:
        run = self.run(node, "Succeeded")
        assert run is not None
        lease: Object = run["status"]["steps"][0]["lease"]
        return lease

    def node(self, name: str) -> Object:
        """A node as it is."""
        found = self.release.kube.get("Node", name)
        assert found is not None
        return found

    def mark(self, name: str) -> str:
        """The value of our taint on a node, empty if there is none."""
        taints: list[Object] = self.node(name)["spec"].get("taints") or []
        ours = (str(each["value"]) for each in taints if each["key"] == "autoglm.io/isolated")
        return next(ours, "")

    def maintainer(self, name: str) -> str:
        """Who holds the Lease by which a node is maintained; empty if nobody does."""
        found = self.release.kube.get("Lease", f"node-{name}", LEASES) or {}
        return str(found.get("spec", {}).get("holderIdentity", ""))

    def is_cordoned(self, name: str) -> bool:
        """Whether a node takes no new pods."""
        return bool(self.node(name)["spec"].get("unschedulable"))

    def set_marks(self, name: str, *, taint: bool = False, cordon: bool = False) -> None:
        """Give a node the foreign taint and a foreign cordon, or take them away."""
        found: list[Object] = self.node(name)["spec"].get("taints") or []
        taints = [each for each in found if each != FOREIGN]
        taints += [FOREIGN] if taint else []
        spec: Object = {"taints": taints, "unschedulable": cordon or None}
        self.release.kube.patch("Node", name, None, {"spec": spec})

    def clear(self) -> None:
        """Take everything away again."""
        kube = self.release.kube
        self.release.forget(POLICY)
        for name in self.where.values():
            kube.delete("Deployment", name, CARE)
        for each in kube.list("StatefulSet", CARE):
            kube.delete("StatefulSet", each["metadata"]["name"], CARE)
        for node in self.release.victims:
            self.set_marks(node)


def processes(argument: str) -> int:
    """How many processes of the nodes sleep for this many seconds.

    What the API server shows of a node that is cut off is old; the machine knows.
    """
    found = 0
    for entry in _PROC.iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it is no process, or ended meanwhile
            continue
        found += words[:2] == [b"sleep", argument.encode()]
    return found
