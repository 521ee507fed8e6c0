"""The ways of healing, as courses for the matrix of faults.

Each begins with something sick and a stored run, and ends when nothing of it is left: healed, its
record complete, and whatever was changed for a while changed back.
"""

import base64
from collections import Counter
from dataclasses import dataclass, field

from autoglm_api.healingpolicy import HealingPolicy
from cleaning_scenes import CleaningScene
from fault_matrix import wants
from healing_objects import Scene
from kubeconfig import Object
from node_scenes import NodeScene
from notice_desks import Desk
from sick_pods import a_web_deployment
from statuses import condition, is_available

LEASE = "autoglm.io/lease"
UNDO = "autoglm.io/undo"
APPROVED = "autoglm.io/approved"
CALM: Object = {"stabilization": "1s", "timeout": "5m"}
"""Dying and starting again takes part of the time in which an action has to help."""


def wants_ended(scene: Scene, run: str, phase: str = "Succeeded") -> None:
    """Wait until a run has ended, and check how; then the policy is accepted and names it."""
    wants("the run ends", lambda: "finishedAt" in scene.run(run).get("status", {}))
    assert scene.phase(run) == phase
    last = {"name": run, "phase": phase}
    wants("the policy names it", lambda: scene.policy().get("status", {}).get("lastRun") == last)
    assert condition(scene.policy(), "Accepted") == "True"


def forget_policy(scene: Scene) -> None:
    """Delete the policy, which also undoes what its runs have changed for a while."""
    scene.kube.delete("HealingPolicy", "crash", scene.namespace)


def wants_undone(scene: Scene, run: str) -> None:
    """Wait until the run's change is undone and nothing holds the run."""

    def is_undone() -> bool:
        found = scene.run(run)
        state = found["status"]["steps"][0]["lease"]["state"]
        return state == "Reverted" and not found["metadata"].get("finalizers")

    wants("the change is undone and nothing holds the run", is_undone)


def without_owner(scene: Scene, live: Object, *, changed: bool) -> str:
    """What an object lacks that is changed or marked: a mark, a run that holds it, a way back."""
    what = f"{live['kind']} {live['metadata']['name']}"
    text = live["metadata"].get("annotations", {}).get(LEASE)
    if text is None:
        return f"{what} is changed and not marked" if changed else ""
    for run in scene.kube.list("HealingRun", scene.namespace):
        if run["metadata"]["uid"] in text:
            break
    else:
        return f"{what} is marked by a run that is gone"
    if UNDO not in run["metadata"].get("finalizers", ()):
        return f"{what} is marked by a run that nothing holds"
    leases = [step.get("lease", {}) for step in run["status"].get("steps", ())]
    ways = [each for each in leases if each.get("state") == "Held" and "previous" in each]
    return "" if ways else f"{what} is marked and its run knows no way back"


@dataclass
class Restarting:
    """A pod is evicted, or its workload rolled out."""

    scene: Scene
    scope: str = "Pod"
    sick: list[str] = field(default_factory=list[str])

    def policy(self) -> HealingPolicy:
        """A policy that restarts."""
        ladder = [{"action": "Restart", "restart": {"scope": self.scope}}]
        return self.scene.make_policy(ladder=ladder, verify=CALM)

    def begin(self) -> str:
        """Make a pod sick; of a new workload each time, for one is restarted twice at most."""
        if self.sick:
            self._renew()
        policy, pod = self.policy(), self.scene.pods.sicken()
        self.sick.append(str(pod["metadata"]["name"]))
        return self.scene.start_run(policy, pod)

    def finish(self, run: str) -> None:
        """Wait until both pods are ready."""
        wants_ended(self.scene, run)
        wants("both pods are ready", self.scene.all_ready)
        assert self.scene.evicted() == Counter(self.sick[-1:] if self.scope == "Pod" else ())
        forget_policy(self.scene)

    def _renew(self) -> None:
        kube, namespace = self.scene.kube, self.scene.namespace
        kube.delete("Deployment", "web", namespace)
        wants("the old pods are gone", lambda: not kube.list("Pod", namespace))
        kube.create(a_web_deployment(), namespace)
        wants("the new ones are ready", self.scene.all_ready)

    def changes(self) -> Counter[str]:
        """One eviction, or one roll-out."""
        return Counter(["create pods/eviction" if self.scope == "Pod" else "patch deployments"])

    def unowned(self) -> str:
        """Nothing: a restart leaves nothing to undo."""
        return ""


