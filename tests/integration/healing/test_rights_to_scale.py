"""A scale-out and its way back with the rights that the chart grants, and nothing beyond them."""

from collections.abc import Generator
from dataclasses import replace

import pytest

import customresources
from autoglm_api.labels import RESTARTED_AT
from chart_accounts import bounded_healer
from healing_objects import SOON, MakeProcess, Scene
from healing_processes import running
from kube import Kube, KubeError
from kubeconfig import Access, Object
from leaving_scenes import an_autoscaler
from played_nodes import a_played_node
from proxy_faults import Match

MORE = {"action": "ScaleOut", "scaleOut": {"maxReplicas": 5, "step": 2, "revertAfter": "23h"}}


@pytest.fixture(autouse=True)
def node(kube: Kube, namespace: str) -> Generator[str]:
    """A node with room for more pods."""
    with a_played_node(kube, f"node-{namespace}") as name:
        yield name


def ask(kube: Kube, kind: str, name: str, namespace: str, change: Object) -> None:
    """Patch an object as a dry run."""
    path = kube.resource(kind).path(namespace, name)
    media = "application/merge-patch+json"
    kube.call("PATCH", path, change, query={"dryRun": "All"}, media=media)


def client_of(kube: Kube, token: str) -> Kube:
    """A client that the API server knows by this token alone."""
    return Kube(Access(kube.access.server, ca=kube.access.ca, token=token))


@pytest.mark.parametrize("autoscaled", [False, True], ids=["plain", "autoscaled"])
def test_scales_out_and_back_with_the_rights_of_the_chart(
    scene: Scene, make_process: MakeProcess, accounts: dict[str, str], *, autoscaled: bool
) -> None:
    kube = scene.kube
    if autoscaled:
        kube.create(an_autoscaler(8), scene.namespace)
    healer = bounded_healer(make_process, kube, scene.release, accounts)
    receiver = replace(scene, kube=client_of(kube, accounts["receiver"]))
    run = receiver.start_run(scene.make_policy(ladder=[MORE]), scene.pods.live()[0])
    with running(healer):
        scene.wants_phase(run, "Succeeded")
        step = scene.run(run)["status"]["steps"][0]
        assert step["lease"]["field"] == ("spec.minReplicas" if autoscaled else "spec.replicas")
        kube.delete("HealingPolicy", "crash", scene.namespace)
        scene.timeline.want(
            SOON,
            "the change is undone",
            lambda: scene.run(run)["status"]["steps"][0]["lease"]["state"] == "Reverted",
        )
        scene.timeline.want(
            SOON,
            "nothing holds the run",
            lambda: not scene.run(run)["metadata"].get("finalizers"),
        )
    forbidden = [record.call for record in scene.proxy.records() if record.status == 403]
    assert [str(call) for call in forbidden if not call.dry_run] == []
    asked = scene.proxy.writes(Match(resource="deployments", subresource="scale"))
    assert len([each for each in asked if each.applied]) == (0 if autoscaled else 2)


@pytest.mark.parametrize(
    ("kind", "name", "change", "refused"),
    [
        ("Deployment", "web", {"metadata": {"annotations": {"other": "1"}}}, "no other annotation"),
        ("Deployment", "web", {"metadata": {"labels": {"other": "1"}}}, "labels, owners"),
        ("Deployment", "web", {"metadata": {"finalizers": ["a.b/c"]}}, "labels, owners"),
        ("Deployment", "web", {"spec": {"replicas": 9}}, "no other part of a spec"),
        ("Deployment", "web", {"spec": {"paused": True}}, "no other part of a spec"),
        ("Deployment", "web", {"spec": {"minReadySeconds": 5}}, "no other part of a spec"),
        (
            "Deployment",
            "web",
            {"spec": {"template": {"spec": {"hostNetwork": True}}}},
            "may not change the pods",
        ),
        (
            "Deployment",
            "web",
            {"spec": {"template": {"metadata": {"labels": {"other": "1"}}}}},
            "may not change the pods",
        ),
        (
            "Deployment",
            "web",
            {"spec": {"template": {"metadata": {"annotations": {"other": "1"}}}}},
            "restart stamp",
        ),
        (
            "HorizontalPodAutoscaler",
            "web",
            {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 1}}}},
            "no other part of a spec",
        ),
        (
            "HorizontalPodAutoscaler",
            "web",
            {"spec": {"scaleTargetRef": {"name": "other"}}},
            "no other part of a spec",
        ),
        ("AutoGLMCluster", "demo", {"spec": {"paused": True}}, "no other part of a spec"),
        ("AutoGLMCluster", "demo", {"spec": {"executor": {"replicas": 9}}}, "no other part"),
        ("AutoGLMCluster", "demo", {"metadata": {"labels": {"other": "1"}}}, "labels, owners"),
        ("ModelEndpoint", "local", {"spec": {"suspend": True}}, "no other part of a spec"),
    ],
)
@pytest.mark.usefixtures("stage")
def test_the_healer_s_account_changes_nothing_else(
    scene: Scene,
    accounts: dict[str, str],
    kind: str,
    name: str,
    change: Object,
    refused: str,
) -> None:
    healer = client_of(scene.kube, accounts["healer"])
    said: list[str] = []

    def is_refused() -> bool:
        try:
            # A real one that passed before the policy is in force would leave nothing to change.
            ask(healer, kind, name, scene.namespace, change)
        except KubeError as error:
            said[:] = [error.message]
            return "ValidatingAdmissionPolicy" in error.message
        return False

    scene.timeline.want(SOON, "the change is refused", is_refused)
    assert refused in said[0]


@pytest.mark.parametrize(
    ("kind", "name", "change", "subresource"),
    [
        ("Deployment", "web", {"metadata": {"annotations": {"autoglm.io/lease": "{}"}}}, ""),
        (
            "Deployment",
            "web",
            {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: "now"}}}}},
            "",
        ),
        ("Deployment", "web", {"spec": {"replicas": 3}}, "scale"),
        ("HorizontalPodAutoscaler", "web", {"spec": {"minReplicas": 3}}, ""),
        ("HorizontalPodAutoscaler", "web", {"spec": {"maxReplicas": 9}}, ""),
        ("AutoGLMCluster", "demo", {"metadata": {"annotations": {"autoglm.io/lease": "{}"}}}, ""),
        ("AutoGLMCluster", "demo", {"spec": {"replicas": 3}}, "scale"),
        ("ModelEndpoint", "local", {"spec": {"replicas": 3}}, "scale"),
    ],
)
@pytest.mark.usefixtures("stage")
def test_the_healer_s_account_changes_what_it_must(
    scene: Scene,
    accounts: dict[str, str],
    kind: str,
    name: str,
    change: Object,
    subresource: str,
) -> None:
    healer = client_of(scene.kube, accounts["healer"])

    healer.patch(kind, name, scene.namespace, change, subresource=subresource)


@pytest.fixture
def stage(scene: Scene, crds: list[str]) -> None:
    """One object of every kind that a healer changes."""
    assert crds
    for built in (
        an_autoscaler(8),
        customresources.a_cluster("demo"),
        customresources.a_managed_endpoint("local"),
    ):
        scene.kube.create(built, scene.namespace)
