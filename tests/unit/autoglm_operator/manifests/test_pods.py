from autoglm_api import kinds
from autoglm_api.pods import PodOptions
from autoglm_operator.manifests import pods
from operator_views import OWNER

OPTIONS = PodOptions.model_validate(
    {
        "resources": {"requests": {"cpu": "100m"}},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    }
)


def test_containers_are_restricted() -> None:
    built = pods.container("c", "i")
    assert built["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert built.keys() == {"name", "image", "securityContext"}


def test_containers_take_what_they_are_given() -> None:
    built = pods.container("c", "i", pull_policy="Never", options=OPTIONS, args=["x"], env=[])
    assert built["imagePullPolicy"] == "Never"
    assert built["resources"] == {"requests": {"cpu": "100m"}}
    assert built["args"] == ["x"]
    assert "env" not in built


def test_pods_have_no_token_and_no_service_variables() -> None:
    spec = pods.pod_template(pods.Pods(labels={"a": "b"}, containers=[]))["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec.keys() == {
        "automountServiceAccountToken",
        "enableServiceLinks",
        "securityContext",
        "terminationGracePeriodSeconds",
        "containers",
    }


def test_pods_take_what_they_are_given() -> None:
    template = pods.pod_template(
        pods.Pods(
            labels={"a": "b"},
            containers=[],
            init_containers=[{"name": "i"}],
            volumes=[{"name": "v"}],
            annotations={"x": "y"},
            options=OPTIONS,
        )
    )
    spec = template["spec"]
    assert template["metadata"] == {"labels": {"a": "b"}, "annotations": {"x": "y"}}
    assert spec["initContainers"] == [{"name": "i"}]
    assert spec["volumes"] == [{"name": "v"}]
    assert spec["nodeSelector"] == {"disk": "ssd"}
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists"}]


def test_children_belong_to_their_owner() -> None:
    built = pods.child(kinds.SERVICE, OWNER, "x", {"l": "1"})
    assert built["metadata"]["namespace"] == "team-a"
    (reference,) = built["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"], reference["controller"]) == (
        "AutoGLMCluster",
        "cluster-uid",
        True,
    )


def test_deployments_lose_no_capacity_and_leave_replicas_to_their_owner() -> None:
    built = pods.deployment(
        OWNER, "x", labels={}, selector={"s": "1"}, replicas=None, pods=pods.Pods({}, [])
    )
    assert "replicas" not in built["spec"]
    assert built["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    sized = pods.deployment(
        OWNER, "x", labels={}, selector={"s": "1"}, replicas=0, pods=pods.Pods({}, [])
    )
    assert sized["spec"]["replicas"] == 0


def test_variables_and_probes() -> None:
    assert pods.env(B="2", A="1") == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert pods.secret_env("K", "s", "k")["valueFrom"]["secretKeyRef"] == {"name": "s", "key": "k"}
    assert pods.field_env("P", "metadata.name")["valueFrom"]["fieldRef"]["fieldPath"] == (
        "metadata.name"
    )
    assert pods.http_probe("/x", 1, periodSeconds=2) == {
        "httpGet": {"path": "/x", "port": 1},
        "periodSeconds": 2,
    }


def test_budgets_let_broken_pods_go() -> None:
    spec = pods.disruption_budget(OWNER, "x", labels={}, selector={"s": "1"})["spec"]
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert spec["maxUnavailable"] == 1
