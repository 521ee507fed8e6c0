"""Who is let in at the port for clients: lines of its frontend, and the files they name. Pure.

Nothing of a token is believed before its signature is verified with a key of the table, by an
algorithm of that key; what the token itself says about that only chooses among those.
"""

import hashlib
from typing import Final

from autoglm_api.routing import RoutingDocument
from autoglm_api.routingsecurity import (
    HMACS,
    Algorithm,
    AuthenticationType,
    ListenerCertificate,
    TokenKey,
    Tokens,
)
from autoglm_dataplane.router_agent import answers, layout
from autoglm_dataplane.router_agent.layout import Layout

CLAIMS: Final = "x-autoglm-lane-claims"
"""A verified token's claims on their way through the lane, in base64url."""
DIGEST: Final = "http_auth_bearer,sha2(256),hex,lower"
AUDIENCES: Final = 8
MODELS: Final = 32
"""Entries of a list that count. Source: what the field of AutoGLMCluster says."""
TASK_MODEL: Final = "autoglm"
"""The model that a token's owner must be allowed to use for tasks and runs. Source: likewise."""
_SKEW_SECONDS: Final = 30
"""By which the issuer's clock may be ahead. Arbitrary: clocks of nodes differ by less."""
_CALLER_LETTERS: Final = 8
"""Of a digest: they tell callers apart in the log, and nothing can be told from them."""
_SHAPE: Final = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"
_ANY_KEY: Final = "any"
_CLAIM: Final = "var(txn.claims),json_query"


def admitted(document: RoutingDocument, where: Layout) -> tuple[str, ...]:
    """Turns away who may not come in."""
    security = document.security
    match security.authentication:
        case AuthenticationType.API_KEY:
            return _keyed(where)
        case AuthenticationType.JWT if security.tokens is not None:
            return _signed(security.tokens, where)
        case _:
            return ()


def allowed(document: RoutingDocument, *conditions: str) -> tuple[str, ...]:
    """Turns away who may not use the model that was found."""
    tokens = document.security.tokens
    if tokens is None or tokens.models_claim is None:
        return ()
    return (
        *(
            f"    acl may_use {_CLAIM}('$.{tokens.models_claim}[{at}]'),strcmp(txn.named) eq 0"
            for at in range(MODELS)
        ),
        *(_refused(answers.MODEL_NOT_ALLOWED, f"if {each} !may_use") for each in conditions),
    )


def allowed_tasks(document: RoutingDocument, condition: str) -> tuple[str, ...]:
    """Turns away who may not hand in tasks."""
    tokens = document.security.tokens
    if tokens is None or tokens.models_claim is None:
        return ()
    return (
        *(
            f"    acl may_task {_CLAIM}('$.{tokens.models_claim}[{at}]') -m str {TASK_MODEL}"
            for at in range(MODELS)
        ),
        _refused(answers.MODEL_NOT_ALLOWED, f"if {condition} !may_task"),
    )


def restricted(document: RoutingDocument) -> bool:
    """Whether it matters to everybody's rights which model a body names."""
    tokens = document.security.tokens
    return tokens is not None and tokens.models_claim is not None


def carried() -> tuple[str, ...]:
    """Sends the claims with a request through the lane, and nobody else's."""
    return (
        f"    http-request del-header {CLAIMS}",
        f"    http-request set-header {CLAIMS} %[var(txn.payload)] "
        "if { var(txn.payload) -m found }",
    )


def received() -> tuple[str, ...]:
    """Reads them again where the request comes back."""
    return (
        f"    http-request set-var(txn.claims) req.fhdr({CLAIMS}),ub64dec",
        f"    http-request del-header {CLAIMS}",
    )


def secrets_map(document: RoutingDocument) -> dict[str, str]:
    """Secrets of tokens by the names of their keys: they must not stand in the configuration."""
    tokens = document.security.tokens
    keys = () if tokens is None else tokens.keys
    return {_named(key): key.secret for key in keys if key.secret is not None}


def files(document: RoutingDocument, where: Layout) -> dict[str, str]:
    """Public keys of tokens and the listener's certificate, by path."""
    tokens, certificate = document.security.tokens, document.listener.certificate
    keys = () if tokens is None else tokens.keys
    found = {_path(key, where): key.public_key for key in keys if key.public_key is not None}
    if certificate is not None:
        found[_certificate(certificate, where)] = certificate.chain + certificate.key
    return found


def transport(document: RoutingDocument, where: Layout) -> str:
    """Options of the listener's `bind`."""
    certificate = document.listener.certificate
    if certificate is None:
        return ""
    return f" ssl crt {_certificate(certificate, where)} alpn http/1.1"


