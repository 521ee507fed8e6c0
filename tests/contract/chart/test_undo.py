"""What runs before a release goes: one restricted pod, with the rights that it needs."""

import argparse
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from autoglm_cli import undo

Document = dict[str, Any]
Render = Callable[..., list[Document]]

EVERYWHERE = {("healingruns", "list")}
IN_THE_RELEASE = {
    ("configmaps", "create"),
    ("configmaps/autoglm-healing", "get"),
    ("configmaps/autoglm-healing", "patch"),
    ("deployments/autoglm-healer", "get"),
}
HELM_WAITS = timedelta(minutes=5)
"""Source: the default of helm's --timeout."""


def parts(documents: list[Document]) -> dict[tuple[str, str], Document]:
    """What belongs to the hook, by kind and place."""
    return {
        (each["kind"], each["metadata"].get("namespace", "")): each
        for each in documents
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "undo"
    }


def granted(role: Document) -> set[tuple[str, str]]:
    return {
        (f"{what}/{name}" if name else what, verb)
        for rule in role["rules"]
        for what in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def job(documents: list[Document]) -> Document:
    return parts(documents)["Job", "autoglm-system"]


def arguments(documents: list[Document]) -> argparse.Namespace:
    """What the Job's command makes of its words."""
    (container,) = job(documents)["spec"]["template"]["spec"]["containers"]
    subcommand, *words = container["args"]
    assert subcommand == "undo"
    parser = argparse.ArgumentParser()
    undo.configure(parser)
    return parser.parse_args(words)


def test_every_part_comes_before_the_release_goes_and_goes_itself(render: Render) -> None:
    found = parts(render())
    assert {kind for kind, _ in found} == {
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "Job",
    }
    for each in found.values():
        notes = each["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == "pre-delete"
        assert notes["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    weights = {
        kind: int(each["metadata"]["annotations"]["helm.sh/hook-weight"])
        for (kind, _), each in found.items()
    }
    assert weights["Role"] < weights["RoleBinding"] < weights["Job"]
    assert weights["ServiceAccount"] < weights["Job"]


def test_it_may_turn_the_switch_and_see_the_runs_and_nothing_else(render: Render) -> None:
    found = parts(render())
    assert granted(found["Role", "autoglm-system"]) == IN_THE_RELEASE
    assert granted(found["ClusterRole", ""]) == EVERYWHERE


def test_watched_namespaces_narrow_what_it_sees(render: Render) -> None:
    documents = render("watchNamespaces={team-a,team-b}")
    found = parts(documents)
    assert ("ClusterRole", "") not in found
    for namespace in ("team-a", "team-b"):
        assert granted(found["Role", namespace]) == EVERYWHERE
        assert found["RoleBinding", namespace]["roleRef"]["name"] == "autoglm-undo-watched"
    assert arguments(documents).namespace == ["team-a", "team-b"]


def test_its_command_is_one_that_the_image_understands_and_ends_before_helm_does(
    render: Render,
) -> None:
    documents = render("fullnameOverride=healing")
    told = arguments(documents)
    assert (told.release_namespace, told.deployment) == ("autoglm-system", "healing-healer")
    names = {each["metadata"]["name"] for each in documents if each["kind"] == "Deployment"}
    assert told.deployment in names
    deadline = timedelta(seconds=job(documents)["spec"]["activeDeadlineSeconds"])
    assert told.timeout < deadline < HELM_WAITS
    assert job(documents)["spec"]["backoffLimit"] == 0


def test_its_pod_is_restricted(render: Render) -> None:
    pod = job(render())["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["restartPolicy"] == "Never"
    assert pod["enableServiceLinks"] is False
    assert pod["serviceAccountName"] == "autoglm-undo"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]) == {"requests", "limits"}


@pytest.mark.parametrize(
    ("values", "field", "wanted"),
    [
        (("imagePullSecrets[0].name=mine",), "imagePullSecrets", [{"name": "mine"}]),
        (("healer.nodeSelector.disk=ssd",), "nodeSelector", {"disk": "ssd"}),
        (("healer.tolerations[0].key=gpu",), "tolerations", [{"key": "gpu"}]),
    ],
)
def test_it_runs_where_and_as_the_healer_does(
    render: Render, values: tuple[str, ...], field: str, wanted: object
) -> None:
    assert job(render(*values))["spec"]["template"]["spec"][field] == wanted
