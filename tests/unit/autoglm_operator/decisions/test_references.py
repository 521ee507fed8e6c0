# ruff: noqa: S106  # keys of Secrets, not secrets
import pytest

from autoglm_api.conditions import Reason
from autoglm_operator.decisions import references
from operator_views import Object, a_secret, an_endpoint, an_external

KEY = {"name": "vendor-key", "key": "token"}
CA = {"caSecretRef": {"name": "vendor-ca", "key": "ca.crt"}}


def test_managed_endpoints_need_nothing() -> None:
    assert references.wanted(an_endpoint()) == ()
    assert references.credentials(an_endpoint(), {}) == references.Credentials()


def test_references_that_are_absent_need_nothing() -> None:
    assert references.credentials(an_external(), {}) == references.Credentials()


def test_follows_references() -> None:
    endpoint = an_external(apiKeySecretRef=KEY, tls=CA)
    secrets = {"vendor-key": a_secret(token=" sk-1\n"), "vendor-ca": a_secret(ca_crt="PEM")}
    assert references.credentials(endpoint, secrets) == references.Credentials("sk-1", "PEM")
    assert [ref.name for ref in references.wanted(endpoint)] == ["vendor-key", "vendor-ca"]


@pytest.mark.parametrize(
    ("secret", "reason", "word"),
    [
        (None, Reason.SECRET_NOT_FOUND, "create it"),
        (a_secret(labelled=False, token="x"), Reason.SECRET_NOT_LABELLED, "autoglm.io/credential"),
        (a_secret(other="x"), Reason.KEY_NOT_FOUND, "token"),
        (a_secret(token=" "), Reason.KEY_NOT_FOUND, "token"),
        (
            {"metadata": {"labels": {"autoglm.io/credential": "true"}}, "data": {"token": "%%%"}},
            Reason.KEY_NOT_FOUND,
            "token",
        ),
    ],
)
def test_says_what_is_missing(secret: Object | None, reason: Reason, word: str) -> None:
    found = references.credentials(an_external(apiKeySecretRef=KEY), {"vendor-key": secret})
    assert found.problem is not None
    assert (found.problem.status, found.problem.reason) == (False, reason)
    assert word in found.problem.message
    assert found.api_key is None
