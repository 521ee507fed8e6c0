from typing import Any

from autoglm_operator.manifests import endpoint
from autoglm_operator.manifests.endpoint import InForce
from operator_views import ENDPOINT_OWNER, IMAGES, an_endpoint

DIGEST = f"sha256:{'0' * 64}"


def built(now: InForce | None = None, **managed: object) -> list[dict[str, Any]]:
    spec = {"engine": "Simulator", "replicas": 2, **managed}
    return endpoint.children(an_endpoint(managed=spec), ENDPOINT_OWNER, IMAGES, now)


def autoscaled(now: InForce | None = None, **autoscaling: object) -> list[dict[str, Any]]:
    spec = {"engine": "Simulator", "autoscaling": {"maxReplicas": 9, **autoscaling}}
    return endpoint.children(an_endpoint(managed=spec), ENDPOINT_OWNER, IMAGES, now)


def pod(**managed: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a managed endpoint
    found: dict[str, Any] = built(**managed)[0]["spec"]["template"]["spec"]
    return found


def container(**managed: Any) -> dict[str, Any]:  # noqa: ANN401 - the same
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
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    assert budget["spec"]["selector"]["matchLabels"] == {"autoglm.io/endpoint": "local"}
    assert budget["kind"] == "PodDisruptionBudget"


def test_a_single_pod_has_no_budget() -> None:
    assert [each["kind"] for each in built(replicas=1)] == ["Deployment", "Service"]


def test_the_revision_follows_what_pods_run_and_not_how_many() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"replicas": 5},
        {"port": 9000},
        {"nodeSelector": {"a": "b"}},
    ]
    names = [built(**more)[0]["metadata"]["name"] for more in changes]
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
    assert server["startupProbe"]["httpGet"]["path"] == "/v1/models"
    assert "livenessProbe" not in server
    assert "args" not in container(engine="Custom", image="vllm:1")


def test_a_pod_is_ready_only_after_a_completion_and_says_what_it_serves() -> None:
    template = built(port=9000)[0]["spec"]["template"]
    assert template["spec"]["readinessGates"] == [{"conditionType": "autoglm.io/completion"}]
    assert template["metadata"]["annotations"] == {
        "autoglm.io/model": "sim",
        "autoglm.io/port": "9000",
    }


def test_the_service_stays_with_the_revision_that_serves() -> None:
    deployment, service, *_ = built(InForce("before", 2))
    assert service["spec"]["selector"]["autoglm.io/revision"] == "before"
    assert deployment["metadata"]["labels"]["autoglm.io/revision"] != "before"


def test_an_autoscaler_owns_the_number_of_pods_it_looks_at() -> None:
    deployment, _, budget, scaler = autoscaled(minReplicas=3)
    assert "replicas" not in deployment["spec"]
    assert deployment["metadata"]["annotations"] == {"autoglm.io/initial-replicas": "3"}
    assert budget["kind"] == "PodDisruptionBudget"
    assert (scaler["kind"], scaler["metadata"]["name"]) == ("HorizontalPodAutoscaler", "local")
    assert scaler["spec"] == {
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": deployment["metadata"]["name"],
        },
        "minReplicas": 3,
        "maxReplicas": 9,
    }


def test_a_coming_revision_carries_what_the_autoscaler_chose_for_the_last_one() -> None:
    deployment, _, _, scaler = autoscaled(InForce("before", 7))
    assert deployment["spec"]["replicas"] == 7
    assert "annotations" not in deployment["metadata"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == "local-before"
    assert autoscaled(InForce("before", 1), minReplicas=2)[0]["spec"]["replicas"] == 2


def test_metrics_and_behavior_reach_the_autoscaler_as_they_are() -> None:
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    metrics = [{"type": "Resource", "resource": cpu}]
    policies = [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60, "policies": policies}}
    *_, scaler = autoscaled(metrics=metrics, behavior=behavior)
    assert (scaler["spec"]["metrics"], scaler["spec"]["behavior"]) == (metrics, behavior)


