"""Who may come in at a cluster's routers: what its references to keys and certificates lead to.

While a reference leads nowhere, what routers have in force stays: a Secret that somebody breaks
must neither open the door nor shut it. Where nothing was in force yet, nobody comes in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from autoglm_api.base import SecretKeyRef
from autoglm_api.conditions import Reason
from autoglm_api.routingsecurity import (
    AuthenticationType,
    ListenerCertificate,
    Tokens,
)
from autoglm_api.routingvalues import certificates_in
from autoglm_operator.decisions import jwks, references
from autoglm_operator.decisions.statuses import Verdict, fails, holds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoglm_api import routing
    from autoglm_api.autoglmcluster import AutoGLMCluster

Manifest = dict[str, Any]

_CHAIN, _KEY = "tls.crt", "tls.key"


@dataclass(frozen=True, slots=True)
class Access:
    """What the references of a cluster lead to.

    Attributes:
        tokens: Which tokens are let in.
        certificate: What the port for clients answers TLS with.
        problem: The first reference that leads nowhere, as a verdict of ResolvedRefs.
    """

    tokens: Tokens | None = None
    certificate: ListenerCertificate | None = None
    problem: Verdict | None = None


def wanted(cluster: AutoGLMCluster) -> tuple[SecretKeyRef, ...]:
    """Every Secret reference of a cluster itself."""
    return (*_of_tokens(cluster), *_of_certificate(cluster))


def access(
    cluster: AutoGLMCluster,
    secrets: Mapping[str, Manifest | None],
    before: routing.RoutingTable | None,
) -> Access:
    """Follow the references of a cluster.

    Args:
        cluster: The cluster.
        secrets: The live Secrets by name; None for those that do not exist.
        before: The table in force.
    """
    tokens, no_tokens = _tokens(cluster, secrets, before)
    certificate, no_certificate = _certificate(cluster, secrets, before)
    return Access(tokens, certificate, no_tokens or no_certificate)


def insecure(cluster: AutoGLMCluster) -> Verdict | None:
    """The verdict of a cluster that lets everybody in; None if it does not."""
    if cluster.spec.security.authentication.type is not AuthenticationType.NONE:
        return None
    return holds(
        Reason.NO_AUTHENTICATION,
        "Whoever reaches the routers may use every model: set security.authentication.type to"
        " APIKey or JWT.",
    )


def _of_tokens(cluster: AutoGLMCluster) -> tuple[SecretKeyRef, ...]:
    jwt = cluster.spec.security.authentication.jwt
    return () if jwt is None else (jwt.jwks_secret_ref,)


def _of_certificate(cluster: AutoGLMCluster) -> tuple[SecretKeyRef, ...]:
    tls = cluster.spec.router.tls
    if tls is None:
        return ()
    return tuple(SecretKeyRef(name=tls.secret_ref.name, key=key) for key in (_CHAIN, _KEY))


def _tokens(
    cluster: AutoGLMCluster,
    secrets: Mapping[str, Manifest | None],
    before: routing.RoutingTable | None,
) -> tuple[Tokens | None, Verdict | None]:
    jwt = cluster.spec.security.authentication.jwt
    if jwt is None:
        return None, None
    last = None if before is None else before.security.tokens
    keys = () if last is None else last.keys
    problem = references.first_problem(_of_tokens(cluster), secrets)
    if problem is None:
        ref = jwt.jwks_secret_ref
        try:
            keys = jwks.keys_of(references.data_of(secrets[ref.name])[ref.key])
        except jwks.JwksError as error:
            problem = fails(
                Reason.KEY_UNUSABLE,
                f"The key set under the key {ref.key} of Secret {ref.name} cannot be used:"
                f" {error}.",
            )
    return Tokens(
        issuer=jwt.issuer, audience=jwt.audience, keys=keys, models_claim=jwt.models_claim
    ), problem


def _certificate(
    cluster: AutoGLMCluster,
    secrets: Mapping[str, Manifest | None],
    before: routing.RoutingTable | None,
) -> tuple[ListenerCertificate | None, Verdict | None]:
    wanted = _of_certificate(cluster)
    if not wanted:
        return None, None
    last = None if before is None else before.listener.certificate
    problem = references.first_problem(wanted, secrets)
    if problem is not None:
        return last, problem
    data = references.data_of(secrets[wanted[0].name])
    try:
        return certificate_of(data[_CHAIN], data[_KEY]), None
    except ValueError as error:
        return last, fails(
            Reason.KEY_UNUSABLE,
            f"The certificate in Secret {wanted[0].name} cannot be used: {error}.",
        )


def certificate_of(chain: bytes, key: bytes) -> ListenerCertificate:
    """A certificate and its key in the only form that a document takes.

    Raises:
        ValueError: One cannot be read, or they do not belong together.
    """
    bundle = certificates_in(chain.decode("utf-8", "replace")) or ""
    try:
        certificates = x509.load_pem_x509_certificates(bundle.encode())
    except ValueError:
        raise ValueError(f"write PEM certificates under {_CHAIN}, the server's own first") from None
    try:
        private = load_pem_private_key(key, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError(  # noqa: TRY004 - what somebody wrote, not what a caller passed
            f"write a PEM private key of RSA or of an elliptic curve, not encrypted, under {_KEY}"
        )
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*form) != certificates[0].public_key().public_bytes(*form):
        raise ValueError(f"{_KEY} is not the key of the first certificate of {_CHAIN}")
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return ListenerCertificate(chain=bundle, key=pem)
