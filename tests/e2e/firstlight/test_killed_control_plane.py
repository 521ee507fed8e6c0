"""kill -9 of operator, receiver and healer, each at the moment when it matters.

No accepted alert is lost and nothing is done twice: what was done is counted in the run's journal
and in the history of the pods.
"""

import functools
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass

import pytest

import processes_of_pods
from autoglm_api import metrics
from builders import a_container, a_deployment, a_mount, an_empty_volume, an_object
from demo import kubectl, routing, stage
from demo_stage import Scene
from firing_alerts import firing
from kube import Kube
from kubeconfig import Object
from patient_clients import traffic
from statuses import is_ready, phase
from timeline import Timeline, within

ALERT = "TestedCrash"
BACK = within(60)
"""Generous: a killed container is back after a few seconds on an idle machine."""
SOON = within(90)
"""Generous: what is waited for takes seconds on an idle machine."""
TAKEOVER = within(60)
"""Generous: the design says 25 s."""


@dataclass(frozen=True)
class ControlPlane:
    """The three Deployments of the chart, and who leads."""

    kube: Kube

    def pods(self, component: str) -> list[Object]:
        """The pods of one component, the oldest name first."""
        selector = f"app.kubernetes.io/component={component}"
        found = self.kube.list("Pod", stage.SYSTEM, selector)
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def lease(self, component: str) -> Object:
        """The Lease by which a component finds its leader."""
        found = self.kube.get("Lease", f"{stage.RELEASE}-{component}", stage.SYSTEM)
        assert found is not None
        spec: Object = found["spec"]
        return spec

    def leader(self, component: str) -> Object:
        """The pod that leads."""
        holder = self.lease(component)["holderIdentity"]
        return next(pod for pod in self.pods(component) if pod["metadata"]["uid"] == holder)

    def led_by_another(self, component: str, pod: Object) -> bool:
        """Whether a living pod other than this one leads."""
        holder = self.lease(component).get("holderIdentity")
        others = [str(each["metadata"]["uid"]) for each in self.pods(component)]
        return bool(holder) and holder in others and holder != pod["metadata"]["uid"]

    def restarts(self, component: str, pod: Object) -> int:
        """How often the component's container was started again."""
        now = self.kube.get("Pod", str(pod["metadata"]["name"]), stage.SYSTEM)
        return processes_of_pods.restarts(now, component)

    def whole(self, component: str) -> bool:
        """Whether every pod is ready."""
        return all(is_ready(pod) for pod in self.pods(component))


@pytest.fixture
def control(kube: Kube, timeline: Timeline) -> Generator[ControlPlane]:
    """The control plane, whole again in the end."""
    control = ControlPlane(kube)
    yield control
    for component in ("operator", "receiver", "healer"):
        whole = functools.partial(control.whole, component)
        timeline.want(BACK, f"every {component} is ready", whole)


@dataclass(frozen=True)
class Ward:
    """A namespace with a workload that can be made sick, and a policy that treats it."""

    kube: Kube
    namespace: str

    def pods(self) -> list[Object]:
        """The pods of the workload."""
        return self.kube.list("Pod", self.namespace, "app=patient")

    def well(self) -> bool:
        """Whether the workload has a pod that runs."""
        return any(is_ready(pod) for pod in self.pods())

    def sicken(self, timeline: Timeline) -> str:
        """Break the pod so that only a new one is well; return its name once that is seen.

        Until the kubelet has told of it, which takes up to a second or so, the only pod of a
        workload looks well, and the healer refuses to evict it.
        """
        (pod,) = self.pods()
        name = str(pod["metadata"]["name"])
        kubectl.run("-n", self.namespace, "exec", name, "--", "touch", "/state/bad")
        processes_of_pods.kill(pod, "main")

        def told() -> bool:
            now = self.kube.get("Pod", name, self.namespace)
            return processes_of_pods.restarts(now, "main") > 0 or not is_ready(now)

        timeline.want(SOON, "the kubelet has told that the pod is sick", told)
        return name

    def runs(self) -> list[Object]:
        """The healing runs about this namespace."""
        return self.kube.list("HealingRun", self.namespace)

    def run_about(self, pod: str) -> Object | None:
        """The run that an alert about a pod began."""
        found = [run for run in self.runs() if run["spec"]["alert"]["labels"]["pod"] == pod]
        return found[0] if found else None

    def pods_made(self) -> int:
        """How many pods the workload has had, from the events of its ReplicaSet."""
        events = self.kube.list("Event", self.namespace)
        return sum(
            int(event.get("count") or 1)
            for event in events
            if event["reason"] == "SuccessfulCreate" and event["involvedObject"]["kind"] != "Job"
        )


def alerts_received(receiver: Object) -> float:
    """How many alerts a receiver was sent since it started."""
    url = f"http://{receiver['status']['podIP']}:8081/metrics"
    with urllib.request.urlopen(url, timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(metrics.ALERTS.name))


def a_treatment() -> Object:
    """A policy for all alerts of these tests, without any waiting that they are not about."""
    spec: Object = {
        "mode": "Enforce",
        "alerts": [{"matchers": [{"name": "alertname", "value": ALERT}]}],
        "target": {"kind": "Workload", "selector": {"matchLabels": {"app": "patient"}}},
        "ladder": [{"action": "Restart", "restart": {"scope": "Pod"}}],
        "verify": {"stabilization": "8s", "timeout": "2m"},
        "guards": {"cooldown": "0s"},
    }
    return an_object("HealingPolicy", "tested", "autoglm.io/v1alpha1", spec=spec)


