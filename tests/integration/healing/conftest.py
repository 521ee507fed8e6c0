"""Fixtures of healing on the real API server: a workload, a policy, and the two processes."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

import customresources
import people
from autoglm_api.healingpolicy import HealingPolicy
from chart_accounts import bounded_healer, granted
from cleaning_scenes import CleaningScene, PlayedCleaner
from healing_objects import (
    READY_SECONDS,
    MakePolicy,
    MakeProcess,
    Scene,
    Sender,
    Trust,
    allow,
    token_of,
)
from healing_processes import HealingProcess, running
from kube import Kube
from kubeconfig import Access, write
from node_scenes import LEASES, NodeScene
from people import Person
from played_fleet import PlayedFleet, a_placed_workload
from played_nodes import a_played_node
from recording_proxy import RecordingProxy
from sick_pods import SickPods, a_web_deployment
from statuses import is_available
from timeline import Timeline, within


@pytest.fixture
def release(make_namespace: Callable[[str], str]) -> str:
    """The namespace that receiver and healer run in; nothing is healed there."""
    return make_namespace("restricted")


@pytest.fixture
def make_process(
    proxy: RecordingProxy, crds: list[str], namespace: str, release: str, tmp_path: Path
) -> MakeProcess:
    """Make a replica that works in the test's namespace through the recording proxy."""
    assert crds

    def make(
        subcommand: str, uid: str = "one", token: str | None = None, **settings: str
    ) -> HealingProcess:
        config = proxy.kubeconfig(tmp_path / f"{subcommand}-{uid}.kubeconfig", token)
        told = {"watch_namespaces": namespace, **settings}
        if subcommand == "healer":
            told = {"admission": "Off", **told}
        return HealingProcess(subcommand, config, release, tmp_path, uid, told)

    return make


@pytest.fixture
def healer(make_process: MakeProcess) -> Generator[HealingProcess]:
    """One running healer."""
    with running(make_process("healer")) as process:
        yield process


@pytest.fixture
def accounts(kube: Kube, release: str, namespace: str) -> Generator[dict[str, str]]:
    """Tokens of the chart's ServiceAccounts by component, within its admission policies."""
    with granted(kube, release, namespace) as tokens:
        yield tokens


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    """A certificate for localhost, as the operator would make it for a Service."""
    return Trust.made(tmp_path / "tls")


@pytest.fixture
def receiver(make_process: MakeProcess, trust: Trust) -> Generator[HealingProcess]:
    """One running receiver that is ready."""
    process = make_process("receiver", tls_directory=str(trust.directory))
    with running(process):
        Timeline().want(within(READY_SECONDS), "the receiver is ready", process.ready)
        yield process


@pytest.fixture
def sender(kube: Kube, receiver: HealingProcess, trust: Trust, release: str) -> Sender:
    """An Alertmanager whose ServiceAccount holds the right."""
    allow(kube, release, "alertmanager")
    return Sender(receiver, trust, token_of(kube, release, "alertmanager"))


@pytest.fixture
def pods(kube: Kube, namespace: str) -> Generator[SickPods]:
    """Two pods of Deployment web, both ready at first."""
    with SickPods(kube, namespace).playing() as played:
        kube.create(a_web_deployment(), namespace)
        Timeline().want(
            within(READY_SECONDS),
            "the workload is available",
            lambda: is_available(kube.get("Deployment", "web", namespace)),
        )
        yield played


@pytest.fixture
def make_policy(kube: Kube, crds: list[str], namespace: str) -> MakePolicy:
    """Store a policy that restarts pods of web quickly, and what the test replaces."""
    assert crds

    def make(**spec: Any) -> HealingPolicy:  # noqa: ANN401 - parts of a spec
        built = customresources.a_policy(
            "crash",
            **{
                "mode": "Enforce",
                "target": {"kind": "Workload", "selector": {"matchLabels": {"app": "web"}}},
                "verify": {"stabilization": "1s", "timeout": "30s"},
                "guards": {"cooldown": "0s", "maxWait": "10m"},
                **spec,
            },
        )
        return HealingPolicy.read(kube.create(built, namespace))

    return make


@pytest.fixture
def scene(request: pytest.FixtureRequest, pods: SickPods) -> Scene:
    """A workload whose pods can fall sick."""
    return a_scene(request, pods)


def a_scene(request: pytest.FixtureRequest, pods: SickPods) -> Scene:
    """The test's namespace, and the pods of it that can fall sick."""
    return Scene(
        kube=pods.kube,
        namespace=pods.namespace,
        release=request.getfixturevalue("release"),
        timeline=request.getfixturevalue("timeline"),
        proxy=request.getfixturevalue("proxy"),
        pods=pods,
        make_policy=request.getfixturevalue("make_policy"),
    )


@pytest.fixture
def fleet(kube: Kube, namespace: str) -> Generator[PlayedFleet]:
    """Three nodes, and the namespace in which whoever maintains one takes its Lease."""
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASES}})
    with PlayedFleet(kube, namespace).playing() as played:
        yield played


@pytest.fixture
def nodes(request: pytest.FixtureRequest, kube: Kube, fleet: PlayedFleet) -> NodeScene:
    """Two pods of Deployment web on the nodes."""
    kube.create(a_placed_workload(fleet.namespace), fleet.namespace)
    Timeline().want(
        within(READY_SECONDS),
        "the workload is available",
        lambda: is_available(kube.get("Deployment", "web", fleet.namespace)),
    )
    return NodeScene(a_scene(request, SickPods(kube, fleet.namespace)), fleet)


@pytest.fixture
def jobs(make_namespace: Callable[[str], str]) -> str:
    """The namespace of the Jobs that clean disks."""
    return make_namespace("privileged")


@pytest.fixture
def cleaning(
    request: pytest.FixtureRequest, kube: Kube, fleet: PlayedFleet, jobs: str
) -> Generator[CleaningScene]:
    """Three nodes and a cleaner that frees 100 MiB."""
    scene = a_scene(request, SickPods(kube, fleet.namespace))
    with PlayedCleaner(kube, jobs, fleet=fleet).playing() as cleaner:
        yield CleaningScene(scene, fleet, cleaner)
    # A node that is gone would leave its pods behind.
    for job in kube.list("Job", jobs):
        kube.delete("Job", job["metadata"]["name"], jobs)


@pytest.fixture
def bounded(
    make_process: MakeProcess, kube: Kube, release: str, accounts: dict[str, str]
) -> Generator[HealingProcess]:
    """A running healer with the rights of the chart."""
    with running(bounded_healer(make_process, kube, release, accounts)) as healer:
        yield healer


@pytest.fixture
def room(kube: Kube, namespace: str) -> Generator[str]:
    """A node with room for more pods."""
    with a_played_node(kube, f"node-{namespace}") as name:
        yield name


@pytest.fixture
def hook(proxy: RecordingProxy, accounts: dict[str, str], tmp_path: Path) -> Person:
    """The account that the chart makes before an uninstall, and nothing else."""
    return people.with_token(proxy.access(), tmp_path, "undo", accounts["undo"])


@pytest.fixture
def admin(access: Access, tmp_path: Path) -> Person:
    """The administrator."""
    return Person("admin", write(tmp_path / "admin.kubeconfig", access))


@pytest.fixture
def make_bounded(
    make_process: MakeProcess, kube: Kube, accounts: dict[str, str], release: str
) -> Callable[[], HealingProcess]:
    """Make a healer with the rights of the chart."""
    return lambda: bounded_healer(make_process, kube, release, accounts)
