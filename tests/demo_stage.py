"""Sets the demo's stage for tests, and clears it away again.

Exists because the demo leaves its cluster to the person who watched it, while later tests want it
as it was. Never checks anything: that is the business of the demo's steps and of the tests.
"""

import contextlib
import subprocess
from collections.abc import Generator
from dataclasses import dataclass, field

import programs
from demo import healing, stage
from kube import Kube
from kubeconfig import Object
from timeline import Timeline, within

MONITORING = "monitoring"
RESTARTED = ("prometheus", "alertmanager")
GONE_SECONDS = 120.0
"""Arbitrary, because deleting everything takes about 20 s."""


@dataclass
class Scene:
    """The demo's stage with everything on it."""

    stage: stage.Stage
    timeline: Timeline
    """Since the patients were broken."""
    broken: dict[str, str] = field(default_factory=dict[str, str])
    """Sick pods by the app they belong to."""
    lines: list[str] = field(default_factory=list[str])
    """What was measured while the stage was set."""

    @property
    def namespace(self) -> str:
        """Where the cluster lives."""
        return self.stage.namespace


@contextlib.contextmanager
def raised(kube: Kube) -> Generator[Scene]:
    """Install, connect, apply and wait; in the end take everything down again."""
    before = monitoring(kube)
    forget_definitions(kube)
    scene = Scene(stage.Stage(), Timeline())
    try:
        scene.lines.append(f"{stage.install():7.1f} s  helm install")
        stage.connect_alertmanager()
        stage.apply_samples(scene.stage)
        scene.lines.append(f"{stage.wait_ready(scene.stage):7.1f} s  until the cluster is Ready")
        _sicken(kube, scene)
        yield scene
    finally:
        clear(kube, before)


def _sicken(kube: Kube, scene: Scene) -> None:
    """Break both patients now: the alert takes a minute, in which the first steps run."""
    scene.timeline.want(within(60), "the patients are well", lambda: _well(kube, scene.namespace))
    for app in ("untreated", "fragile"):
        scene.broken[app] = healing.break_pod(scene.stage, app)
    scene.timeline.start("both patients are broken")


def _well(kube: Kube, namespace: str) -> bool:
    found = [kube.get("Deployment", app, namespace) for app in ("untreated", "fragile")]
    return all(each and each.get("status", {}).get("availableReplicas") for each in found)


def monitoring(kube: Kube) -> dict[str, Object]:
    """What the demo is going to change of the monitoring that belongs to the cluster."""
    config = kube.get("ConfigMap", "monitoring", MONITORING)
    assert config is not None, "the cluster has no monitoring: hack/cluster up --with monitoring"
    found: dict[str, Object] = {"config": config["data"]}
    for name in RESTARTED:
        deployment = kube.get("Deployment", name, MONITORING)
        assert deployment is not None
        found[name] = deployment["spec"]["template"]
    return found


def clear(kube: Kube, before: dict[str, Object]) -> None:
    """Take everything down, and give the monitoring back as it was before."""
    restore_monitoring(kube, before)
    # The operator still runs, so what it made goes in the way that it goes for everybody.
    _delete_workloads(kube)
    _delete_namespaces(kube, stage.TEAM, stage.VENDOR)
    helm = programs.ensure(["helm"])["helm"]
    words = ["uninstall", stage.RELEASE, "--namespace", stage.SYSTEM, "--ignore-not-found"]
    subprocess.run([str(helm), *words, "--wait"], check=True, capture_output=True)
    _delete_namespaces(kube, stage.SYSTEM)
    forget_definitions(kube)


def _delete_workloads(kube: Kube) -> None:
    with contextlib.suppress(LookupError):  # the installation failed before the kinds were there
        kube.delete("AutoGLMCluster", stage.Stage().cluster, stage.TEAM)
        for endpoint in kube.list("ModelEndpoint", stage.TEAM):
            kube.delete("ModelEndpoint", endpoint["metadata"]["name"], stage.TEAM)
    for name in ("fragile", "untreated"):
        kube.delete("Deployment", name, stage.TEAM)
    kube.delete("Deployment", "simulator", stage.VENDOR)


def restore_monitoring(kube: Kube, before: dict[str, Object]) -> None:
    """Give the cluster its monitoring back as `monitoring` found it."""
    replaced = [{"op": "replace", "path": "/data", "value": before["config"]}]
    kube.patch("ConfigMap", "monitoring", MONITORING, replaced, kind_of_patch="json")
    for name in RESTARTED:
        template = [{"op": "replace", "path": "/spec/template", "value": before[name]}]
        kube.patch("Deployment", name, MONITORING, template, kind_of_patch="json")
    kube.delete("ServiceAccount", "alertmanager", MONITORING)


def _delete_namespaces(kube: Kube, *namespaces: str) -> None:
    """Delete namespaces once their pods have gone.

    Kubernetes looks at a namespace with pods again after half of their grace period, which is five
    minutes for routers.
    """
    names = " and ".join(namespaces)

    def empty() -> bool:
        return not any(kube.list("Pod", name) for name in namespaces)

    def gone() -> bool:
        return not any(kube.get("Namespace", name) for name in namespaces)

    Timeline().want(within(GONE_SECONDS), f"the pods of {names} are gone", empty)
    for name in namespaces:
        kube.delete("Namespace", name)
    Timeline().want(within(GONE_SECONDS), f"{names} are gone", gone)


def forget_definitions(kube: Kube) -> None:
    """Delete the kinds: Helm keeps them on purpose, and takes over none that others installed."""

    def ours() -> list[Object]:
        found = kube.list("CustomResourceDefinition")
        return [each for each in found if each["spec"]["group"] == "autoglm.io"]

    for definition in ours():
        kube.delete("CustomResourceDefinition", definition["metadata"]["name"])
    Timeline().want(within(GONE_SECONDS), "the kinds are gone", lambda: not ours())
