"""Everything sick at once: the stage on which each shipped alert rule is seen firing.

Exists so that the tests of rules, dashboards, runbooks and of the pair of Alertmanagers share one
installation and one set of faults. Prometheus gets the rules that the chart has installed, with one
change: `for`, minutes in production, is a few seconds. Expressions are untouched. Never waits for
an alert, save for those that decide when the next fault may begin.
"""

import contextlib
import json
import threading
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import cast

import yaml

import cluster_prometheus
import demo_stage
import images
import sick_things
from builders import OF_A_TEST, a_namespace, a_service, an_autoscaler, an_object
from cluster_pair import Pair
from demo import kubectl, stage
from demo_stage import MONITORING
from faults import Faults
from kube import Kube
from kubeconfig import Object
from patient_clients import Tasks
from shipped_rules import alerts
from simulators import fault
from statuses import condition, is_ready
from timeline import Timeline, within

FOR = "4s"
"""Two evaluations of the test cluster's Prometheus."""
SICK = stage.TEAM
FULL = "full"
"""A namespace whose quota leaves no room for runs."""
CLUSTER = stage.Stage().cluster
CLAIM = "data"
LEAVE_MIB = 550
"""Of a node's 8 GiB: less than 10 % stay."""
TASKS = 40
"""More than an executor's slots and as many waiting ones; a planner takes 64 at once."""
OWN_DEPLOYMENTS = ("operator", "receiver", "healer")
SHIPPED = {alert.name for alert in alerts()}
UNTIL_READY = 150.0
"""Arbitrary, because a cluster takes 20 s on an idle machine."""
UNTIL_FILLED = 300.0
"""Arbitrary: half a million inodes take 20 s, and the kubelet measures volumes each minute."""


def shortened(rules: str) -> str:
    """The same rules with `for` of a few seconds where they have one."""
    document = yaml.safe_load(rules)
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        if "for" in rule:
            rule["for"] = FOR
    return yaml.safe_dump(document)


