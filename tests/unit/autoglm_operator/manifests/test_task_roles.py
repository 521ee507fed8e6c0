"""The children of planner, executor and store, and that the processes understand what they say."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from autoglm_api import kinds
from autoglm_api.autoglmcluster import CooperationStrategy, EmbeddedStore
from autoglm_api.pods import PodOptions, Resources
from autoglm_api.settings import read
from autoglm_dataplane.executor.settings import ExecutorSettings
from autoglm_dataplane.planner.settings import PlannerSettings
from autoglm_operator.manifests import executor, planner, secrets, store
from autoglm_operator.manifests.pods import Images, Manifest, Owner
from autoglm_operator.manifests.taskroles import TaskRole

OWNER = Owner(kinds.AUTOGLM_CLUSTER, "team-a", "demo", "uid-1")
IMAGES = Images("autoglm:1", "haproxy:1", "valkey:1", "IfNotPresent")


def a_role(replicas: int | None = 2, timeout: timedelta = timedelta(minutes=5)) -> TaskRole:
    return TaskRole(OWNER, IMAGES, replicas, timeout)


def planner_children(role: TaskRole) -> list[Manifest]:
    return planner.children(role, model="glm", strategy=CooperationStrategy.SINGLE)


def store_children(**said: object) -> list[Manifest]:
    return store.children(store.Store(OWNER, IMAGES, EmbeddedStore.model_validate(said)))


ROLES = [planner_children, executor.children]


def pod_of(children: list[Manifest]) -> dict[str, Any]:
    spec: dict[str, Any] = children[0]["spec"]["template"]["spec"]
    return spec


def environment_of(children: list[Manifest]) -> dict[str, str]:
    return {
        each["name"]: each.get("value", "x") for each in pod_of(children)["containers"][0]["env"]
    }


@pytest.mark.parametrize("build", ROLES)
def test_a_role_is_deployment_service_and_budget(
    build: Callable[[TaskRole], list[Manifest]],
) -> None:
    kinds_of = [child["kind"] for child in build(a_role())]
    assert kinds_of == ["Deployment", "Service", "PodDisruptionBudget"]
    assert len(build(a_role(replicas=1))) == 2


@pytest.mark.parametrize("build", ROLES)
def test_an_autoscalers_replicas_are_left_to_it(
    build: Callable[[TaskRole], list[Manifest]],
) -> None:
    assert "replicas" not in build(a_role(replicas=None))[0]["spec"]


def test_the_planner_understands_its_environment() -> None:
    settings = read(PlannerSettings, environment_of(planner_children(a_role())))
    assert settings.model == "glm"
    assert settings.strategy is CooperationStrategy.SINGLE
    assert settings.run_timeout == timedelta(minutes=5)
    assert settings.internal_url == "http://demo-router-internal.team-a.svc:8090"
    assert settings.store_url == "valkey://demo-store.team-a.svc:6379/0"
    assert settings.port == planner.PORT


def test_the_executor_understands_its_environment() -> None:
    settings = read(ExecutorSettings, environment_of(executor.children(a_role())))
    assert settings.port == executor.PORT


@pytest.mark.parametrize("children", [planner_children(a_role()), executor.children(a_role())])
def test_secrets_are_files_and_only_those_needed(children: list[Manifest]) -> None:
    pod = pod_of(children)
    (volume,) = [each["secret"] for each in pod["volumes"] if "secret" in each]
    assert volume["secretName"] == "demo-internal"
    assert [item["key"] for item in volume["items"]] == ["token", "valkey-password"]
    assert not any(
        "valueFrom" in each and "secretKeyRef" in each["valueFrom"]
        for each in pod["containers"][0]["env"]
    )


@pytest.mark.parametrize(
    "children", [planner_children(a_role()), executor.children(a_role()), store_children()]
)
def test_pods_are_restricted_and_have_no_token(children: list[Manifest]) -> None:
    pod = pod_of(children)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize(
    ("timeout", "grace", "seconds"),
    [(timedelta(seconds=30), "30s", 5 + 60 + 15), (timedelta(hours=1), "10m", 5 + 1200 + 15)],
)
def test_a_pod_may_finish_its_work_but_not_hold_up_a_drain(
    timeout: timedelta, grace: str, seconds: int
) -> None:
    children = executor.children(a_role(timeout=timeout))
    assert environment_of(children)["AUTOGLM_SHUTDOWN_GRACE"] == grace
    assert pod_of(children)["terminationGracePeriodSeconds"] == seconds


def test_resources_reach_the_container() -> None:
    options = PodOptions(resources=Resources(limits={"memory": "1Gi"}))
    role = TaskRole(OWNER, IMAGES, 1, timedelta(minutes=1), options)
    container = pod_of(executor.children(role))["containers"][0]
    assert container["resources"] == {"limits": {"memory": "1Gi"}}


def test_the_store_keeps_every_write_on_a_volume_of_the_size_asked_for() -> None:
    stateful_set = store_children(storage="5Gi")[0]
    (container,) = pod_of([stateful_set])["containers"]
    arguments = " ".join(container["args"])
    assert "--appendonly yes --appendfsync always" in arguments
    (claim,) = stateful_set["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"] == {"storage": "5Gi"}
    mounted = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "data"]
    assert f"--dir {mounted[0]}" in arguments


def test_the_stores_password_is_in_no_argument() -> None:
    data = secrets.internal_data({}, ("token", "pass-word"))
    assert data[secrets.VALKEY_CONFIG] == b"requirepass pass-word\n"
    assert "pass-word" not in str(store_children())
    config = pod_of(store_children())["volumes"][0]["secret"]
    assert [item["key"] for item in config["items"]] == [secrets.VALKEY_CONFIG]


def test_the_service_reaches_the_stores_pods() -> None:
    stateful_set, service = store_children()
    labels = stateful_set["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["metadata"]["name"] == stateful_set["spec"]["serviceName"] == "demo-store"
