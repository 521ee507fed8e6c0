"""Who may send requests to a cluster's routers, and under which certificate they answer.

Part of AutoGLMCluster. It only describes; tokens and certificates are checked in the data plane.
"""

from typing import Annotated

from pydantic import Field

from autoglm_api.base import KubernetesName, SecretKeyRef, SpecModel
from autoglm_api.routingsecurity import (
    CLAIM_NAME_PATTERN,
    CLAIM_VALUE_PATTERN,
    AuthenticationType,
)
from autoglm_api.rules import Rule, rules

ClaimValue = Annotated[
    str,
    Field(min_length=1, max_length=512, pattern=CLAIM_VALUE_PATTERN),
    Rule(
        f"self.matches(r'{CLAIM_VALUE_PATTERN}')",
        "write it as it stands in the tokens: letters, digits and ._~:/@+=-, a letter or digit"
        " first",
    ),
]
"""What a token's `iss` or `aud` must be."""


class TokenRules(SpecModel):
    """Which signed tokens are let in; clients send one where they would send an API key."""

    issuer: ClaimValue
    """What `iss` of a token must be, to the letter."""
    audience: ClaimValue
    """What `aud` of a token must be, or one of the first 8 it has."""
    jwks_secret_ref: SecretKeyRef
    """Secret with the issuer's JSON Web Key Set, which may change at any time: 1 to 16 keys of type
    RSA (2048 bits or more: RS256 to PS512), EC (ES256, ES384, ES512) or oct (32 bytes or more:
    HS256, HS384, HS512). Keys of other types or for encryption are passed over."""
    models_claim: (
        Annotated[
            str,
            Field(min_length=1, max_length=64, pattern=CLAIM_NAME_PATTERN),
            Rule(
                f"self.matches(r'{CLAIM_NAME_PATTERN}')",
                "write the name of a top-level claim: a letter, then letters, digits, '_' and '-'",
            ),
        ]
        | None
    ) = None
    """Claim with the list of models that a token's owner may use, of which the first 32 count; an
    empty or missing list is none. `/v1/tasks` and `/v1/runs` need `autoglm` in it. Absent: every
    token may use every model."""


class Authentication(SpecModel):
    """How clients prove who they are."""

    model_config = rules(
        Rule(
            "(has(self.type) && self.type == 'JWT') == has(self.jwt)",
            "jwt goes with type JWT and with no other: add it, or remove it",
        )
    )

    type: AuthenticationType = AuthenticationType.API_KEY
    """APIKey: one of the keys in Secret <cluster>-client-key. JWT: a signed token. None: nobody
    has to, and the condition Insecure says so. Default APIKey."""
    jwt: TokenRules | None = None
    """Which tokens are let in, for type JWT."""


class ClusterSecurity(SpecModel):
    """Who may send requests."""

    authentication: Authentication = Authentication()
    """How clients prove who they are."""


class TLSSecretRef(SpecModel):
    """A Secret of type kubernetes.io/tls, with the keys tls.crt and tls.key."""

    name: KubernetesName
    """Name of the Secret; it must carry the label autoglm.io/credential: "true"."""


class RouterTLS(SpecModel):
    """The certificate of the routers."""

    secret_ref: TLSSecretRef
    """Secret with the certificate, then those between it and the authority, under tls.crt and the
    private key under tls.key. A renewed one is in force within 15 s."""
