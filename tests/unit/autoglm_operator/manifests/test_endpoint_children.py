from typing import Any

from autoglm_operator.manifests import endpoint
from operator_views import ENDPOINT_OWNER, IMAGES, an_endpoint


def built(**managed: object) -> list[dict[str, Any]]:
    spec = {"engine": "Simulator", "replicas": 2, **managed}
    return endpoint.children(an_endpoint(managed=spec), ENDPOINT_OWNER, IMAGES)


def container(**managed: object) -> dict[str, Any]:
    found: dict[str, Any] = built(**managed)[0]["spec"]["template"]["spec"]["containers"][0]
    return found


def test_makes_deployment_service_and_budget() -> None:
    deployment, service, budget = built()
    revision = deployment["metadata"]["labels"]["autoglm.io/revision"]
    assert deployment["metadata"]["name"] == f"local-{revision}"
    assert deployment["spec"]["selector"]["matchLabels"] == {
        "autoglm.io/endpoint": "local",
        "autoglm.io/revision": revision,
    }
    assert service["spec"]["selector"] == {"autoglm.io/endpoint": "local"}
    assert service["spec"]["ports"][0]["targetPort"] == 8000
    assert budget["kind"] == "PodDisruptionBudget"


def test_a_single_pod_has_no_budget() -> None:
    assert [each["kind"] for each in built(replicas=1)] == ["Deployment", "Service"]


def test_the_revision_follows_what_pods_run_and_not_how_many() -> None:
    names = [
        built(**more)[0]["metadata"]["name"]
        for more in ({}, {"replicas": 5}, {"port": 9000}, {"nodeSelector": {"a": "b"}})
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_the_simulator_is_our_own_image() -> None:
    server = container()
    assert (server["image"], server["args"]) == ("img/autoglm:1", ["simulator"])
    told = {each["name"]: each.get("value") for each in server["env"]}
    assert (told["AUTOGLM_MODELS"], told["AUTOGLM_PORT"]) == ("sim", "8000")


def test_a_custom_server_is_the_users_image() -> None:
    server = container(engine="Custom", image="vllm:1", args=["--x"], port=9000)
    assert (server["image"], server["args"]) == ("vllm:1", ["--x"])
    assert server["readinessProbe"]["httpGet"]["path"] == "/v1/models"
    assert "args" not in container(engine="Custom", image="vllm:1")
