"""For every rule about access and trust, an object that breaks it and one that keeps it."""

from typing import Final

from customresources import Object, a_cluster, an_external_endpoint
from rulecases import RuleCase

_JWT: Final[Object] = {
    "issuer": "https://issuer.example.com/realms/a",
    "audience": "autoglm",
    "jwksSecretRef": {"name": "keys", "key": "jwks.json"},
    "modelsClaim": "a_model-list",
}
_CLAIM: Final = (
    "write it as it stands in the tokens: letters, digits and ._~:/@+=-, a letter or digit first"
)


def access_rules() -> list[RuleCase]:
    """Every rule that looks at one object."""
    block = "jwt goes with type JWT and with no other: add it, or remove it"
    claim = "write the name of a top-level claim: a letter, then letters, digits, '_' and '-'"
    tls = {"caSecretRef": {"name": "ca", "key": "ca.crt"}}
    place = "spec.security.authentication"
    cases: list[tuple[str, Object, str]] = [
        (block, {"type": "JWT"}, ""),
        (block, {"type": "None", "jwt": _JWT}, ""),
        (block, {"jwt": _JWT}, ""),
        (_CLAIM, _with(issuer="a b"), ".jwt.issuer"),
        (_CLAIM, _with(audience="a'b"), ".jwt.audience"),
        (claim, _with(modelsClaim="a.b"), ".jwt.modelsClaim"),
    ]
    return [
        *(
            RuleCase(text, _cluster(bad), _cluster(_with()), f"{place}{at}")
            for text, bad, at in cases
        ),
        RuleCase(
            "write caSecretRef, serverName or both, or remove tls",
            an_external_endpoint(tls={}),
            an_external_endpoint(tls={"serverName": "models.example.com"}),
            "spec.external.tls",
        ),
        RuleCase(
            "tls needs a baseURL that starts with https://",
            an_external_endpoint(baseURL="http://a.example.com", tls=tls),
            an_external_endpoint(tls=tls),
            "spec.external",
        ),
        RuleCase(
            "write a DNS name in lower case, such as models.example.com",
            an_external_endpoint(tls={"serverName": "Models.example.com"}),
            an_external_endpoint(tls={"serverName": "a"}),
            "spec.external.tls.serverName",
        ),
    ]


def _cluster(authentication: Object) -> Object:
    return a_cluster(security={"authentication": authentication})


def _with(**changes: object) -> Object:
    return {"type": "JWT", "jwt": {**_JWT, **changes}}
