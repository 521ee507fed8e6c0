"""AutoGLMClusters on the real API server: from the resource to an acknowledged routing table."""

import base64
import json

from control_objects import a_simulator, reason
from customresources import a_cluster
from kube import Kube
from kubeconfig import Object
from operator_process import OperatorProcess
from played_pods import PlayedPods
from recording_proxy import RecordingProxy
from statuses import condition
from timeline import Timeline, within

SOON = within(150)
"""Arbitrary, because every step of a test shares it and machines are slow."""


def get(kube: Kube, namespace: str) -> Object | None:
    return kube.get("AutoGLMCluster", "demo", namespace)


def two_upstreams(**more: object) -> Object:
    upstreams = [
        {"name": "a", "endpointRef": {"name": "a"}, "weight": 3},
        {"name": "b", "endpointRef": {"name": "b"}, "weight": 1},
    ]
    return a_cluster(upstreams=upstreams, router={"replicas": 2}, **more)


def a_ready_cluster(kube: Kube, namespace: str, timeline: Timeline) -> None:
    for name in ("a", "b"):
        kube.create(a_simulator(name, replicas=1), namespace)
    kube.create(two_upstreams(), namespace)
    timeline.want(
        SOON, "the cluster is Ready", lambda: condition(get(kube, namespace), "Ready") == "True"
    )