def test_vllm_serves_the_model_under_its_name() -> None:
    server = container(engine="VLLM", image="vllm:1", args=["--max-model-len", "8192"])
    assert server["command"] == ["vllm", "serve"]
    assert server["args"] == [
        *("sim", "--served-model-name", "sim", "--port", "8000"),
        *("--max-model-len", "8192"),
    ]
    paths = {
        kind: server[kind]["httpGet"]["path"]
        for kind in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert set(paths.values()) == {"/health"}
    assert {"name": "shm", "mountPath": "/dev/shm"} in server["volumeMounts"]  # noqa: S108
    told = {each["name"]: each["value"] for each in server["env"]}
    assert (told["HOME"], told["USER"]) == ("/tmp", "nonroot")  # noqa: S108
    assert "HF_HUB_OFFLINE" not in told


def test_sglang_serves_the_files_of_the_artifact() -> None:
    artifact = {"uri": "pvc://models/glm/v1", "digest": DIGEST}
    server = container(engine="SGLang", image="sglang:1", artifact=artifact)
    assert server["command"] == ["python3", "-m", "sglang.launch_server"]
    assert server["args"] == [
        *("--model-path", "/models/glm/v1", "--served-model-name", "sim", "--port", "8000"),
        *("--host", "0.0.0.0"),  # noqa: S104
    ]
    told = {each["name"]: each["value"] for each in server["env"]}
    assert told["HF_HUB_OFFLINE"] == "1"


def test_the_files_are_checked_before_the_server_starts() -> None:
    artifact = {"uri": "pvc://models", "digest": DIGEST}
    resources = {
        "requests": {"cpu": "2", "nvidia.com/gpu": "1"},
        "limits": {"nvidia.com/gpu": "1"},
    }
    found = pod(artifact=artifact, resources=resources)
    (check,) = found["initContainers"]
    assert (check["image"], check["args"]) == ("img/autoglm:1", ["verify-artifact"])
    assert check["env"] == [
        {"name": "AUTOGLM_ARTIFACT_DIGEST", "value": DIGEST},
        {"name": "AUTOGLM_ARTIFACT_PATH", "value": "/models"},
        {"name": "AUTOGLM_ARTIFACT_VOLUME", "value": "/models"},
    ]
    assert check["resources"] == {"requests": {"cpu": "2"}}
    assert found["containers"][0]["resources"] == resources
    claim = {"claimName": "models", "readOnly": True}
    assert {"name": "artifact", "persistentVolumeClaim": claim} in found["volumes"]
    mount = {"name": "artifact", "mountPath": "/models", "readOnly": True}
    assert mount in check["volumeMounts"]
    assert mount in found["containers"][0]["volumeMounts"]
    assert "resources" not in pod(artifact=artifact)["initContainers"][0]
    assert "initContainers" not in pod()


def test_pods_go_where_their_accelerators_are() -> None:
    found = pod(
        runtimeClassName="nvidia",
        imagePullSecrets=[{"name": "registry"}],
        nodeSelector={"gpu": "a100"},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
    )
    assert found["runtimeClassName"] == "nvidia"
    assert found["imagePullSecrets"] == [{"name": "registry"}]
    assert found["nodeSelector"] == {"gpu": "a100"}
    assert found["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert not {"runtimeClassName", "imagePullSecrets"} & set(pod())


def test_a_pod_that_leaves_has_time_for_its_requests() -> None:
    quick = pod(drainTimeout="20s")
    simulator = quick["containers"][0]
    assert simulator["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    told = {each["name"]: each.get("value") for each in simulator["env"]}
    assert told["AUTOGLM_SHUTDOWN_GRACE"] == "20s"
    assert quick["terminationGracePeriodSeconds"] > 25
    for engine in ("VLLM", "SGLang", "Custom"):
        found = pod(engine=engine, image="a:1", drainTimeout="2m")
        # These servers drop their requests at SIGTERM.
        assert found["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 120}}}
        assert found["terminationGracePeriodSeconds"] > 120


def test_a_server_has_its_time_to_load_the_model() -> None:
    for engine in ({"engine": "Simulator"}, {"engine": "VLLM", "image": "a:1"}):
        probe = pod(**engine, startupTimeout="20m")["containers"][0]["startupProbe"]
        assert probe["failureThreshold"] * probe["periodSeconds"] == 1200
