import base64
import hashlib
import json
from typing import Any

import pytest

from autoglm_api.routingsecurity import Algorithm
from autoglm_operator.decisions import jwks
from autoglm_operator.decisions.jwks import JwksError
from signedtokens import Issuer, encoded, key_set

RSA = Issuer("RS256", kid="r")


def one(**changes: object) -> bytes:
    """A set of one RSA key, with changes; None takes a member away."""
    changed = {key: value for key, value in RSA.jwk(**changes).items() if value is not None}
    return json.dumps({"keys": [changed]}).encode()


def test_keys_are_bound_to_the_algorithms_of_their_type() -> None:
    issuers = [Issuer(name) for name in ("RS256", "ES256", "ES384", "ES512", "HS256")]
    found = jwks.keys_of(key_set(*issuers))
    assert [key.algorithms for key in found] == [
        ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        ("ES256",),
        ("ES384",),
        ("ES512",),
        ("HS256", "HS384", "HS512"),
    ]
    assert all(key.kid == hashlib.sha256(b"one").hexdigest() for key in found)
    assert [key.secret is None for key in found] == [True] * 4 + [False]
    assert base64.b64decode(found[-1].secret or "") == issuers[-1].secret


def test_a_key_may_say_what_it_is_used_with() -> None:
    (found,) = jwks.keys_of(one(alg="PS256", use="sig", key_ops=["verify"], kid=None))
    assert found.algorithms == (Algorithm.PS256,)
    assert found.kid is None


def test_a_short_secret_serves_the_short_hashes_alone() -> None:
    short = {"kty": "oct", "k": encoded(b"x" * 40)}
    (found,) = jwks.keys_of(json.dumps({"keys": [short]}).encode())
    assert found.algorithms == (Algorithm.HS256,)


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"alg": "RSA-OAEP"},
        {"alg": "none"},
        {"alg": "HS256"},
        {"kty": "OKP"},
        {"kty": None},
        {"n": None},
        {"n": 5},
        {"n": "%%%"},
        {"n": encoded((1 << 1023 | 1).to_bytes(128))},
        {"n": encoded((1 << 9000 | 1).to_bytes(1200))},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "oct", "k": encoded(b"x" * 31)},
        {"kty": "oct", "k": encoded(b"x" * 40), "alg": "HS512"},
    ],
)
def test_keys_that_cannot_be_used_are_passed_over(changes: dict[str, object]) -> None:
    with pytest.raises(JwksError, match="no key for signatures"):
        jwks.keys_of(one(**changes))
    sets = [json.loads(text)["keys"] for text in (one(**changes), one())]
    both = json.dumps({"keys": [*sets[0], "no key", *sets[1]]}).encode()
    assert len(jwks.keys_of(both)) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "write a JSON object"),
        (b"{}", "write a JSON object"),
        (b'{"keys": {}}', "write a JSON object"),
        (b'{"keys": []}', "no key for signatures"),
        (b" " * 300_000, "more than 262144 bytes"),
    ],
)
def test_a_bad_set_is_refused_with_a_sentence(text: bytes, sentence: str) -> None:
    with pytest.raises(JwksError, match=sentence):
        jwks.keys_of(text)


def test_too_many_keys_are_refused() -> None:
    keys: list[Any] = [RSA.jwk(kid=str(number)) for number in range(17)]
    with pytest.raises(JwksError, match="17 keys for signatures, more than 16"):
        jwks.keys_of(json.dumps({"keys": keys}).encode())
