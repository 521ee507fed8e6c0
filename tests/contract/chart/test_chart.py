"""What the chart renders: rights, pods, definitions, and the settings its processes understand."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoglm_api import settings
from autoglm_operator.commands.healing_settings import HealerSettings, ReceiverSettings
from autoglm_operator.commands.operator_settings import OperatorSettings

Document = dict[str, Any]
Render = Callable[..., list[Document]]

ROOT = Path(__file__).parents[3]
NEVER = {
    ("clusterroles", "bind"),
    ("clusterroles", "escalate"),
    ("mutatingwebhookconfigurations", "create"),
    ("nodes/proxy", "get"),
    ("pods/exec", "create"),
    ("roles", "bind"),
    ("roles", "escalate"),
    ("secrets", "list"),
    ("secrets", "watch"),
    ("serviceaccounts/token", "create"),
    ("users", "impersonate"),
    ("validatingwebhookconfigurations", "create"),
}
SETTINGS: dict[str, type[settings.Settings]] = {
    "operator": OperatorSettings,
    "receiver": ReceiverSettings,
    "healer": HealerSettings,
}
PROCESSES = tuple(SETTINGS)


def _granted(documents: list[Document]) -> Iterator[tuple[str, str]]:
    for document in documents:
        if document["kind"] in {"Role", "ClusterRole"}:
            for rule in document["rules"]:
                yield from ((what, verb) for what in rule["resources"] for verb in rule["verbs"])


def _deployments(documents: list[Document]) -> dict[str, Document]:
    found = [document for document in documents if document["kind"] == "Deployment"]
    return {document["metadata"]["name"].removeprefix("autoglm-"): document for document in found}


def _container(deployment: Document) -> Document:
    container: Document = deployment["spec"]["template"]["spec"]["containers"][0]
    return container


def test_grants_nothing_of_the_deny_list(render: Render) -> None:
    assert not NEVER & set(_granted(render()))


def test_grants_no_wildcard(render: Render) -> None:
    assert not [(what, verb) for what, verb in _granted(render()) if "*" in what or "*" in verb]


def test_watched_namespaces_narrow_the_rights_to_roles(render: Render) -> None:
    documents = render("watchNamespaces={team-a,team-b}")
    everywhere = [document for document in documents if document["kind"] == "ClusterRole"]
    assert "secrets" not in {what for what, _ in _granted(everywhere)}
    narrowed = {
        document["metadata"]["namespace"]
        for document in documents
        if document["kind"] == "Role" and document["metadata"]["name"].endswith("-watched")
    }
    assert narrowed == {"team-a", "team-b"}


def test_every_process_runs_restricted_with_probes_and_a_budget(render: Render) -> None:
    documents = render()
    deployments = _deployments(documents)
    assert set(deployments) == set(PROCESSES)
    for deployment in deployments.values():
        pod, container = deployment["spec"]["template"]["spec"], _container(deployment)
        assert pod["enableServiceLinks"] is False, "variables of Services look like settings"
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"livenessProbe", "readinessProbe", "startupProbe"} <= set(container)
    budgets = [known for known in documents if known["kind"] == "PodDisruptionBudget"]
    assert len(budgets) == len(PROCESSES)


def test_one_replica_gets_no_budget_because_it_would_block_every_drain(render: Render) -> None:
    documents = render(*(f"{name}.replicas=1" for name in PROCESSES))
    assert not [known for known in documents if known["kind"] == "PodDisruptionBudget"]


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_understands_every_variable_that_the_chart_sets(
    render: Render, process: str
) -> None:
    container = _container(_deployments(render())[process])
    environ = {known["name"]: known.get("value", "x") for known in container["env"]}
    settings.read(SETTINGS[process], environ)


def test_definitions_come_with_the_release_and_stay_after_it(
    render: Render, read_yaml: Callable[[Path], Document]
) -> None:
    rendered = {known["metadata"]["name"]: known for known in render() if _is_definition(known)}
    files = [read_yaml(path) for path in (ROOT / "crds").glob("*.yaml")]
    assert set(rendered) == {known["metadata"]["name"] for known in files}
    for known in files:
        shown = rendered[known["metadata"]["name"]]
        assert shown["spec"] == known["spec"]
        assert shown["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_definitions_can_be_left_out(render: Render) -> None:
    assert not [known for known in render("crds.install=false") if _is_definition(known)]


@pytest.mark.parametrize(
    "value",
    [
        "operator.replica=2",
        "receiver.senders[0].nmae=x",
        "healer.replicas=0",
        "image.digest=latest",
        "endpointSafety.deniedCIDRs={everything}",
        "typo=1",
    ],
)
def test_a_value_that_means_nothing_is_refused(render: Render, value: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        render(value)


def _is_definition(document: Document) -> bool:
    return bool(document["kind"] == "CustomResourceDefinition")