def test_becomes_ready_once_every_router_has_the_table(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_cluster(kube, namespace, timeline)
    cluster = get(kube, namespace)
    assert cluster is not None
    routing = cluster["status"]["routing"]
    assert routing["acknowledged"] == routing["routers"] == 2
    assert cluster["status"]["upstreams"] == [
        {"name": "a", "eligible": True, "sharePercent": 75, "circuit": "Closed"},
        {"name": "b", "eligible": True, "sharePercent": 25, "circuit": "Closed"},
    ]
    agents = pods.agents("demo")
    assert {(agent.version, agent.hash) for agent in agents} == {
        (routing["version"], routing["hash"])
    }
    secret = kube.get("Secret", "demo-routing", namespace)
    assert secret is not None
    stored = json.loads(base64.b64decode(secret["data"]["routing.json"]))
    assert stored == agents[0].documents[-1]
    assert {each["name"]: each["weight"] for each in stored["upstreams"]} == {"a": 3, "b": 1}
    assert sorted(secret["data"]) == ["push-token", "routing.json", "tls.crt", "tls.key"]


def test_a_weight_reaches_every_router(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_cluster(kube, namespace, timeline)
    cluster = get(kube, namespace)
    assert cluster is not None
    before = cluster["status"]["routing"]["version"]
    upstreams = cluster["spec"]["upstreams"]
    upstreams[1]["weight"] = 3
    timeline.start("the weight is changed")
    kube.patch("AutoGLMCluster", "demo", namespace, {"spec": {"upstreams": upstreams}})

    def in_force() -> bool:
        return all(
            {each["name"]: each["weight"] for each in agent.documents[-1]["upstreams"]}
            == {"a": 3, "b": 3}
            for agent in pods.agents("demo")
        )

    timeline.want(SOON, "every router has it in force", in_force)
    timeline.want(
        SOON,
        "status says so",
        lambda: (get(kube, namespace) or {})["status"]["upstreams"][1]["sharePercent"] == 50,
    )
    after = get(kube, namespace)
    assert after is not None
    assert after["status"]["routing"]["version"] == before + 1
    assert condition(after, "Ready") == "True"


def test_an_endpoint_that_fails_leaves_the_table_and_comes_back(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_cluster(kube, namespace, timeline)
    pods.models["b"] = ["another"]

    def eligible() -> list[bool]:
        found = get(kube, namespace)
        assert found is not None
        return [bool(each["eligible"]) for each in found["status"]["upstreams"]]

    timeline.want(SOON, "b is not eligible", lambda: eligible() == [True, False])
    assert reason(kube.get("ModelEndpoint", "b", namespace), "Healthy") == "ModelNotServed"
    assert condition(get(kube, namespace), "Ready") == "True"
    timeline.want(
        SOON,
        "no router lists b",
        lambda: all(
            [each["name"] for each in agent.documents[-1]["upstreams"]] == ["a"]
            for agent in pods.agents("demo")
        ),
    )
    del pods.models["b"]
    timeline.want(SOON, "b is eligible again", lambda: eligible() == [True, True])


def test_suspended_endpoints_are_absent_and_none_left_is_not_ready(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_cluster(kube, namespace, timeline)
    for name in ("a", "b"):
        kube.patch("ModelEndpoint", name, namespace, {"spec": {"suspend": True}})
    timeline.want(
        SOON,
        "no upstream is eligible",
        lambda: reason(get(kube, namespace), "Ready") == "NoEligibleUpstream",
    )
    timeline.want(
        SOON,
        "the routers know",
        lambda: all(agent.documents[-1]["upstreams"] == [] for agent in pods.agents("demo")),
    )


def test_a_stale_router_degrades_and_a_refusal_is_reported(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_cluster(kube, namespace, timeline)
    pods.agents("demo")[0].hangs = True
    kube.patch("ModelEndpoint", "b", namespace, {"spec": {"suspend": True}})
    timeline.want(
        SOON,
        "Degraded=True/RouterStale",
        lambda: reason(get(kube, namespace), "Degraded") == "RouterStale",
    )
    assert condition(get(kube, namespace), "Ready") == "True"
    pods.agents("demo")[0].hangs = False
    timeline.want(
        SOON,
        "no longer degraded",
        lambda: condition(get(kube, namespace), "Degraded") == "False",
    )
    for agent in pods.agents("demo"):
        agent.refuses = "models: something is wrong"
    kube.patch("ModelEndpoint", "b", namespace, {"spec": {"suspend": False}})
    timeline.want(
        SOON,
        "the refusal is in status",
        lambda: reason(get(kube, namespace), "RoutingProgrammed") == "RoutingRejected",
    )


def test_a_router_with_a_newer_table_gets_one_that_is_newer_still(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_cluster(kube, namespace, timeline)
    agent = pods.agents("demo")[0]
    agent.version, agent.hash = 1000, "0" * 64

    def overtaken() -> bool:
        found = get(kube, namespace)
        assert found is not None
        return found["status"]["routing"]["version"] > 1000 and agent.version > 1000

    timeline.want(SOON, "the table's version is above 1000", overtaken)
    timeline.want(
        SOON, "all is well", lambda: condition(get(kube, namespace), "RoutingProgrammed") == "True"
    )


def test_client_keys_are_made_once_and_added_ones_count(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_cluster(kube, namespace, timeline)
    secret = kube.get("Secret", "demo-client-key", namespace)
    assert secret is not None
    first = secret["data"]["key"]
    kube.patch("Secret", "demo-client-key", namespace, {"stringData": {"second": "sk-two"}})
    timeline.want(
        SOON,
        "two keys are in force",
        lambda: all(
            len(agent.documents[-1]["security"]["clientKeys"]) == 2 for agent in pods.agents("demo")
        ),
    )
    now = kube.get("Secret", "demo-client-key", namespace)
    assert now is not None
    assert now["data"]["key"] == first
    assert now["data"].keys() == {"key", "second"}


def test_writes_nothing_while_nothing_changes(
    kube: Kube,
    namespace: str,
    pods: PlayedPods,
    operator: OperatorProcess,
    proxy: RecordingProxy,
    timeline: Timeline,
) -> None:
    a_ready_cluster(kube, namespace, timeline)
    timeline.want(
        SOON,
        "nothing is degraded",
        lambda: condition(get(kube, namespace), "Degraded") == "False",
    )
    timeline.stays(2, "settling", lambda: True)
    settled = len(proxy.writes())
    timeline.stays(25, "no write", lambda: len(proxy.writes()) == settled)
    operator.kill()
    operator.start()
    timeline.want(SOON, "it leads again", lambda: operator.metric("autoglm_leader") == 1)
    timeline.stays(8, "no write after a restart either", lambda: len(proxy.writes()) == settled)


def test_a_dangling_reference_leaves_the_rest_serving(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    kube.create(a_simulator("a", replicas=1), namespace)
    kube.create(two_upstreams(), namespace)
    timeline.want(
        SOON, "the cluster is Ready", lambda: condition(get(kube, namespace), "Ready") == "True"
    )
    cluster = get(kube, namespace)
    assert reason(cluster, "ResolvedRefs") == "EndpointNotFound"
    assert condition(cluster, "ResolvedRefs") == "False"


def test_paused_leaves_everything_as_it_is(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_cluster(kube, namespace, timeline)
    kube.patch("AutoGLMCluster", "demo", namespace, {"spec": {"paused": True}})
    timeline.want(SOON, "paused", lambda: reason(get(kube, namespace), "Accepted") == "Paused")
    kube.patch("Deployment", "demo-router", namespace, {"spec": {"replicas": 3}})
    timeline.stays(
        5,
        "the changed Deployment is left alone",
        lambda: (kube.get("Deployment", "demo-router", namespace) or {})["spec"]["replicas"] == 3,
    )
    kube.patch("AutoGLMCluster", "demo", namespace, {"spec": {"paused": False}})
    timeline.want(
        SOON,
        "it is repaired",
        lambda: (kube.get("Deployment", "demo-router", namespace) or {})["spec"]["replicas"] == 2,
    )


def test_no_secret_value_reaches_status_events_or_logs(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_cluster(kube, namespace, timeline)
    values: set[str] = set()
    for name in ("demo-routing", "demo-internal", "demo-client-key"):
        secret = kube.get("Secret", name, namespace)
        assert secret is not None
        decoded = {key: base64.b64decode(each).decode() for key, each in secret["data"].items()}
        values |= {each for key, each in decoded.items() if key not in {"routing.json", "tls.crt"}}
    shown = json.dumps(
        [
            kube.list(kind, namespace)
            for kind in ("AutoGLMCluster", "ModelEndpoint", "Event.events.k8s.io", "Pod")
        ]
    )
    metrics = operator.get("/metrics")
    assert metrics is not None
    for value in values:
        assert value not in shown
        assert value not in operator.log.read_text()
        assert value not in metrics.text
