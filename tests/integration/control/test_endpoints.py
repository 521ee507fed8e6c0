"""ModelEndpoints on the real API server: children, conditions, drift, names, refusals."""

import pytest

from control_objects import a_simulator, reason
from customresources import an_external_endpoint
from kube import Kube, KubeError
from kubeconfig import Object
from operator_process import OperatorProcess
from played_pods import PlayedPods
from recording_proxy import RecordingProxy
from statuses import condition
from timeline import Timeline, within

SOON = within(150)
"""Arbitrary, because every step of a test shares it and machines are slow."""


def settled_status(obj: Object | None) -> bool:
    return condition(obj, "Ready") == "True" and condition(obj, "Degraded") == "False"


def deployments(kube: Kube, namespace: str, endpoint: str) -> list[Object]:
    return kube.list("Deployment", namespace, f"autoglm.io/endpoint={endpoint}")


def a_ready_endpoint(kube: Kube, namespace: str, timeline: Timeline) -> None:
    kube.create(a_simulator(), namespace)
    timeline.want(
        SOON,
        "the endpoint is Ready",
        lambda: condition(kube.get("ModelEndpoint", "local", namespace), "Ready") == "True",
    )


def test_becomes_ready_with_its_children(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_endpoint(kube, namespace, timeline)
    endpoint = kube.get("ModelEndpoint", "local", namespace)
    assert endpoint is not None
    (deployment,) = deployments(kube, namespace, "local")
    assert deployment["metadata"]["name"] == f"local-{endpoint['status']['activeRevision']}"
    assert deployment["metadata"]["ownerReferences"][0]["uid"] == endpoint["metadata"]["uid"]
    assert kube.get("Service", "local", namespace)
    assert kube.get("PodDisruptionBudget", "local", namespace)
    assert endpoint["status"]["replicas"] == 2
    revision = endpoint["status"]["activeRevision"]
    selector = f"autoglm.io/endpoint=local,autoglm.io/revision={revision}"
    assert endpoint["status"]["selector"] == selector
    scale = kube.call("GET", kube.resource("ModelEndpoint").path(namespace, "local", "scale"))
    assert scale["status"] == {"replicas": 2, "selector": selector}


def test_repairs_children_that_somebody_changed_or_deleted(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    kube.create(a_simulator(), namespace)
    timeline.want(SOON, "children exist", lambda: kube.get("Service", "local", namespace))
    timeline.want(SOON, "workload exists", lambda: deployments(kube, namespace, "local"))
    name = deployments(kube, namespace, "local")[0]["metadata"]["name"]

    kube.patch("Deployment", name, namespace, {"spec": {"replicas": 5}})
    kube.patch("Service", "local", namespace, {"spec": {"selector": {"autoglm.io/endpoint": "x"}}})
    kube.patch(
        "Deployment", name, namespace, {"metadata": {"labels": {"autoglm.io/owner-uid": "x"}}}
    )

    def repaired() -> bool:
        deployment = kube.get("Deployment", name, namespace)
        service = kube.get("Service", "local", namespace)
        assert deployment is not None
        assert service is not None
        return bool(
            deployment["spec"]["replicas"] == 2
            and deployment["metadata"]["labels"]["autoglm.io/owner-uid"] != "x"
            and service["spec"]["selector"]["autoglm.io/endpoint"] == "local"
        )

    timeline.want(SOON, "Deployment and Service are as they should be", repaired)

    before = kube.get("Service", "local", namespace)
    kube.delete("Service", "local", namespace)

    def made_anew() -> bool:
        now = kube.get("Service", "local", namespace)
        assert before is not None
        return now is not None and now["metadata"]["uid"] != before["metadata"]["uid"]

    timeline.want(SOON, "the deleted Service is made anew", made_anew)


def test_never_takes_over_a_foreign_object(
    kube: Kube, namespace: str, operator: OperatorProcess, timeline: Timeline
) -> None:
    foreign = kube.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "local"},
            "spec": {"ports": [{"port": 1234}], "selector": {"app": "mine"}},
        },
        namespace,
    )
    kube.create(a_simulator(), namespace)
    timeline.want(
        SOON,
        "the conflict is reported",
        lambda: reason(kube.get("ModelEndpoint", "local", namespace), "Accepted") == "NameConflict",
    )
    now = kube.get("Service", "local", namespace)
    assert now is not None
    assert now["metadata"]["resourceVersion"] == foreign["metadata"]["resourceVersion"]
    assert deployments(kube, namespace, "local") == []

    kube.delete("Service", "local", namespace)
    timeline.want(
        SOON,
        "the name is free, so the endpoint is accepted",
        lambda: condition(kube.get("ModelEndpoint", "local", namespace), "Accepted") == "True",
    )


