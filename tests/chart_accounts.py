"""The accounts, rights and admission policies of the chart, without its pods.

Exists so that processes under test run with what an installation grants. Never grants more.
"""

import contextlib
import hashlib
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import yaml

import programs
from healing_objects import MakeProcess, token_of
from healing_processes import HealingProcess
from kube import Kube

CHART = Path(__file__).parents[1] / "charts" / "autoglm-operator"
WANTED = (
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)
EVERYWHERE = frozenset({"Namespace", "ClusterRole", "ClusterRoleBinding", *WANTED[-2:]})


def name_of(release: str) -> str:
    """Name of the installation in a namespace; those of tests that run side by side differ."""
    return f"rights-{hashlib.sha256(release.encode()).hexdigest()[:6]}"


def episodes_of(release: str) -> str:
    """Name of the ConfigMap in which a receiver remembers the episodes of events."""
    return f"{name_of(release)}-event-episodes"


def jobs_of(release: str) -> str:
    """Namespace of the Jobs on nodes, if the installation has one."""
    return f"{name_of(release)}-node-jobs"


def rendered(release: str, *settings: str) -> list[dict[str, Any]]:
    """What the chart grants and forbids, and the healer's Deployment without pods."""
    helm = programs.ensure(["helm"])["helm"]
    done = subprocess.run(
        [
            *(str(helm), "template", name_of(release), str(CHART), "--namespace", release),
            *("--set", "events.namespaces={team-a}"),
            *(word for each in settings for word in ("--set", each)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    documents = [each for each in yaml.safe_load_all(done.stdout) if each]
    kept = [each for each in documents if each["kind"] in WANTED]
    for each in documents:
        if each["metadata"]["name"] == episodes_of(release):
            kept.append(each)
        if each["kind"] == "Namespace":
            kept.insert(0, each)
        if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("-healer"):
            each["spec"]["replicas"] = 0
            kept.append(each)
    return kept


@contextlib.contextmanager
def granted(
    kube: Kube, release: str, *namespaces: str, settings: tuple[str, ...] = ()
) -> Generator[dict[str, str]]:
    """Tokens of the chart's ServiceAccounts by component, until the block ends.

    The admission policies hold in these namespaces only: other tests make runs beside this one.
    """
    objects = rendered(release, *settings)
    for each in objects:
        if each["kind"] == "ValidatingAdmissionPolicyBinding":
            holds = (release, *namespaces, jobs_of(release))
            each["spec"].setdefault("matchResources", _in(holds))
    try:
        for each in objects:
            kube.apply(each, release)
        names = [each["metadata"]["name"] for each in objects if each["kind"] == "ServiceAccount"]
        yield {
            name.rpartition("-")[2]: token_of(kube, release, name, audience="") for name in names
        }
    finally:
        for each in objects:
            # Left behind, the policies would refuse what other tests create.
            if each["kind"] in EVERYWHERE:
                kube.delete(each["kind"], each["metadata"]["name"])


def _in(namespaces: tuple[str, ...]) -> dict[str, Any]:
    term = {
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": list(namespaces),
    }
    return {"namespaceSelector": {"matchExpressions": [term]}}


def healer_deployment(kube: Kube, release: str) -> str:
    """Name of the Deployment by which a healer proves its admission policies."""
    names = (each["metadata"]["name"] for each in kube.list("Deployment", release))
    return next(str(name) for name in names if name.endswith("-healer"))


def bounded_healer(
    make_process: MakeProcess, kube: Kube, release: str, tokens: dict[str, str], **settings: str
) -> HealingProcess:
    """A healer with the rights of the chart, which proves its admission policies."""
    name = healer_deployment(kube, release)
    told = {"admission": "Required", "deployment_name": name, "lease_name": name}
    return make_process("healer", token=tokens["healer"], **told, **settings)
