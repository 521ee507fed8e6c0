import pytest

from autoglm_dataplane.router_agent.versions import Offer, judge
from routingtables import a_document, a_managed


@pytest.mark.parametrize(
    ("version", "offer"), [(6, Offer.NEWER), (5, Offer.SAME), (4, Offer.STALE)]
)
def test_the_highest_version_wins(version: int, offer: Offer) -> None:
    assert judge(a_document(version=version), a_document(version=5)) is offer


def test_anything_is_newer_than_nothing() -> None:
    assert judge(a_document(version=1), None) is Offer.NEWER


def test_two_documents_of_one_version_contradict_each_other() -> None:
    other = a_document([a_managed("one", 1)], version=5)
    assert judge(other, a_document(version=5)) is Offer.CONTRADICTION
