"""A JSON Web Key Set in the words of the routing document, or the sentence why it cannot be used.

Each key is bound to the algorithms of its own type, so that a token can never choose how a key is
used. Keys that are not for signatures, or of types that routers cannot check, are passed over.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from autoglm_api.routingsecurity import MAX_TOKEN_KEYS, Algorithm, TokenKey

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES: Final = 256 * 1024
"""Arbitrary, because a set of 16 keys with their certificates is far smaller."""
LEAST_RSA_BITS: Final = 2048
"""Source: RFC 7518, 3.3."""
MOST_RSA_BITS: Final = 8192
"""Larger ones cost a router milliseconds per request. Arbitrary: issuers use 2048 to 4096."""
LEAST_SECRET_BYTES: Final = 32
"""Source: RFC 7518, 3.2, a key is at least as long as the hash."""

_RSA: Final = (
    Algorithm.RS256,
    Algorithm.RS384,
    Algorithm.RS512,
    Algorithm.PS256,
    Algorithm.PS384,
    Algorithm.PS512,
)
_CURVES: Final[dict[str, tuple[type[ec.EllipticCurve], Algorithm]]] = {
    "P-256": (ec.SECP256R1, Algorithm.ES256),
    "P-384": (ec.SECP384R1, Algorithm.ES384),
    "P-521": (ec.SECP521R1, Algorithm.ES512),
}
_HASH_BYTES: Final = {Algorithm.HS256: 32, Algorithm.HS384: 48, Algorithm.HS512: 64}

Jwk = dict[str, Any]


class JwksError(ValueError):
    """The set cannot be used; the message is one sentence that says what to write instead."""


def keys_of(text: bytes) -> tuple[TokenKey, ...]:
    """The keys of a set that tokens may be signed with, in its order.

    Raises:
        JwksError: There are none, or too many, or it is no set.
    """
    found = [key for each in _members(text) if (key := _key(each)) is not None]
    if not found:
        raise JwksError(
            "it has no key for signatures of type RSA (2048 to 8192 bits), EC (P-256, P-384, P-521)"
            " or oct (32 bytes or more)"
        )
    if len(found) > MAX_TOKEN_KEYS:
        raise JwksError(f"it has {len(found)} keys for signatures, more than {MAX_TOKEN_KEYS}")
    return tuple(found)


def _members(text: bytes) -> Sequence[Jwk]:
    if len(text) > MAX_BYTES:
        raise JwksError(f"it has more than {MAX_BYTES} bytes")
    try:
        read: object = json.loads(text)
    except (ValueError, RecursionError):
        raise JwksError("it is no JSON") from None
    members = cast("Jwk", read).get("keys") if isinstance(read, dict) else None
    if not isinstance(members, list):
        raise JwksError('write a JSON object whose "keys" is a list of keys')
    return [cast("Jwk", each) for each in cast("list[object]", members) if isinstance(each, dict)]


def _key(jwk: Jwk) -> TokenKey | None:
    """One key; None if it is to be passed over."""
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        return None
    try:
        match jwk.get("kty"):
            case "RSA":
                return _rsa(jwk)
            case "EC":
                return _curve(jwk)
            case "oct":
                return _shared(jwk)
            case _:
                return None
    except (KeyError, TypeError, ValueError):
        return None


def _rsa(jwk: Jwk) -> TokenKey | None:
    key = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
    if not LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS:
        return None
    return _public(jwk, key, _RSA)


def _curve(jwk: Jwk) -> TokenKey | None:
    curve, algorithm = _CURVES[jwk["crv"]]
    key = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), curve()).public_key()
    return _public(jwk, key, (algorithm,))


def _public(
    jwk: Jwk, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, able: Sequence[Algorithm]
) -> TokenKey | None:
    algorithms = _chosen(jwk, able)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return TokenKey(kid=_kid(jwk), algorithms=algorithms, public_key=pem) if algorithms else None


def _shared(jwk: Jwk) -> TokenKey | None:
    secret = _bytes(jwk["k"])
    able = [each for each, least in _HASH_BYTES.items() if len(secret) >= least]
    algorithms = _chosen(jwk, able)
    text = base64.b64encode(secret).decode()
    return TokenKey(kid=_kid(jwk), algorithms=algorithms, secret=text) if algorithms else None


def _chosen(jwk: Jwk, able: Sequence[Algorithm]) -> tuple[Algorithm, ...]:
    """What a key may be used with: what it says itself, of what it is able to."""
    return tuple(each for each in able if jwk.get("alg", str(each)) == str(each))


def _kid(jwk: Jwk) -> str | None:
    kid = jwk.get("kid")
    return hashlib.sha256(kid.encode()).hexdigest() if isinstance(kid, str) else None


def _number(text: object) -> int:
    return int.from_bytes(_bytes(text))


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError("not a string")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
