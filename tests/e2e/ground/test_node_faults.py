"""Every fault of a node is seen by the cluster, answered by it, and undone."""

import socket
from collections.abc import Callable

import pytest

from builders import a_container, a_deployment, a_host_volume, a_job, a_mount
from faults import Faults
from kube import Kube
from kubeconfig import Object
from statuses import condition, is_ready, phase
from timeline import Timeline, between, within

PORT = 8080

DISK_PRESSURE = "node.kubernetes.io/disk-pressure"


class App:
    """A small server that prefers one node and is replaced elsewhere."""

    def __init__(self, kube: Kube, namespace: str, node: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self.node = node

    def start(self, image: str) -> None:
        container = a_container(image, ["httpd", "-f", "-p", str(PORT)], port=PORT)
        on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [self.node]}
        preferred = {"weight": 100, "preference": {"matchExpressions": [on_node]}}
        rules = {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}
        app = a_deployment("app", container, affinity={"nodeAffinity": rules})
        self._kube.create(app, self._namespace)

    def pods(self) -> list[Object]:
        return self._kube.list("Pod", self._namespace, "app=app")

    def runs_on_its_node(self) -> bool:
        return any(is_ready(pod) and pod["spec"]["nodeName"] == self.node for pod in self.pods())

    def is_replaced(self) -> bool:
        return any(is_ready(pod) and pod["spec"]["nodeName"] != self.node for pod in self.pods())

    def is_evicted(self) -> bool:
        """Whether the kubelet ended a pod of it for the node's sake."""
        return any(
            phase(pod) == "Failed" and pod["status"].get("reason") == "Evicted"
            for pod in self.pods()
        )

    def address(self) -> str:
        (pod,) = self.pods()
        return str(pod["status"]["podIP"])


def answers(address: str) -> bool:
    try:
        socket.create_connection((address, PORT), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.fixture
def app(kube: Kube, namespace: str, nodes: list[str], busybox: str, timeline: Timeline) -> App:
    """An app on the last node, with another node to go to."""
    assert len(nodes) > 1, "the app needs another node to go to: hack/cluster up --nodes 2"
    app = App(kube, namespace, nodes[-1])
    app.start(busybox)
    timeline.want(within(90), f"the app runs on {app.node}", app.runs_on_its_node)
    return app


@pytest.fixture
def node_is(kube: Kube, app: App) -> Callable[[str, str], Callable[[], bool]]:
    """Make probes for a condition of the app's node."""

    def probe(kind: str, status: str) -> Callable[[], bool]:
        return lambda: condition(kube.get("Node", app.node), kind) == status

    return probe


Probes = Callable[[str, str], Callable[[], bool]]


@pytest.mark.parametrize(
    ("fault", "goes_on"),
    [("stop-kubelet", True), ("cut-network", False), ("crash-node", False)],
)
def test_a_silent_node_is_given_up_and_comes_back(
    fault: str, goes_on: bool, app: App, node_is: Probes, faults: Faults, timeline: Timeline
) -> None:
    address = app.address()
    timeline.start(f"{fault} {app.node}")
    faults.inject(fault, app.node)
    faults.inject(fault, app.node)  # done twice is done once
    timeline.want(between(5, 60), "the node is Unknown", node_is("Ready", "Unknown"))
    assert answers(address) is goes_on
    timeline.want(within(120), "the app is replaced elsewhere", app.is_replaced)
    timeline.start("undo it")
    faults.undo(fault, app.node)
    timeline.want(within(60), "the node is Ready", node_is("Ready", "True"))
    timeline.want(within(60), "one pod is left", lambda: len(app.pods()) == 1)


def test_a_node_without_its_container_runtime_says_so(
    app: App, node_is: Probes, faults: Faults, timeline: Timeline
) -> None:
    address = app.address()
    timeline.start(f"stop-containerd {app.node}")
    faults.inject("stop-containerd", app.node)
    timeline.want(between(5, 120), "the node is not Ready", node_is("Ready", "False"))
    assert answers(address)
    timeline.start("undo it")
    faults.undo("stop-containerd", app.node)
    timeline.want(within(60), "the node is Ready", node_is("Ready", "True"))


def test_a_full_disk_evicts_and_a_freed_one_is_taken_back(
    app: App, node_is: Probes, faults: Faults, timeline: Timeline
) -> None:
    timeline.start(f"fill-disk {app.node}")
    faults.inject("fill-disk", app.node)
    timeline.want(within(60), "the node has DiskPressure", node_is("DiskPressure", "True"))
    timeline.want(within(90), "the app is evicted", app.is_evicted)
    timeline.want(within(120), "the app is replaced elsewhere", app.is_replaced)
    timeline.start("undo it")
    faults.undo("fill-disk", app.node)
    timeline.want(within(90), "the pressure is gone", node_is("DiskPressure", "False"))


def test_a_critical_job_frees_the_disk_of_a_node_under_pressure(
    app: App,
    kube: Kube,
    make_namespace: Callable[[str], str],
    node_is: Probes,
    faults: Faults,
    timeline: Timeline,
) -> None:
    timeline.start(f"fill-disk {app.node}")
    faults.inject("fill-disk", app.node)
    timeline.want(within(60), "the node has DiskPressure", node_is("DiskPressure", "True"))
    namespace = make_namespace("privileged")  # others may not mount a node's disk
    image = str(app.pods()[0]["spec"]["containers"][0]["image"])
    kube.create(a_cleaning_job(image, app.node), namespace)
    timeline.start("the Job is asked for")
    timeline.want(
        within(60),
        "the Job is Complete",
        lambda: condition(kube.get("Job", "clean", namespace), "Complete") == "True",
    )
    timeline.want(within(90), "the pressure is gone", node_is("DiskPressure", "False"))


def a_cleaning_job(image: str, node: str) -> Object:
    """Return a Job that goes to a full node and deletes the file that fills it."""
    container = a_container(image, ["rm", "/node/fill"], volumeMounts=[a_mount("node", "/node")])
    job = a_job(
        "clean",
        container,
        volumes=[a_host_volume("node")],
        nodeSelector={"kubernetes.io/hostname": node},
        # Admission on a node under pressure looks at the priority only; the scheduler at the taint.
        priorityClassName="system-node-critical",
        tolerations=[{"key": DISK_PRESSURE, "operator": "Exists"}],
    )
    # The file is root's; root without any capability may delete it.
    job["spec"]["template"]["spec"]["securityContext"] |= {"runAsNonRoot": False, "runAsUser": 0}
    return job
