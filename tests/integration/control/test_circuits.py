"""Circuits of routers as Events of endpoints, on the real API server with played routers."""

from typing import TYPE_CHECKING

from control_objects import a_simulator
from customresources import a_cluster
from kube import Kube
from operator_process import OperatorProcess
from played_pods import PlayedPods
from statuses import condition
from timeline import Timeline, within

if TYPE_CHECKING:
    from kubeconfig import Object

SOON = within(150)
"""Arbitrary, because every step of a test shares it and machines are slow."""
SETTLED = 25
"""More than two looks of the operator at every router."""


def told(kube: Kube, namespace: str) -> list[tuple[str, str]]:
    """The Events about circuits: reason and object, the oldest first."""
    events: list[Object] = kube.list("Event.events.k8s.io", namespace)
    found = [event for event in events if event["reason"].startswith("Circuit")]
    found.sort(key=lambda event: event["eventTime"])
    return [
        (event["reason"], f"{event['regarding']['kind']}/{event['regarding']['name']}")
        for event in found
    ]


def circuits(kube: Kube, namespace: str) -> dict[str, str | None]:
    cluster = kube.get("AutoGLMCluster", "demo", namespace) or {}
    upstreams: list[Object] = cluster.get("status", {}).get("upstreams") or []
    return {each["name"]: each.get("circuit") for each in upstreams}


def test_a_circuit_is_told_once_over_all_routers_and_restarts(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    for name in ("vendor", "local"):
        kube.create(a_simulator(name, replicas=1), namespace)
    upstreams = [
        {"name": "a", "endpointRef": {"name": "vendor"}},
        {"name": "b", "endpointRef": {"name": "local"}},
    ]
    kube.create(a_cluster(upstreams=upstreams, router={"replicas": 2}), namespace)
    timeline.want(
        SOON,
        "the cluster is Ready",
        lambda: condition(kube.get("AutoGLMCluster", "demo", namespace), "Ready") == "True",
    )
    one, other = pods.agents("demo")

    one.open_circuits = ["a"]
    opened = [("CircuitOpened", "ModelEndpoint/vendor")]
    timeline.want(SOON, "the opening is told", lambda: told(kube, namespace) == opened)
    assert circuits(kube, namespace) == {"a": "Open", "b": "Closed"}

    # The other router, a router that is silent, and a restarted operator have nothing to add.
    other.open_circuits = ["a"]
    one.hangs = True
    operator.kill()
    operator.start()
    timeline.want(SOON, "it leads again", lambda: operator.metric("autoglm_leader") == 1)
    other.open_circuits = []
    timeline.stays(SETTLED, "nothing more is told", lambda: told(kube, namespace) == opened)
    assert circuits(kube, namespace) == {"a": "Open", "b": "Closed"}

    one.open_circuits, one.hangs = [], False
    closed = [*opened, ("CircuitClosed", "ModelEndpoint/vendor")]
    timeline.want(SOON, "the closing is told", lambda: told(kube, namespace) == closed)
    assert circuits(kube, namespace) == {"a": "Closed", "b": "Closed"}
