"""The real API server refuses what breaks a rule, with the sentence that tells what to write."""

import pytest

import crdschema
from kube import Kube, KubeError
from rulecases import ChangeCase, RuleCase
from rules_of_kinds import change_cases, rule_cases

pytestmark = pytest.mark.usefixtures("crds")

KINDS = ("AutoGLMCluster", "HealingPolicy", "HealingRun", "ModelEndpoint")


def test_every_rule_has_a_case() -> None:
    rules = {
        (kind, node.path.replace("[]", "[0]"), rule["message"])
        for kind in KINDS
        for node in crdschema.nodes(crdschema.schema(kind))
        if not node.path.startswith("status")
        for rule in node.schema.get(crdschema.RULES, ())
    }
    single = {(case.refused["kind"], case.field, case.message) for case in rule_cases()}
    changes = {(case.refused["kind"], case.field, case.message) for case in change_cases()}
    assert single | changes == rules


@pytest.mark.parametrize("kind", KINDS)
def test_what_breaks_a_rule_is_refused_with_its_sentence(
    kube: Kube, namespace: str, kind: str
) -> None:
    wrong = {
        (case.field, case.message): text
        for case in rule_cases()
        if case.refused["kind"] == kind and not says(text := refusal(kube, namespace, case), case)
    }
    assert not wrong


@pytest.mark.parametrize("kind", KINDS)
def test_what_keeps_a_rule_is_taken(kube: Kube, namespace: str, kind: str) -> None:
    cases = [case for case in rule_cases() if case.taken["kind"] == kind]
    assert cases
    for case in cases:
        assert kube.create(case.taken, namespace, dry_run=True)["metadata"]["uid"]


@pytest.mark.parametrize("case", change_cases(), ids=lambda case: f"{case.before['kind']}")
def test_what_must_not_change_is_kept(kube: Kube, namespace: str, case: ChangeCase) -> None:
    kube.create(case.before, namespace)
    with pytest.raises(KubeError) as refused:
        change(kube, namespace, case.refused)
    assert says(str(refused.value), case)
    assert change(kube, namespace, case.taken)["metadata"]["uid"]


def change(kube: Kube, namespace: str, obj: crdschema.Object) -> crdschema.Object:
    """Replace the object by this one."""
    name = obj["metadata"]["name"]
    live = kube.get(obj["kind"], name, namespace)
    assert live
    metadata = {**obj["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
    path = kube.resource(obj["kind"]).path(namespace, name)
    return kube.call("PUT", path, {**obj, "metadata": metadata})


def refusal(kube: Kube, namespace: str, case: RuleCase) -> str:
    """What the API server says to the object that breaks the rule."""
    try:
        kube.create(case.refused, namespace, dry_run=True)
    except KubeError as error:
        return str(error)
    return "(taken)"


def says(text: str, case: RuleCase | ChangeCase) -> bool:
    """Whether this is a refusal that names the field and says the rule's sentence."""
    return (
        text.startswith("422 ")
        and f"{case.field or '<nil>'}: Invalid value: " in text
        and case.message in text
    )
