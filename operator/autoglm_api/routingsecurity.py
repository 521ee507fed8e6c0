"""Who may come in at a router, and under which certificate it answers, as the document says it.

Keys come in the only form that HAProxy's files take; what people write is turned into it by the
operator. This module never checks a token.
"""

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from autoglm_api.routingvalues import CertificateBundle, Part, Sha256

CLAIM_VALUE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._~:/@+=-]*$"
CLAIM_NAME_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_-]*$"
MAX_TOKEN_KEYS: Final = 16
"""Arbitrary, because an issuer has two or three; each costs a token of unknown key a check."""

_BODY: Final = r"([A-Za-z0-9+/=]{1,64}\n)+"
PublicKey = Annotated[
    str,
    Field(
        max_length=16 * 1024,
        pattern=rf"^-----BEGIN PUBLIC KEY-----\n{_BODY}-----END PUBLIC KEY-----\n$",
    ),
]
"""A public key in PEM."""
PrivateKey = Annotated[
    str,
    Field(
        max_length=16 * 1024,
        pattern=rf"^-----BEGIN PRIVATE KEY-----\n{_BODY}-----END PRIVATE KEY-----\n$",
    ),
]
"""A private key in PEM, PKCS #8 and not encrypted."""
SharedSecret = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[A-Za-z0-9+/]+=*$")]
"""Bytes in base64."""
ClaimValue = Annotated[str, Field(min_length=1, max_length=512, pattern=CLAIM_VALUE_PATTERN)]
ClaimName = Annotated[str, Field(min_length=1, max_length=64, pattern=CLAIM_NAME_PATTERN)]


class AuthenticationType(StrEnum):
    """How clients prove who they are."""

    API_KEY = "APIKey"
    JWT = "JWT"
    NONE = "None"


class Algorithm(StrEnum):
    """How a token is signed."""

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    HS256 = "HS256"
    HS384 = "HS384"
    HS512 = "HS512"


HMACS: Final = frozenset({Algorithm.HS256, Algorithm.HS384, Algorithm.HS512})
"""Algorithms whose key is a secret of both sides."""


class TokenKey(Part):
    """One key that tokens may be signed with. Reload."""

    kid: Sha256 | None = None
    """Digest of its `kid`; without one it is tried for every token."""
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1, max_length=6)]
    """What it may be used with; a token that says something else is not of this key."""
    public_key: PublicKey | None = None
    """Of RSA or of an elliptic curve."""
    secret: Annotated[SharedSecret | None, Field(repr=False)] = None
    """Of an HMAC."""

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        shared = {algorithm in HMACS for algorithm in self.algorithms}
        if shared != {self.secret is not None} or (self.secret is None) is (
            self.public_key is None
        ):
            raise ValueError("a key is a secret with HMACs, or a public key with signatures")
        return self


class Tokens(Part):
    """Which signed tokens are let in. Reload."""

    issuer: ClaimValue
    """What `iss` must be."""
    audience: ClaimValue
    """What `aud` must be, or have among its first entries."""
    keys: Annotated[tuple[TokenKey, ...], Field(max_length=MAX_TOKEN_KEYS)] = ()
    """None: every token is refused."""
    models_claim: ClaimName | None = None
    """Claim with the models that the token's owner may use; without it all."""


class ListenerCertificate(Part):
    """What the port for clients answers TLS with. Reload."""

    chain: CertificateBundle
    """The certificate and those between it and the authority."""
    key: Annotated[PrivateKey, Field(repr=False)]
    """Its private key."""
