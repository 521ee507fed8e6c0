from typing import Any

import pytest

from autoglm_api import kinds
from autoglm_dataplane.router_agent.settings import AGENT_PORT, RouterAgentSettings
from autoglm_operator.manifests import pods, router

OWNER = pods.Owner(kinds.AUTOGLM_CLUSTER, "team-a", "demo", "0000-1111")
IMAGES = pods.Images("img/autoglm:1", "img/haproxy:3.2", "img/valkey:9")


def built(replicas: int = 2, *, tls: bool = False) -> dict[tuple[str, str], Any]:
    children = router.children(router.Router(OWNER, IMAGES, replicas, tls=tls))
    return {(child["kind"], child["metadata"]["name"]): child for child in children}


def pod() -> Any:  # noqa: ANN401 - a manifest
    return built()["Deployment", "demo-router"]["spec"]["template"]["spec"]


def container(name: str) -> Any:  # noqa: ANN401 - a manifest
    return next(
        one for one in (*pod()["containers"], *pod()["initContainers"]) if one["name"] == name
    )


def test_makes_deployment_services_and_budget() -> None:
    assert set(built()) == {
        ("Deployment", "demo-router"),
        ("Service", "demo-router"),
        ("Service", "demo-router-internal"),
        ("PodDisruptionBudget", "demo-router"),
    }


def test_a_single_pod_has_no_budget() -> None:
    assert ("PodDisruptionBudget", "demo-router") not in built(replicas=1)


@pytest.mark.parametrize(
    ("service", "port", "target"), [("demo-router", 80, 8080), ("demo-router-internal", 8090, 8090)]
)
def test_services_lead_to_their_listeners(service: str, port: int, target: int) -> None:
    (found,) = built()["Service", service]["spec"]["ports"]
    assert (found["port"], found["targetPort"]) == (port, target)


def test_with_a_certificate_the_service_has_the_port_of_https_alone() -> None:
    (port,) = built(tls=True)["Service", "demo-router"]["spec"]["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("https", 443, 8080)


def test_the_agent_runs_before_haproxy_and_beside_it() -> None:
    agent, lane = pod()["initContainers"]
    assert {agent["restartPolicy"], lane["restartPolicy"]} == {"Always"}
    assert agent["args"] == ["router-agent"]
    assert agent["startupProbe"]["httpGet"]["scheme"] == "HTTPS"


def test_haproxy_alone_decides_whether_the_pod_is_ready() -> None:
    assert container("haproxy")["readinessProbe"]["httpGet"] == {
        "path": "/readyz",
        "port": "metrics",
    }
    assert "livenessProbe" not in container("haproxy")
    assert "readinessProbe" not in container("agent")


def test_the_lane_spools_bodies_on_a_bounded_volume() -> None:
    lane = container("lane")
    assert lane["args"] == ["router-lane"]
    assert [mount["name"] for mount in lane["volumeMounts"]] == ["run", "spool"]
    spool = next(one for one in pod()["volumes"] if one["name"] == "spool")
    mebibytes = next(one for one in lane["env"] if one["name"] == "AUTOGLM_SPOOL_MEBIBYTES")
    assert spool["emptyDir"] == {"sizeLimit": f"{mebibytes['value']}Mi"}


def test_connections_have_time_to_end() -> None:
    assert container("haproxy")["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    drain = next(
        one["value"] for one in container("agent")["env"] if one["name"] == "AUTOGLM_DRAIN"
    )
    assert drain == f"{router.DRAIN_SECONDS}s"
    assert pod()["terminationGracePeriodSeconds"] > router.DRAIN_SECONDS + 5


def test_keys_stay_in_memory_and_with_the_agent() -> None:
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    assert volumes["run"]["emptyDir"]["medium"] == "Memory"
    assert volumes["state"]["emptyDir"]["medium"] == "Memory"
    assert volumes["routing"]["secret"]["secretName"] == "demo-routing"
    assert [one["key"] for one in volumes["routing"]["secret"]["items"]] == [
        "routing.json",
        "push-token",
        "tls.crt",
        "tls.key",
    ]
    assert [mount["name"] for mount in container("haproxy")["volumeMounts"]] == ["run"]


def test_pods_are_restricted_and_have_no_token() -> None:
    assert pod()["automountServiceAccountToken"] is False
    assert pod()["securityContext"]["runAsNonRoot"] is True
    for name in ("haproxy", "agent"):
        security = container(name)["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}


def test_paths_and_ports_are_those_of_the_agents_settings() -> None:
    settings = RouterAgentSettings()
    paths = (settings.run_dir, settings.state_dir, settings.secret_dir)
    ports = (settings.client_port, settings.internal_port, settings.metrics_port, settings.port)
    mounts = [mount["mountPath"] for mount in container("agent")["volumeMounts"]]
    listeners = [
        port["containerPort"] for name in ("haproxy", "agent") for port in container(name)["ports"]
    ]
    assert mounts == [str(path) for path in paths]
    assert listeners == list(ports)
    assert router.AGENT_PORT == AGENT_PORT
    assert str(settings.layout().config) in container("haproxy")["args"]
