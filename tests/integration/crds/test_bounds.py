"""The real API server refuses what is beyond a bound, and takes what is at it."""

import pytest

from bounds_of_kinds import bound_cases
from customresources import Object
from kube import Kube, KubeError

pytestmark = pytest.mark.usefixtures("crds")

KINDS = ("AutoGLMCluster", "HealingPolicy", "HealingRun", "ModelEndpoint")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_beyond_a_bound_is_refused(kube: Kube, namespace: str, kind: str) -> None:
    cases = [case for case in bound_cases() if case.refused["kind"] == kind]
    assert cases
    answers = {case.name: (case.message, answer(kube, namespace, case.refused)) for case in cases}
    assert not {name: both for name, both in answers.items() if both[0] not in both[1]}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_at_a_bound_is_taken(kube: Kube, namespace: str, kind: str) -> None:
    cases = [case for case in bound_cases() if case.kept and case.kept["kind"] == kind]
    assert cases
    answers = {case.name: answer(kube, namespace, case.kept) for case in cases if case.kept}
    assert not {name: text for name, text in answers.items() if text}


def answer(kube: Kube, namespace: str, obj: Object) -> str:
    """The message of the refusal, empty if the object was taken."""
    try:
        kube.create(obj, namespace, dry_run=True)
    except KubeError as error:
        return str(error)
    return ""
