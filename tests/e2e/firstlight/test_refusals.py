"""Bad input, and a store that is away: each is told what to do, and what worked goes on working."""

import contextlib
import http.client
from collections.abc import Generator

import openai
import pytest

from builders import a_service, an_object
from demo import kubectl, planning
from demo.traffic import MODEL, Client, send
from demo_stage import Scene
from kube import Kube
from kubeconfig import Object
from statuses import condition, is_ready
from timeline import Timeline, within

SOON = within(60)
"""Generous: the design says 15 s."""
TOO_LARGE = 21 * 2**20
"""Bytes; a router takes 20 MiB unless it is told otherwise."""


def ask(to: Client, model: str) -> None:
    with to.connect() as client:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])


def serves(scene: Scene, requests: int = 20) -> None:
    assert send(scene.stage.client(), requests).failures == []


def accepted(obj: Object | None) -> tuple[str, str]:
    return why(obj, "Accepted")


def why(obj: Object | None, kind: str) -> tuple[str, str]:
    found = kubectl.condition(obj or {}, kind)
    return str(found.get("status", "Absent")), str(found.get("reason", ""))


def message(obj: Object | None, kind: str) -> str:
    assert obj is not None
    return str(kubectl.condition(obj, kind)["message"])


def test_an_unknown_model_is_named_as_such(scene: Scene) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        ask(scene.stage.client(), "glm-none")
    assert refused.value.code == "model_not_found"
    assert "/v1/models" in refused.value.message


def test_a_wrong_key_is_refused(scene: Scene) -> None:
    right = scene.stage.client()
    with pytest.raises(openai.AuthenticationError) as refused:
        ask(Client(right.url, f"{right.key}x"), MODEL)
    assert refused.value.code == "invalid_api_key"
    assert right.key not in refused.value.message


def test_an_oversized_body_is_refused_before_it_is_sent(scene: Scene) -> None:
    to = scene.stage.client()
    connection = http.client.HTTPConnection(to.url.removeprefix("http://"), timeout=10)
    with contextlib.closing(connection):
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("Authorization", f"Bearer {to.key}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(TOO_LARGE))
        connection.endheaders()
        reply = connection.getresponse()
        assert reply.status == http.client.REQUEST_ENTITY_TOO_LARGE
        assert b'"request_too_large"' in reply.read()
    serves(scene)


def test_the_openai_client_reads_why_its_body_is_too_large(scene: Scene) -> None:
    with scene.stage.client().connect() as client, pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x" * TOO_LARGE}]
        )
    assert refused.value.status_code == http.client.REQUEST_ENTITY_TOO_LARGE
    assert refused.value.code == "request_too_large"


def wants_ready(kube: Kube, scene: Scene, timeline: Timeline) -> None:
    def ready() -> bool:
        cluster = kube.get("AutoGLMCluster", scene.stage.cluster, scene.namespace)
        return condition(cluster, "Ready") == "True"

    timeline.want(SOON, "the cluster is Ready", ready)


@pytest.fixture
def _no_store(kube: Kube, scene: Scene, timeline: Timeline) -> Generator[None]:
    """The store is away until the test ends; the cluster is paused, else it would come back."""
    cluster, namespace = scene.stage.cluster, scene.namespace
    name = f"{cluster}-store"

    def pods() -> list[Object]:
        return kube.list("Pod", namespace, f"autoglm.io/cluster={cluster},autoglm.io/role=store")

    kube.patch("AutoGLMCluster", cluster, namespace, {"spec": {"paused": True}})
    kube.patch("StatefulSet", name, namespace, {"spec": {"replicas": 0}})
    try:
        timeline.want(SOON, "the store is away", lambda: not pods())
        yield
    finally:
        kube.patch("StatefulSet", name, namespace, {"spec": {"replicas": 1}})
        kube.patch("AutoGLMCluster", cluster, namespace, {"spec": {"paused": False}})
        timeline.want(SOON, "the store is back", lambda: any(map(is_ready, pods())))