def _keyed(where: Layout) -> tuple[str, ...]:
    keys = where.path(layout.CLIENT_KEYS)
    return (
        f"    http-request set-var(txn.digest) {DIGEST}",
        _refused(answers.BAD_KEY, f"unless {{ var(txn.digest),map_str({keys}) -m found }}"),
        f"    http-request set-var(txn.caller) var(txn.digest),bytes(0,{_CALLER_LETTERS})",
    )


def _signed(tokens: Tokens, where: Layout) -> tuple[str, ...]:
    owner = f"{_CLAIM}('$.sub'),sha2(256),hex,lower,bytes(0,{_CALLER_LETTERS})"
    return (
        _refused(
            answers.BAD_SIGNATURE,
            f"unless {{ http_auth_bearer -m reg {answers.quoted(_SHAPE)} }}",
        ),
        # Extensions that must be understood; none is.
        _refused(
            answers.BAD_SIGNATURE,
            "if { http_auth_bearer,jwt_header_query('$.crit') -m found }",
        ),
        "    http-request set-var(txn.alg) http_auth_bearer,jwt_header_query('$.alg')",
        f"    http-request set-var(txn.kid) str({_ANY_KEY})",
        "    http-request set-var(txn.kid) "
        "http_auth_bearer,jwt_header_query('$.kid'),sha2(256),hex,lower",
        "    http-request set-var(txn.head) http_auth_bearer,field(1,.)",
        "    http-request set-var(txn.payload) http_auth_bearer,field(2,.)",
        "    http-request set-var(txn.signature) http_auth_bearer,field(3,.)",
        *(line for key in tokens.keys for line in _tried(key, where)),
        _refused(answers.BAD_SIGNATURE, "unless { var(txn.verified) -m bool }"),
        "    http-request set-var(txn.claims) var(txn.payload),ub64dec",
        _refused(answers.NOT_FOR_US, f"unless {{ {_CLAIM}('$.iss') -m str {tokens.issuer} }}"),
        f"    acl for_us {_CLAIM}('$.aud') -m str {tokens.audience}",
        *(
            f"    acl for_us {_CLAIM}('$.aud[{at}]') -m str {tokens.audience}"
            for at in range(AUDIENCES)
        ),
        _refused(answers.NOT_FOR_US, "unless for_us"),
        f"    http-request set-var(txn.end) {_CLAIM}('$.exp','int')",
        f"    http-request set-var(txn.begin) {_CLAIM}('$.nbf','int')",
        _refused(answers.NOT_NOW, "unless { date(),neg,add(txn.end) gt 0 }"),
        _refused(
            answers.NOT_NOW,
            f"if {{ var(txn.begin) -m found }} {{ date(),neg,add(txn.begin) gt {_SKEW_SECONDS} }}",
        ),
        f"    http-request set-var(txn.caller) {owner}",
    )


def _tried(key: TokenKey, where: Layout) -> tuple[str, ...]:
    """Verifies a token by one key, unless an earlier one did."""
    name = _named(key)
    kids = () if key.kid is None else (f"    acl {name} var(txn.kid) -m str {key.kid} {_ANY_KEY}",)
    asked = "!{ var(txn.verified) -m bool }" + (f" {name}" if kids else "")
    verified = "    http-request set-var(txn.verified) bool(true) if"
    if key.secret is None:
        algorithms = f"{{ var(txn.alg) -m str {' '.join(key.algorithms)} }}"
        check = f"{{ http_auth_bearer,jwt_verify(txn.alg,{_path(key, where)}) eq 1 }}"
        return (*kids, f"{verified} {asked} {algorithms} {check}")
    secret = f"str({name}),map_str({where.path(layout.TOKEN_SECRETS)})"
    signed = "var(txn.head),concat(.,txn.payload)"
    return (
        *kids,
        f"    http-request set-var(txn.secret) {secret}",
        *(
            f"    http-request set-var(txn.made) {signed},hmac({_hash(algorithm)},txn.secret)"
            f",ub64enc if {asked} {{ var(txn.alg) -m str {algorithm} }}"
            for algorithm in key.algorithms
        ),
        f"{verified} {{ var(txn.made) -m found }} {{ var(txn.made),secure_memcmp(txn.signature) }}",
    )


def _hash(algorithm: Algorithm) -> str:
    if algorithm not in HMACS:
        raise ValueError("only an HMAC is made of a hash alone")
    return f"sha{algorithm[2:]}"


def _named(key: TokenKey) -> str:
    return f"jwt-{_digest(key.model_dump_json())}"


def _path(key: TokenKey, where: Layout) -> str:
    return where.path(f"jwt-{_digest(key.public_key or '')}.pem")


def _certificate(certificate: ListenerCertificate, where: Layout) -> str:
    return where.path(f"tls-{_digest(certificate.chain + certificate.key)}.pem")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _refused(answer: answers.Answer, condition: str) -> str:
    return f"    http-request return {answer.arguments()} {condition}"