class Approving(Restarting):
    """A pod is evicted once somebody has approved it."""

    def policy(self) -> HealingPolicy:
        """A policy that asks first."""
        return self.scene.make_policy(mode="Approve", verify=CALM)

    def finish(self, run: str) -> None:
        """Approve it."""
        scene = self.scene
        wants("it waits", lambda: scene.phase(run) == "AwaitingApproval")
        assert self.scene.evicted() == Counter()
        approval = {"metadata": {"annotations": {APPROVED: "1/jane"}}}
        scene.kube.patch("HealingRun", run, scene.namespace, approval)
        super().finish(run)
        approvals = scene.run(run)["status"]["approvals"]
        assert [(each["step"], each["by"]) for each in approvals] == [(1, "jane")]


@dataclass
class Telling(Restarting):
    """A restart does not help, so somebody is told."""

    desk: Desk = field(default_factory=Desk)

    def policy(self) -> HealingPolicy:
        """A policy that tells a desk."""
        self.scene.pods.hopeless = True
        self.desk.posts.clear()
        secret: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hook", "labels": {"autoglm.io/credential": "true"}},
            "data": {"url": base64.b64encode(self.desk.url.encode()).decode()},
        }
        self.scene.kube.apply(secret, self.scene.namespace)
        hook = {"type": "Slack", "slack": {"urlSecretRef": {"name": "hook", "key": "url"}}}
        return self.scene.make_policy(
            ladder=[{"action": "Restart", "restart": {"scope": "Pod"}}, {"action": "Notify"}],
            notify=[hook],
            verify={"stabilization": "1s", "timeout": "5s"},
        )

    def finish(self, run: str) -> None:
        """Wait until the desk was told."""
        wants_ended(self.scene, run, "Escalated")
        assert self.scene.evicted() == Counter(self.sick[-1:])
        notice = self.scene.run(run)["status"]["steps"][1]
        assert (notice["action"], notice["outcome"]) == ("Notify", "Succeeded")
        # Told at least once; whoever hears it twice can tell by its key.
        assert len({post.key for post in self.desk.posts}) == 1
        forget_policy(self.scene)
        self.scene.pods.hopeless = False
        self.scene.pods.sick.clear()
        wants("both pods are ready", self.scene.all_ready)


@dataclass
class ScalingOut:
    """Pods are added and taken away again, at the workload or at its autoscaler."""

    scene: Scene
    autoscaler: str = ""
    """Name of the autoscaler that decides their number; empty if none does."""

    def begin(self) -> str:
        """Let an alert say that the pods do not suffice."""
        more = {"maxReplicas": 5, "step": 2, "revertAfter": "23h"}
        ladder = [{"action": "ScaleOut", "scaleOut": more}]
        policy = self.scene.make_policy(ladder=ladder, verify=CALM)
        return self.scene.start_run(policy, self.scene.pods.live()[0])

    def finish(self, run: str) -> None:
        """Wait for more pods and, without the policy, for as many as before."""
        wants_ended(self.scene, run)
        # An autoscaler's own count lags behind, and the step is counted from it.
        assert self.number() > 2 if self.autoscaler else self.number() == 4
        forget_policy(self.scene)
        wants_undone(self.scene, run)
        assert self.number() == 2
        wants("the pods are gone", self._are_gone)

    def changes(self) -> Counter[str]:
        """A number and back, a mark and back."""
        if self.autoscaler:
            return Counter({"patch horizontalpodautoscalers": 4})
        return Counter({"patch deployments": 2, "patch deployments/scale": 2})

    def unowned(self) -> str:
        """A number that nobody takes back."""
        return without_owner(self.scene, self._live(), changed=self.number() != 2)

    def _are_gone(self) -> bool:
        live = self._workload()
        if self.autoscaler and live["spec"]["replicas"] != 2:
            # It has no metrics, so it takes no pods away by itself.
            fewer: Object = {"spec": {"replicas": 2}}
            self.scene.kube.patch("Deployment", "web", self.scene.namespace, fewer)
        return len(self.scene.pods.live()) == 2

    def number(self) -> int:
        """How many pods are wanted, at least."""
        return int(self._live()["spec"]["minReplicas" if self.autoscaler else "replicas"])

    def _live(self) -> Object:
        if not self.autoscaler:
            return self._workload()
        found = self.scene.kube.get(
            "HorizontalPodAutoscaler", self.autoscaler, self.scene.namespace
        )
        assert found is not None
        return found

    def _workload(self) -> Object:
        found = self.scene.kube.get("Deployment", "web", self.scene.namespace)
        assert found is not None
        return found


