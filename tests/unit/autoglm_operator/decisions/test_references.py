# ruff: noqa: S106  # keys of Secrets, not secrets
import pytest

from autoglm_api.conditions import Reason
from autoglm_operator.decisions import references
from operator_views import Object, a_secret, an_endpoint, an_external

KEY = {"name": "vendor-key", "key": "token"}
PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
CA = {"caSecretRef": {"name": "vendor-ca", "key": "ca.crt"}}


def test_managed_endpoints_need_nothing() -> None:
    assert references.wanted(an_endpoint()) == ()
    assert references.credentials(an_endpoint(), {}) == references.Credentials()


def test_references_that_are_absent_need_nothing() -> None:
    assert references.credentials(an_external(), {}) == references.Credentials()


def test_follows_references() -> None:
    endpoint = an_external(apiKeySecretRef=KEY, tls=CA)
    secrets = {"vendor-key": a_secret(token=" sk-1\n"), "vendor-ca": a_secret(ca_crt=PEM)}
    assert references.credentials(endpoint, secrets) == references.Credentials("sk-1", PEM)
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


@pytest.mark.parametrize(
    ("key", "ca", "advice"),
    [
        ("two words", PEM, "write one word of printable ASCII"),
        ("k" * 4097, PEM, "at most 4096"),
        ("clé", PEM, "printable ASCII"),
        ("sk-1", "PEM", "write PEM certificates"),
        ("sk-1", PEM * 2000, "at most 64 KiB"),
    ],
)
def test_says_what_to_write_instead_of_what_cannot_be_used(key: str, ca: str, advice: str) -> None:
    endpoint = an_external(apiKeySecretRef=KEY, tls=CA)
    secrets = {"vendor-key": a_secret(token=key), "vendor-ca": a_secret(ca_crt=ca)}
    found = references.credentials(endpoint, secrets)
    assert found.problem is not None
    assert (found.problem.status, found.problem.reason) == (False, Reason.KEY_UNUSABLE)
    assert advice in found.problem.message
    assert key not in found.problem.message
    assert (found.api_key, found.ca) == (None, None)
