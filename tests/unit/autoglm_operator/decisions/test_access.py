from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from autoglm_api.autoglmcluster import AutoGLMCluster
from autoglm_api.conditions import Reason
from autoglm_api.routing import Listener, Security
from autoglm_api.routingsecurity import AuthenticationType
from autoglm_operator.decisions import access
from autoglm_operator.runtime import certificates
from operator_views import Object, a_cluster, a_secret
from routingtables import a_table
from signedtokens import AUDIENCE, ISSUER, Issuer, key_set

JWT = {
    "issuer": ISSUER,
    "audience": AUDIENCE,
    "jwksSecretRef": {"name": "issuer-keys", "key": "jwks.json"},
    "modelsClaim": "models",
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
AUTHORITY = certificates.new_authority("authority", NOW)
ONE, OTHER = (certificates.issue(AUTHORITY, "router.example.com", NOW) for _ in range(2))
KEYS = a_secret(jwks_json=key_set(Issuer("HS256")).decode())


def pair(certificate: bytes = ONE.certificate, key: bytes = ONE.key) -> Object:
    return a_secret(tls_crt=certificate.decode(), tls_key=key.decode())


def signed() -> AutoGLMCluster:
    return a_cluster(security={"authentication": {"type": "JWT", "jwt": JWT}})


def encrypted() -> AutoGLMCluster:
    return a_cluster(router={"tls": {"secretRef": {"name": "demo-tls"}}})


def test_a_cluster_that_refers_to_nothing_needs_nothing() -> None:
    assert access.wanted(a_cluster()) == ()
    assert access.access(a_cluster(), {}, None) == access.Access()


def test_references_are_named() -> None:
    assert [(ref.name, ref.key) for ref in access.wanted(signed())] == [
        ("issuer-keys", "jwks.json")
    ]
    assert [(ref.name, ref.key) for ref in access.wanted(encrypted())] == [
        ("demo-tls", "tls.crt"),
        ("demo-tls", "tls.key"),
    ]


def test_follows_the_reference_to_an_issuers_keys() -> None:
    found = access.access(signed(), {"issuer-keys": KEYS}, None)
    assert found.problem is None
    assert found.tokens is not None
    assert (found.tokens.issuer, found.tokens.audience) == (ISSUER, AUDIENCE)
    assert found.tokens.models_claim == "models"
    assert len(found.tokens.keys) == 1


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, Reason.SECRET_NOT_FOUND),
        (a_secret(labelled=False, jwks_json="{}"), Reason.SECRET_NOT_LABELLED),
        (a_secret(jwks_json="{}"), Reason.KEY_UNUSABLE),
    ],
)
def test_broken_keys_neither_open_the_door_nor_shut_it(
    secret: Object | None, reason: Reason
) -> None:
    good = access.access(signed(), {"issuer-keys": KEYS}, None).tokens
    before = a_table(security=Security(authentication=AuthenticationType.JWT, tokens=good))
    kept = access.access(signed(), {"issuer-keys": secret}, before)
    first = access.access(signed(), {"issuer-keys": secret}, a_table())
    assert kept.problem is not None
    assert kept.problem.reason is reason
    assert kept.tokens == good
    assert first.tokens is not None
    assert first.tokens.keys == ()


def test_follows_the_reference_to_a_certificate() -> None:
    found = access.access(encrypted(), {"demo-tls": pair()}, None)
    assert found.problem is None
    assert found.certificate is not None
    assert found.certificate.chain.encode() == ONE.certificate
    key = load_pem_private_key(found.certificate.key.encode(), None)
    assert key.public_key() == load_pem_private_key(ONE.key, None).public_key()


def other_form(form: PrivateFormat, password: bytes | None = None) -> bytes:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return load_pem_private_key(ONE.key, None).private_bytes(Encoding.PEM, form, protection)


def test_a_key_may_be_written_in_an_older_form() -> None:
    old = other_form(PrivateFormat.TraditionalOpenSSL)
    assert b"EC PRIVATE KEY" in old
    found = access.certificate_of(ONE.certificate, old)
    assert found == access.certificate_of(ONE.certificate, ONE.key)


@pytest.mark.parametrize(
    ("secret", "advice"),
    [
        (pair(certificate=b"nothing"), "write PEM certificates under tls.crt"),
        (
            pair(certificate=b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "write PEM certificates under tls.crt",
        ),
        (pair(key=b"nothing"), "write a PEM private key"),
        (pair(key=other_form(PrivateFormat.PKCS8, b"password")), "not encrypted"),
        (
            pair(
                key=ed25519.Ed25519PrivateKey.generate().private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
                )
            ),
            "of RSA or of an elliptic curve",
        ),
        (pair(key=OTHER.key), "tls.key is not the key of the first certificate"),
        (None, "create it"),
    ],
)
def test_a_broken_certificate_leaves_the_one_in_force(secret: Object | None, advice: str) -> None:
    good = access.access(encrypted(), {"demo-tls": pair()}, None).certificate
    before = a_table(listener=Listener(certificate=good))
    kept = access.access(encrypted(), {"demo-tls": secret}, before)
    first = access.access(encrypted(), {"demo-tls": secret}, None)
    assert kept.certificate == good
    assert first.certificate is None
    assert kept.problem is not None
    assert advice in kept.problem.message
    assert kept.problem == first.problem


def test_a_cluster_without_authentication_is_insecure() -> None:
    open_to_all = a_cluster(security={"authentication": {"type": "None"}})
    found = access.insecure(open_to_all)
    assert found is not None
    assert (found.status, found.reason) == (True, Reason.NO_AUTHENTICATION)
    assert access.insecure(a_cluster()) is None