@dataclass
class Isolating:
    """A node is drained and comes back."""

    nodes: NodeScene
    node: str = ""
    moved: set[str] = field(default_factory=set[str])

    @property
    def scene(self) -> Scene:
        """What the nodes are part of."""
        return self.nodes.scene

    def begin(self) -> str:
        """Let an alert say that a node is sick."""
        self.node = self.nodes.fleet.busy()
        self.moved = {str(pod["metadata"]["name"]) for pod in self.nodes.fleet.pods(self.node)}
        return self.nodes.start(self.nodes.policy(spec={"verify": CALM}), self.node)

    def finish(self, run: str) -> None:
        """Wait until its pods run elsewhere and, without the policy, until it is back."""
        scene, fleet = self.scene, self.nodes.fleet
        wants_ended(scene, run)
        assert fleet.pods(self.node) == []
        assert is_available(scene.kube.get("Deployment", "web", scene.namespace))
        assert (fleet.taint(self.node), fleet.is_cordoned(self.node)) == (run, True)
        assert self.nodes.evicted() == dict.fromkeys(self.moved, 1)
        forget_policy(scene)
        wants_undone(scene, run)
        assert (fleet.taint(self.node), fleet.is_cordoned(self.node)) == ("", False)
        assert not self.nodes.maintainer(self.node)

    def changes(self) -> Counter[str]:
        """A mark and back, cordon and taint and back, and its pods once."""
        return Counter({"patch nodes": 4, "create pods/eviction": len(self.moved)})

    def unowned(self) -> str:
        """A cordon or taint that nobody takes away."""
        fleet = self.nodes.fleet
        isolated = bool(fleet.taint(self.node)) or fleet.is_cordoned(self.node)
        return without_owner(self.scene, fleet.node(self.node), changed=isolated)


@dataclass
class Cleaning:
    """A disk is cleaned by a Job; the next one is another node's, for disks are spared a while."""

    cleaning: CleaningScene
    used: list[str] = field(default_factory=list[str])

    @property
    def scene(self) -> Scene:
        """What the nodes are part of."""
        return self.cleaning.scene

    def begin(self) -> str:
        """Fill a disk."""
        self.used.append(self.cleaning.fleet.names[len(self.used)])
        self.cleaning.fleet.fill(self.used[-1])
        told = {"alertname": "KubeNodeDiskPressure", "node": self.used[-1]}
        about = {"metadata": {"name": self.used[-1]}}
        return self.scene.start_run(self.cleaning.policy(verify=CALM), about, labels=told)

    def finish(self, run: str) -> None:
        """Wait until it has room again."""
        wants_ended(self.scene, run)
        (job,) = [each for each in self.cleaning.jobs() if self._is_here(each)]
        assert self.cleaning.step(run)["intent"]["jobUid"] == job["metadata"]["uid"]
        assert self.cleaning.made() == 1
        forget_policy(self.scene)

    def changes(self) -> Counter[str]:
        """One Job."""
        return Counter({"create jobs": 1})

    def unowned(self) -> str:
        """Nothing: a Job ends by itself."""
        return ""

    def _is_here(self, job: Object) -> bool:
        return bool(job["spec"]["template"]["spec"]["nodeName"] == self.used[-1])
