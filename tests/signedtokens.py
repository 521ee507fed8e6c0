"""Keys of a token issuer, and the tokens that it signs: good ones, and every kind of bad one.

Exists so that routers meet tokens as issuers make them, signed by `cryptography` and not by
HAProxy. Never talks to anything.
"""

import base64
import hashlib
import hmac
import json
import time
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER: Final = "https://issuer.example.com/realms/team"
AUDIENCE: Final = "autoglm"
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVES: Final[dict[str, tuple[str, type[ec.EllipticCurve], int]]] = {
    "ES256": ("P-256", ec.SECP256R1, 32),
    "ES384": ("P-384", ec.SECP384R1, 48),
    "ES512": ("P-521", ec.SECP521R1, 66),
}


def encoded(data: bytes) -> str:
    """The data in base64url, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Claims of a good token; None takes one away."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "exp": int(time.time()) + 600}
    return {key: value for key, value in {**usual, **changes}.items() if value is not None}


class Issuer:
    """One key of an issuer, of the type that an algorithm needs."""

    def __init__(self, algorithm: str = "RS256", kid: str | None = "one") -> None:
        self.algorithm, self.kid = algorithm, kid
        self._rsa: rsa.RSAPrivateKey | None = None
        self._curve: ec.EllipticCurvePrivateKey | None = None
        if algorithm in _CURVES:
            self._curve = ec.generate_private_key(_CURVES[algorithm][1]())
        elif algorithm.startswith("HS"):
            # With a zero byte, at which software in C likes to stop.
            self.secret = b"0123456789\x00" + hashlib.sha512(f"{kid}".encode()).digest()
        else:
            self._rsa = rsa.generate_private_key(65537, 2048)

    def jwk(self, **more: object) -> dict[str, object]:
        """The key as it stands in a set."""
        found: dict[str, object]
        if self._rsa is not None:
            numbers = self._rsa.public_key().public_numbers()
            found = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        elif self._curve is not None:
            point = self._curve.public_key().public_numbers()
            name, _, size = _CURVES[self.algorithm]
            x, y = (encoded(value.to_bytes(size)) for value in (point.x, point.y))
            found = {"kty": "EC", "crv": name, "x": x, "y": y}
        else:
            found = {"kty": "oct", "k": encoded(self.secret)}
        named: dict[str, object] = {} if self.kid is None else {"kid": self.kid}
        return {**found, **named, **more}

    def token(self, header: dict[str, object] | None = None, **changes: Any) -> str:  # noqa: ANN401 - JSON
        """A token, good but for the changes of its claims and header."""
        usual = {"alg": self.algorithm, "typ": "JWT"} | ({"kid": self.kid} if self.kid else {})
        own = {
            key: value for key, value in {**usual, **(header or {})}.items() if value is not None
        }
        parts = own, claims(**changes)
        signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{encoded(self.signature(signed.encode()))}"

    def signature(self, signed: bytes) -> bytes:
        """What stands behind the second dot."""
        found = _HASHES[self.algorithm[2:]]
        if self._curve is not None:
            size = _CURVES[self.algorithm][2]
            pair = decode_dss_signature(self._curve.sign(signed, ec.ECDSA(found)))
            return b"".join(number.to_bytes(size) for number in pair)
        if self._rsa is None:
            return hmac.new(self.secret, signed, f"sha{self.algorithm[2:]}").digest()
        if self.algorithm.startswith("PS"):
            salted = padding.PSS(padding.MGF1(found), found.digest_size)
            return self._rsa.sign(signed, salted, found)
        return self._rsa.sign(signed, padding.PKCS1v15(), found)


def key_set(*issuers: Issuer) -> bytes:
    """The JSON Web Key Set of these keys."""
    return json.dumps({"keys": [issuer.jwk() for issuer in issuers]}).encode()


def _number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8))
