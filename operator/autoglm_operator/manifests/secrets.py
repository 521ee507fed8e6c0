"""The Secrets of a cluster: routing, internal credentials, client keys.

Random values and certificates are handed in: nothing here is random or reads a clock. Existing
values are kept as they are; only what is missing is filled in.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from autoglm_api import kinds, labels
from autoglm_operator.manifests import pods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoglm_operator.manifests.pods import Manifest, Owner

ROUTING_DOCUMENT = "routing.json"
PUSH_TOKEN = "push-token"  # noqa: S105 - the name of a key, not a secret
AGENT_CERTIFICATE = "tls.crt"
AGENT_KEY = "tls.key"
AGENT_CA = "ca.crt"
INTERNAL_TOKEN = "token"  # noqa: S105 - the name of a key, not a secret
VALKEY_PASSWORD = "valkey-password"  # noqa: S105 - the name of a key, not a secret
VALKEY_CONFIG = "valkey.conf"
"""The password once more, in the form that the store reads at its start."""
CLIENT_KEY = "key"
# What OpenAI's clients are used to; it also marks the value as a key for secret scanners.
CLIENT_KEY_PREFIX = "sk-"


def secret(owner: Owner, name: str, own: Mapping[str, str], data: Mapping[str, bytes]) -> Manifest:
    """A Secret with the given data."""
    built = pods.child(kinds.SECRET, owner, name, own)
    built["type"] = "Opaque"
    built["data"] = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return built


def internal_data(existing: Mapping[str, bytes], fresh: tuple[str, str]) -> dict[str, bytes]:
    """Credentials of the roles among themselves.

    Args:
        existing: What the live Secret holds.
        fresh: Two new random values, used only for what is missing.
    """
    password = existing.get(VALKEY_PASSWORD) or fresh[1].encode()
    return {
        INTERNAL_TOKEN: existing.get(INTERNAL_TOKEN) or fresh[0].encode(),
        VALKEY_PASSWORD: password,
        VALKEY_CONFIG: b"requirepass " + password + b"\n",
    }


def client_key_data(fresh: str) -> dict[str, bytes]:
    """The first client key of a new cluster; a person may add, change or remove keys later."""
    return {CLIENT_KEY: (CLIENT_KEY_PREFIX + fresh).encode()}


def client_keys(existing: Mapping[str, bytes]) -> tuple[str, ...]:
    """Every usable key in a client key Secret, sorted so that their order means nothing."""
    keys: set[str] = set()
    for value in existing.values():
        text = value.decode("ascii", "ignore").strip()
        if text:
            keys.add(text)
    return tuple(sorted(keys))


def cluster_labels(owner: Owner) -> dict[str, str]:
    """Labels of the Secrets of a cluster."""
    return labels.cluster_labels(owner.name, owner.uid)