def test_a_child_that_lost_its_owner_is_left_alone_and_reported(
    kube: Kube, namespace: str, operator: OperatorProcess, timeline: Timeline
) -> None:
    kube.create(a_simulator(), namespace)
    timeline.want(SOON, "children exist", lambda: kube.get("Service", "local", namespace))
    kube.patch("Service", "local", namespace, {"metadata": {"ownerReferences": None}})
    timeline.want(
        SOON,
        "the conflict is reported",
        lambda: reason(kube.get("ModelEndpoint", "local", namespace), "Accepted") == "NameConflict",
    )


def test_writes_nothing_while_nothing_changes(
    kube: Kube,
    namespace: str,
    pods: PlayedPods,
    operator: OperatorProcess,
    proxy: RecordingProxy,
    timeline: Timeline,
) -> None:
    operator.stop()
    operator.settings["sweep_seconds"] = "5"
    operator.start()
    kube.create(a_simulator(), namespace)
    timeline.want(
        SOON,
        "the endpoint is Ready",
        lambda: settled_status(kube.get("ModelEndpoint", "local", namespace)),
    )
    timeline.stays(2, "settling", lambda: True)
    settled = len(proxy.writes())
    timeline.stays(15, "no write", lambda: len(proxy.writes()) == settled)
    operator.stop()
    operator.start()
    timeline.want(SOON, "it leads again", lambda: operator.metric("autoglm_leader") == 1)
    timeline.stays(8, "no write after a restart either", lambda: len(proxy.writes()) == settled)


def test_replaces_pods_only_once_the_new_revision_serves(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    a_ready_endpoint(kube, namespace, timeline)
    old = deployments(kube, namespace, "local")[0]["metadata"]["name"]
    kube.patch(
        "ModelEndpoint",
        "local",
        namespace,
        {"spec": {"managed": {"resources": {"requests": {"cpu": "1m"}}}}},
    )
    ready: list[bool] = []

    def replaced() -> bool:
        endpoint = kube.get("ModelEndpoint", "local", namespace)
        ready.append(condition(endpoint, "Ready") == "True")
        names = [each["metadata"]["name"] for each in deployments(kube, namespace, "local")]
        return len(names) == 1 and names[0] != old

    timeline.want(SOON, "only the new revision is left", replaced)
    assert all(ready), "the endpoint stayed Ready throughout"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://169.254.169.254/v1", "AddressRefused"),
        ("http://100.100.100.200/v1", "AddressRefused"),
        ("http://localhost:8000/v1", "AddressRefused"),
        ("http://kubernetes.default.svc/v1", "AddressRefused"),
        ("http://models.other-team.svc/v1", "AddressRefused"),
        ("https://192.0.2.1/v1", "InvalidSpec"),
    ],
)
def test_refuses_addresses_that_an_endpoint_must_not_have(
    url: str,
    why: str,
    kube: Kube,
    namespace: str,
    operator: OperatorProcess,
    timeline: Timeline,
) -> None:
    kube.create(an_external_endpoint(baseURL=url), namespace)
    timeline.want(
        SOON,
        f"Accepted=False/{why}",
        lambda: reason(kube.get("ModelEndpoint", "vendor", namespace), "Accepted") == why,
    )
    endpoint = kube.get("ModelEndpoint", "vendor", namespace)
    assert condition(endpoint, "Ready") == "False"


def test_says_what_is_missing_about_a_secret(
    kube: Kube, namespace: str, operator: OperatorProcess, timeline: Timeline
) -> None:
    kube.create(
        an_external_endpoint(
            baseURL="http://127.0.0.1:9/v1", apiKeySecretRef={"name": "key", "key": "token"}
        ),
        namespace,
    )

    def resolved(why: str) -> None:
        timeline.want(
            SOON,
            f"ResolvedRefs says {why}",
            lambda: reason(kube.get("ModelEndpoint", "vendor", namespace), "ResolvedRefs") == why,
        )

    resolved("SecretNotFound")
    secret: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}}
    kube.create(secret, namespace)
    resolved("SecretNotLabelled")
    kube.patch(
        "Secret", "key", namespace, {"metadata": {"labels": {"autoglm.io/credential": "true"}}}
    )
    resolved("KeyNotFound")
    kube.patch("Secret", "key", namespace, {"stringData": {"token": "abc"}})
    resolved("Resolved")
    timeline.want(
        SOON,
        "the probe finds nobody there",
        lambda: reason(kube.get("ModelEndpoint", "vendor", namespace), "Healthy") == "Unreachable",
    )


def test_a_wrong_union_is_refused_with_a_sentence(
    kube: Kube, namespace: str, crds: list[str]
) -> None:
    wrong = a_simulator()
    wrong["spec"]["external"] = {"baseURL": "https://models.example.com/v1"}
    with pytest.raises(KubeError) as refused:
        kube.create(wrong, namespace)
    assert refused.value.status == 422
    assert "type Managed needs the block managed and no block external" in refused.value.message
