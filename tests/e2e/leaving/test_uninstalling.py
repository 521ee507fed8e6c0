"""`helm uninstall` on real nodes: what healing changed comes back first, nothing stays behind."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial

import pytest

from builders import a_container, a_deployment, an_autoscaler
from kube import Kube
from kubeconfig import Object
from leaving_release import RELEASE, SYSTEM, TEAM, LeavingRelease, forget_cluster_wide, helm
from statuses import is_available, taints
from timeline import Timeline, within

SOON = within(180)
"""Generous: everything waited for takes seconds on an idle machine."""
MORE: Object = {"maxReplicas": 3, "step": 1, "revertAfter": "23h"}
QUARANTINE: Object = {"level": "Quarantine", "minHealthy": "1", "healthyDelay": "1h"}
EVERY_NODE: Object = {"matchLabels": {"kubernetes.io/os": "linux"}}
RAISED = (2, 2, True)
LOWERED = (1, 1, False)


@dataclass(frozen=True)
class Patients:
    """A node, a workload of which nobody scales one, and one that an autoscaler scales."""

    kube: Kube
    node: str
    before: Object
    """The node's spec."""

    def start(self, image: str) -> None:
        """Make the workloads."""
        resources = {"requests": {"cpu": "10m"}}
        for name in ("plain", "scaled"):
            container = a_container(image, ["sleep", "3600"], resources=resources)
            workload = a_deployment(name, container)
            workload["metadata"]["labels"] = {"app": name}
            self.kube.create(workload, TEAM)
        self.kube.create(an_autoscaler("scaled"), TEAM)

    def are_up(self) -> bool:
        """Whether both workloads have all that they want."""
        found = (self.kube.get("Deployment", name, TEAM) for name in ("plain", "scaled"))
        return all(map(is_available, found))

    def objects(self) -> tuple[Object, Object, Object]:
        """What healing changes: workload, autoscaler, node."""
        plain = self.kube.get("Deployment", "plain", TEAM)
        bounds = self.kube.get("HorizontalPodAutoscaler", "scaled", TEAM)
        node = self.kube.get("Node", self.node)
        assert plain is not None
        assert bounds is not None
        assert node is not None
        return plain, bounds, node

    def state(self) -> tuple[int, int, bool]:
        """Pods that are wanted, the least that the autoscaler may choose, and the cordon."""
        plain, bounds, node = self.objects()
        cordoned = bool(node["spec"].get("unschedulable"))
        return plain["spec"]["replicas"], bounds["spec"]["minReplicas"], cordoned

    def marks(self) -> list[str]:
        """What says of an object that it will be changed back."""
        annotations = (each["metadata"].get("annotations", {}) for each in self.objects())
        marks = [each["autoglm.io/lease"] for each in annotations if "autoglm.io/lease" in each]
        return marks + sorted(taints(self.objects()[2]) & {"autoglm.io/isolated"})


@pytest.fixture
def patients(release: LeavingRelease, nodes: list[str], busybox: str) -> Generator[Patients]:
    """Healthy workloads and a healthy node; the node is as it was afterwards."""
    if len(nodes) < 2:
        pytest.skip("With a single node none can be isolated: hack/cluster up --nodes 2.")
    node = release.kube.get("Node", nodes[-1])
    assert node is not None
    patients = Patients(release.kube, nodes[-1], node["spec"])
    patients.start(busybox)
    yield patients
    spec: Object = {"taints": patients.before.get("taints"), "unschedulable": None}
    change: Object = {"metadata": {"annotations": {"autoglm.io/lease": None}}, "spec": spec}
    release.kube.patch("Node", patients.node, None, change)


def test_what_healing_changed_is_undone_before_the_release_goes(
    release: LeavingRelease, patients: Patients, timeline: Timeline
) -> None:
    release.install("--wait", "--timeout", "3m")
    timeline.want(SOON, "the workloads run", patients.are_up)
    quarantine: Object = {"action": "IsolateNode", "isolateNode": QUARANTINE}
    target: Object = {"kind": "Node", "selector": EVERY_NODE}
    runs = [release.start("node", target, quarantine, {"node": patients.node})]
    for name in ("plain", "scaled"):
        selector: Object = {"matchLabels": {"app": name}}
        target = {"kind": "Workload", "from": {"nameLabel": "deployment"}, "selector": selector}
        step: Object = {"action": "ScaleOut", "scaleOut": MORE}
        runs.append(release.start(name, target, step, {"deployment": name}))
    for name in runs:
        timeline.want(SOON, f"{name} has helped", partial(_has_helped, release, name))
    assert patients.state() == RAISED
    assert len(patients.marks()) == 4

    timeline.start("helm uninstall")
    done = helm("uninstall", RELEASE)
    timeline.note("the release is gone")

    assert done.returncode == 0, done.stdout + done.stderr
    assert patients.state() == LOWERED
    assert patients.marks() == []
    for name in runs:
        run = release.run(name)
        lease = run["status"]["steps"][0]["lease"]
        assert lease["state"] == "Reverted"
        assert "the release is being uninstalled" in lease["message"]
        assert "finalizers" not in run["metadata"]
    timeline.want(SOON, "nothing is left of the release", release.is_gone)
    # Kubernetes' own taint of a cordoned node goes a moment after the cordon.
    timeline.want(
        SOON, "the node is as before", lambda: patients.objects()[2]["spec"] == patients.before
    )


def test_a_release_that_never_worked_goes_without_its_hook(
    release: LeavingRelease, timeline: Timeline
) -> None:
    release.install(tag="nobody-has-built-this")

    timeline.start("helm uninstall, whose hook cannot run either")
    with_hook = helm("uninstall", RELEASE, "--timeout", "10s")
    without = helm("uninstall", RELEASE, "--no-hooks")

    assert with_hook.returncode != 0
    assert without.returncode == 0, without.stderr
    # What the hook made was not helm's to delete; most of it goes with the namespace.
    timeline.want(
        SOON,
        "only the hook's own parts are left",
        lambda: all(f"{RELEASE}-undo" in each for each in release.left()),
    )
    forget_cluster_wide()
    release.kube.delete("Namespace", SYSTEM)
    timeline.want(SOON, "nothing is left of the release", release.is_gone)


def _has_helped(release: LeavingRelease, name: str) -> bool:
    return str(release.run(name).get("status", {}).get("phase")) == "Succeeded"