@pytest.mark.usefixtures("_no_store")
def test_without_a_store_tasks_are_refused_and_requests_are_answered(
    scene: Scene, timeline: Timeline
) -> None:
    with pytest.raises(openai.InternalServerError) as refused:
        ask(scene.stage.client(), planning.VIRTUAL_MODEL)
    assert refused.value.status_code == http.client.SERVICE_UNAVAILABLE
    assert refused.value.type == "server_error"
    assert refused.value.code in {"store_unavailable", "no_usable_endpoint"}
    assert "try again" in refused.value.message
    timeline.note(f"refused: {refused.value.message}")
    serves(scene, requests=200)


def test_tasks_are_taken_again_once_the_store_is_back(
    kube: Kube, scene: Scene, timeline: Timeline
) -> None:
    def answered() -> bool:
        try:
            return bool(planning.planned_task(scene.stage).text)
        except openai.InternalServerError:
            return False

    timeline.want(SOON, "a planned task is answered", answered)
    wants_ready(kube, scene, timeline)


def an_external(name: str, url: str) -> Object:
    spec: Object = {"type": "External", "model": MODEL, "external": {"baseURL": url}}
    return an_object("ModelEndpoint", name, "autoglm.io/v1alpha1", spec=spec)


def test_an_endpoint_on_loopback_is_not_accepted(
    kube: Kube, scene: Scene, namespace: str, timeline: Timeline
) -> None:
    kube.create(an_external("near", "http://127.0.0.1:8000/v1"), namespace)

    def seen() -> Object | None:
        return kube.get("ModelEndpoint", "near", namespace)

    timeline.want(
        SOON, "it is not accepted", lambda: accepted(seen()) == ("False", "AddressRefused")
    )
    assert "baseURL" in message(seen(), "Accepted")
    assert condition(seen(), "Ready") == "False"


def test_a_dangling_reference_is_named_and_the_rest_serves(
    kube: Kube, scene: Scene, timeline: Timeline
) -> None:
    def cluster() -> Object | None:
        return kube.get("AutoGLMCluster", scene.stage.cluster, scene.namespace)

    wants_ready(kube, scene, timeline)
    found = cluster()
    assert found is not None
    before = found["spec"]["upstreams"]
    dangling = {"name": "lost", "endpointRef": {"name": "lost"}, "weight": 1}

    def reroute(upstreams: list[Object]) -> None:
        body = {"spec": {"upstreams": upstreams}}
        kube.patch("AutoGLMCluster", scene.stage.cluster, scene.namespace, body)

    reroute([*before, dangling])
    try:
        timeline.want(
            SOON,
            "it is reported",
            lambda: why(cluster(), "ResolvedRefs") == ("False", "EndpointNotFound"),
        )
        assert "lost" in message(cluster(), "ResolvedRefs")
        assert condition(cluster(), "Ready") == "True"
        serves(scene)
    finally:
        reroute(before)
    timeline.want(SOON, "all is resolved", lambda: condition(cluster(), "ResolvedRefs") == "True")


def test_a_name_that_is_taken_is_reported_and_the_other_object_left_alone(
    kube: Kube, scene: Scene, namespace: str, timeline: Timeline
) -> None:
    foreign = kube.create(a_service("taken", 1234), namespace)
    spec: Object = {
        "type": "Managed",
        "model": MODEL,
        "managed": {"engine": "Simulator", "replicas": 1},
    }
    kube.create(an_object("ModelEndpoint", "taken", "autoglm.io/v1alpha1", spec=spec), namespace)

    def seen() -> Object | None:
        return kube.get("ModelEndpoint", "taken", namespace)

    timeline.want(SOON, "it is not accepted", lambda: accepted(seen()) == ("False", "NameConflict"))
    assert "taken" in message(seen(), "Accepted")
    now = kube.get("Service", "taken", namespace)
    assert now is not None
    assert now["metadata"]["resourceVersion"] == foreign["metadata"]["resourceVersion"]