@dataclass
class RulesStage:
    """The installed release, the sick objects and the faults that stand."""

    kube: Kube
    faults: Faults
    nodes: list[str]
    busybox: str
    pair: Pair
    began: float = field(default_factory=time.time)
    timeline: Timeline = field(default_factory=Timeline)
    lines: list[str] = field(default_factory=list[str])
    calm: set[str] = field(default_factory=set[str])
    """What fired before anything was made sick."""
    beside: list["Future[None]"] = field(default_factory=list["Future[None]"])
    """What happens while tests look: the faults of the ill node, and too many tasks."""
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def ill(self) -> str:
        """The node whose disk fills up and whose kubelet stops; nothing else runs there."""
        return self.nodes[-1]

    @property
    def age(self) -> float:
        """Seconds since everything was made sick."""
        return time.time() - self.began

    def sicken(self) -> None:
        """Make everything sick that can be sick at the same time."""
        create = self.kube.create
        create(a_namespace(SICK))
        create(a_namespace(FULL))
        create(an_object("ResourceQuota", "no-runs", spec={"hard": {_RUNS: "0"}}), FULL)
        for namespace in (SICK, FULL):
            create(sick_things.a_policy("futile", "KubePodCrashLooping", "crash"), namespace)
            create(sick_things.crashing(self.busybox), namespace)
        create(sick_things.more_of_the_busy(), SICK)
        for make in (sick_things.hanging, sick_things.hungry, sick_things.busy):
            create(make(self.busybox), SICK)
        create(an_autoscaler("busy", most=2), SICK)
        self._make_a_cluster()
        create(sick_things.a_claim_of_the_nodes_disk(CLAIM), SICK)
        own = images.ensure(["autoglm"])["autoglm"].reference
        hoarder = sick_things.hoarding(own, CLAIM, self.busybox)
        hoarder["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": self.ill}
        create(hoarder, SICK)

    def _make_a_cluster(self) -> None:
        create = self.kube.create
        create(a_service("vendor", 80), SICK)  # there is nobody behind it
        create(sick_things.an_external_endpoint("vendor", f"http://vendor.{SICK}.svc/v1"), SICK)
        for name in ("slow", "broken"):
            create(sick_things.a_double(name), SICK)
        create(sick_things.a_small_cluster(CLUSTER, "slow", "broken", "vendor"), SICK)

    def overload(self) -> None:
        """Give the executor more to do than it can: one model is slow, the other breaks."""
        self._watch().want(
            within(UNTIL_READY),
            "the cluster is Ready",
            lambda: condition(self.kube.get("AutoGLMCluster", CLUSTER, SICK), "Ready") == "True",
        )
        self._fault("slow", latency="6s")
        self._fault("broken", status=500)
        with Tasks(stage.Stage().client()) as tasks:
            tasks.submit(TASKS)

    def _fault(self, endpoint: str, **fields: object) -> None:
        for pod in self.kube.list("Pod", SICK, f"autoglm.io/endpoint={endpoint}"):
            fault(pod, **fields)

    def ruin_the_ill_node(self) -> None:
        """One fault after the other on one node, each until its alerts were seen."""
        own = self._watch()
        own.want(within(UNTIL_FILLED), "nearly all inodes are in use", self._hoarded)
        own.want(within(UNTIL_FILLED), "all fired", self._fired_while_full)
        self.faults.inject("stop-kubelet", self.ill)
        own.want(within(UNTIL_FILLED), "both fired", lambda: all(map(self.fired, _ABOUT_SILENCE)))
        self.faults.undo("stop-kubelet", self.ill)
        self.faults.undo("fill-disk", self.ill)

    def _fired_while_full(self) -> bool:
        # Again and again, because the kubelet deletes images that nobody uses.
        self.faults.inject("fill-disk", self.ill, "--leave-mib", str(LEAVE_MIB))
        return all(map(self.fired, _ABOUT_DISKS))

    def holds(self) -> bool:
        """Whether nothing that happens beside the tests has failed.

        Raises:
            RuntimeError: something has, so that nobody waits for what cannot come.
        """
        for each in self.beside:
            if each.done() and (error := each.exception()) is not None:
                raise RuntimeError(f"A fault did not go as written: {error}") from error
        return True

    def is_ruined(self) -> bool:
        """Whether the ill node has had all its faults, and is well again."""
        return self.holds() and all(each.done() for each in self.beside)

    def _watch(self) -> Timeline:
        """A timeline that ends with the stage."""

        def sleep(seconds: float) -> None:
            if self.over.wait(seconds):
                raise InterruptedError("The stage is taken down.")

        return Timeline(sleep=sleep)

    def fired(self, name: str) -> bool:
        """Whether an alert of this name has fired since everything was made sick."""
        return bool(cluster_prometheus.fired(name, self.began))

    def stop(self, component: str) -> None:
        """Scale one of our own processes to nothing."""
        self._scale(component, 0)

    def start(self) -> None:
        """Bring all of our own processes back."""
        for component in OWN_DEPLOYMENTS:
            self._scale(component, 1)

    def _scale(self, component: str, replicas: int) -> None:
        name = f"{stage.RELEASE}-{component}"
        body = {"spec": {"replicas": replicas}}
        if self.kube.get("Deployment", name, stage.SYSTEM) is not None:
            self.kube.patch("Deployment", name, stage.SYSTEM, body)

    def _hoarded(self) -> bool:
        return any(map(is_ready, self.kube.list("Pod", SICK, "app=hoarding")))


_RUNS = "count/healingruns.autoglm.io"
_ABOUT_DISKS = (
    "NodeFilesystemAlmostOutOfFiles",
    "NodeFilesystemAlmostOutOfSpace",
    "KubeNodeDiskPressure",
    "KubePersistentVolumeFillingUp",
    "KubePersistentVolumeInodesFillingUp",
)
_ABOUT_SILENCE = ("KubeNodeNotReady", "KubeNodeUnreachable")


