import base64

from autoglm_operator.manifests import secrets
from operator_views import OWNER


def test_missing_credentials_are_filled_in_and_others_kept() -> None:
    fresh = secrets.internal_data({}, ("t", "p"))
    assert fresh == {
        "token": b"t",
        "valkey-password": b"p",
        "valkey.conf": b"requirepass p\n",
    }
    assert secrets.internal_data(fresh, ("other", "other")) == fresh


def test_a_client_key_looks_like_one() -> None:
    assert secrets.client_key_data("abc") == {"key": b"sk-abc"}


def test_every_value_is_a_client_key() -> None:
    assert secrets.client_keys({"b": b" two\n", "a": b"one", "c": b" ", "d": b"\xff"}) == (
        "one",
        "two",
    )


def test_secrets_are_encoded_and_owned() -> None:
    built = secrets.secret(OWNER, "x", secrets.cluster_labels(OWNER), {"k": b"v"})
    assert base64.b64decode(built["data"]["k"]) == b"v"
    assert built["metadata"]["labels"]["autoglm.io/owner-uid"] == "cluster-uid"