@pytest.fixture
def ward(kube: Kube, scene: Scene, namespace: str, busybox: str, timeline: Timeline) -> Ward:
    """A patient that is still well, and its policy."""
    ward = Ward(kube, namespace)
    command = ["sh", "-c", "test ! -e /state/bad && exec sleep 100000"]
    mounted = a_container(busybox, command, volumeMounts=[a_mount("state", "/state")])
    volumes = [an_empty_volume("state")]
    deployment = a_deployment("patient", mounted, volumes=volumes)
    deployment["metadata"]["labels"] = {"app": "patient"}
    kube.create(deployment, namespace)
    kube.create(a_treatment(), namespace)
    timeline.want(SOON, "the patient is well", ward.well)
    return ward


def test_a_killed_operator_goes_on_at_once(
    scene: Scene, control: ControlPlane, timeline: Timeline
) -> None:
    leader, before = control.leader("operator"), control.lease("operator")
    earlier = control.restarts("operator", leader)
    version = routing.version(scene.stage)
    with traffic(scene.stage.client()) as requests:
        processes_of_pods.kill(leader, "operator")
        timeline.start("kill -9 of the leading operator")
        took = routing.weigh(scene.stage, {"west": 2}, version, seconds=60)
        timeline.note(f"a new weight is in force on every router after {took:.1f} s")
        routing.weigh(scene.stage, {"west": 1}, routing.version(scene.stage))
    assert requests.answered
    assert requests.failures == []
    assert control.restarts("operator", leader) == earlier + 1
    # No other pod took over, so the new process did not wait for its own Lease to run out.
    now = control.lease("operator")
    assert now["holderIdentity"] == before["holderIdentity"]
    assert now["leaseTransitions"] == before["leaseTransitions"]


def test_no_alert_is_lost_when_a_receiver_is_killed(
    ward: Ward, control: ControlPlane, timeline: Timeline
) -> None:
    pods = [f"nobody-{number}" for number in range(20)]

    def stored() -> set[str]:
        return {str(run["spec"]["alert"]["labels"]["pod"]) for run in ward.runs()}

    timeline.start("20 alerts, one after the other")
    with firing(ALERT, ward.namespace, pods, pause_seconds=0.1):
        timeline.want(SOON, "the first is stored", stored)
        # The one that Alertmanager talks to.
        killed = max(control.pods("receiver"), key=alerts_received)
        earlier = control.restarts("receiver", killed)
        processes_of_pods.kill(killed, "receiver")
        timeline.note(f"kill -9 of a receiver, {len(stored())} alerts are stored")
        timeline.want(SOON, "all 20 are stored", lambda: stored() == set(pods))
        assert len(ward.runs()) == len(pods)
        timeline.want(
            SOON,
            "each is closed, because there is no such pod",
            lambda: {phase(run) for run in ward.runs()} == {"Skipped"},
        )
    timeline.want(BACK, "it came back", lambda: control.restarts("receiver", killed) == earlier + 1)
    assert ward.pods_made() == 1


def test_a_pod_is_replaced_once_although_the_healer_is_killed(
    ward: Ward, control: ControlPlane, timeline: Timeline
) -> None:
    leader, before = control.leader("healer"), control.lease("healer")
    earlier = control.restarts("healer", leader)
    with firing(ALERT, ward.namespace, [name := ward.sicken(timeline)]):
        timeline.start("an alert about a sick pod")

        def begun() -> bool:
            run = ward.run_about(name)
            return bool(run and run.get("status", {}).get("steps"))

        timeline.want(SOON, "the healer has begun", begun)
        processes_of_pods.kill(leader, "healer")
        timeline.note("kill -9 of the leading healer")
        timeline.want(
            SOON, "the run has succeeded", lambda: phase(ward.run_about(name)) == "Succeeded"
        )
    run = ward.run_about(name)
    assert run is not None
    assert [step["outcome"] for step in run["status"]["steps"]] == ["Succeeded"]
    assert ward.well()
    assert ward.pods_made() == 2
    assert control.restarts("healer", leader) == earlier + 1
    now = control.lease("healer")
    assert now["holderIdentity"] == before["holderIdentity"]
    assert now["leaseTransitions"] == before["leaseTransitions"]


def test_another_healer_takes_over_when_the_leaders_pod_is_deleted(
    ward: Ward, kube: Kube, control: ControlPlane, timeline: Timeline
) -> None:
    leader = control.leader("healer")
    with firing(ALERT, ward.namespace, [name := ward.sicken(timeline)]):
        kube.delete("Pod", str(leader["metadata"]["name"]), stage.SYSTEM)
        timeline.start("the leading healer's pod is deleted")
        timeline.want(TAKEOVER, "another leads", lambda: control.led_by_another("healer", leader))
        timeline.want(
            SOON, "the run has succeeded", lambda: phase(ward.run_about(name)) == "Succeeded"
        )
    assert ward.pods_made() == 2


def test_another_operator_takes_over_from_a_frozen_one_which_ends_itself(
    scene: Scene, control: ControlPlane, timeline: Timeline
) -> None:
    leader = control.leader("operator")
    earlier = control.restarts("operator", leader)
    with traffic(scene.stage.client()) as requests:
        processes_of_pods.freeze(leader, "operator")
        timeline.start("the leading operator is frozen")
        try:
            timeline.want(
                TAKEOVER, "another leads", lambda: control.led_by_another("operator", leader)
            )
            took = routing.weigh(scene.stage, {"west": 2}, routing.version(scene.stage))
            timeline.note(f"a new weight is in force on every router after {took:.1f} s")
        finally:
            processes_of_pods.thaw(leader, "operator")
        timeline.want(
            BACK,
            "the frozen one has ended itself and was started again",
            lambda: control.restarts("operator", leader) == earlier + 1,
        )
        routing.weigh(scene.stage, {"west": 1}, routing.version(scene.stage))
        assert control.led_by_another("operator", leader)
    assert requests.failures == []