@contextlib.contextmanager
def raised(kube: Kube, faults: Faults, nodes: list[str], busybox: str) -> Generator[RulesStage]:
    """Install the release, give its rules to Prometheus, make everything sick; undo all of it."""
    before = demo_stage.monitoring(kube)
    demo_stage.forget_definitions(kube)
    scene = RulesStage(kube, faults, nodes, busybox, Pair(kube))
    with ThreadPoolExecutor(2) as beside:
        try:
            _empty(kube, scene.ill)
            scene.pair.name()
            scene.lines.append(
                f"{stage.install(alertmanager={'urls': scene.pair.urls}):7.1f} s  helm install"
            )
            _connect(kube)
            _see_it_frozen(scene)
            scene.pair.connect()
            scene.timeline.start("everything is made sick")
            scene.began = time.time()
            scene.sicken()
            scene.beside = [beside.submit(scene.ruin_the_ill_node), beside.submit(scene.overload)]
            yield scene
        finally:
            scene.over.set()
            wait(scene.beside)  # or it breaks what is mended here
            _clear(scene, before)


def _see_it_frozen(scene: RulesStage) -> None:
    """The healer asks two Alertmanagers that nobody can reach: a fault, and the first one."""
    timeline = scene.timeline
    timeline.start("Prometheus has the rules, the healer has no Alertmanager")
    timeline.want(
        within(60),
        "nothing fires but the watchdog and that healing is frozen",
        lambda: _sees_only_that(scene),
    )
    scene.lines += timeline.lines


def _sees_only_that(scene: RulesStage) -> bool:
    assert cluster_prometheus.rules_are_loaded(SHIPPED), "Prometheus lacks rules of the chart."
    # What a failed test has left for a look may well be sick.
    left = {each["metadata"]["name"] for each in scene.kube.list("Namespace", labels=OF_A_TEST)}
    fire = [each for each in cluster_prometheus.firing() if each.get("namespace") not in left]
    scene.calm = {each["alertname"] for each in fire}
    assert scene.calm == {"Watchdog", "AutoGLMHealingFrozen"}, f"These fire: {fire}"
    return True


def _connect(kube: Kube) -> None:
    """Start a pair of Alertmanagers that sends to us, and Prometheus with the chart's rules."""
    shipped = kube.get("ConfigMap", f"{stage.RELEASE}-rules", stage.SYSTEM)
    assert shipped is not None
    files = cast("dict[str, str]", shipped["data"])
    rules = {name.replace(".yaml", ".rules.yml"): shortened(text) for name, text in files.items()}
    kube.patch("Deployment", "alertmanager", MONITORING, {"spec": {"replicas": 2}})
    stage.connect_alertmanager({"rules.yml": json.dumps({"groups": []}), **rules})


def _empty(kube: Kube, node: str) -> None:
    """Keep pods away from a node, and move those that a full disk or a dead kubelet would take."""
    kube.patch("Node", node, None, {"spec": {"unschedulable": True}})
    for pod in kube.list("Pod"):
        owners = {owner["kind"] for owner in pod["metadata"].get("ownerReferences", [])}
        if pod["spec"].get("nodeName") == node and "ReplicaSet" in owners:
            kube.delete("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
    for name in ("kube-state-metrics", *demo_stage.RESTARTED):
        words = ("rollout", "status", f"deployment/{name}", "--timeout=90s")
        kubectl.run("-n", MONITORING, *words)


def _clear(scene: RulesStage, before: dict[str, Object]) -> None:
    kube = scene.kube
    scene.faults.undo_all()
    scene.start()
    kube.patch("Node", scene.ill, None, {"spec": {"unschedulable": None}})
    scene.pair.forget()
    kube.patch("Deployment", "alertmanager", MONITORING, {"spec": {"replicas": 1}})
    with contextlib.suppress(LookupError):  # the kinds were never installed
        # The healer takes back what it raised, so that no run is held by that.
        for policy in kube.list("HealingPolicy", SICK):
            kube.delete("HealingPolicy", policy["metadata"]["name"], SICK)
    for deployment in kube.list("Deployment", SICK):
        if not deployment["metadata"].get("ownerReferences"):
            kube.delete("Deployment", deployment["metadata"]["name"], SICK)
    kube.delete("Namespace", FULL)
    demo_stage.clear(kube, before)
