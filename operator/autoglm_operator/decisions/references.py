"""What a reference to a Secret leads to, or the sentence that says what is missing.

A Secret is only used if its owner labelled it for us: whoever may create our objects must not
thereby read every Secret of the namespace through us.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from autoglm_api import labels, routingvalues
from autoglm_api.conditions import Reason
from autoglm_operator.decisions.statuses import Verdict, fails

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autoglm_api.base import SecretKeyRef
    from autoglm_api.modelendpoint import ModelEndpoint

Manifest = dict[str, Any]

_API_KEY: TypeAdapter[str] = TypeAdapter(routingvalues.Credential)
_KEY_ADVICE = "write one word of printable ASCII without blanks, at most 4096 characters"
_CA: TypeAdapter[str] = TypeAdapter(routingvalues.CertificateBundle)
_CA_ADVICE = "write PEM certificates, at most 64 KiB"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the references of an endpoint lead to.

    Attributes:
        api_key: The key to send, without white space around it.
        ca: PEM certificates to trust.
        problem: The first reference that leads nowhere, as a verdict of ResolvedRefs.
    """

    api_key: str | None = None
    ca: str | None = None
    problem: Verdict | None = None


def wanted(endpoint: ModelEndpoint) -> tuple[SecretKeyRef, ...]:
    """Every Secret reference of an endpoint."""
    external = endpoint.spec.external
    if external is None:
        return ()
    references = (external.api_key_secret_ref, external.tls.ca_secret_ref if external.tls else None)
    return tuple(ref for ref in references if ref is not None)


def credentials(endpoint: ModelEndpoint, secrets: Mapping[str, Manifest | None]) -> Credentials:
    """Follow the references of an endpoint.

    Args:
        endpoint: The endpoint.
        secrets: The live Secrets by name; None for those that do not exist.
    """
    external = endpoint.spec.external
    if external is None:
        return Credentials()
    problem = first_problem(wanted(endpoint), secrets)
    if problem is not None:
        return Credentials(problem=problem)
    key, tls = external.api_key_secret_ref, external.tls
    api_key = None if key is None else _text(key, secrets).strip()
    authority = None if tls is None else tls.ca_secret_ref
    ca = None if authority is None else _text(authority, secrets)
    if key is not None and not _takes(_API_KEY, api_key):
        problem = _unusable(key, _KEY_ADVICE)
    elif authority is not None and not _takes(_CA, routingvalues.certificates_in(ca or "")):
        problem = _unusable(authority, _CA_ADVICE)
    return Credentials(api_key, ca) if problem is None else Credentials(problem=problem)


def first_problem(
    references: Iterable[SecretKeyRef], secrets: Mapping[str, Manifest | None]
) -> Verdict | None:
    """Why the first of the references that leads nowhere does so; None if all lead somewhere."""
    for ref in references:
        secret = secrets.get(ref.name)
        if secret is None:
            return fails(
                Reason.SECRET_NOT_FOUND,
                f"Secret {ref.name} does not exist: create it with the key {ref.key}.",
            )
        if secret["metadata"].get("labels", {}).get(labels.CREDENTIAL) != labels.TRUE:
            return fails(
                Reason.SECRET_NOT_LABELLED,
                f"Secret {ref.name} may not be read: its owner must label it"
                f' {labels.CREDENTIAL}: "{labels.TRUE}".',
            )
        if not _value(ref, secrets).strip():
            return fails(
                Reason.KEY_NOT_FOUND,
                f"Secret {ref.name} has no value under the key {ref.key}: add one.",
            )
    return None


def data_of(secret: Manifest | None) -> dict[str, bytes]:
    """The decoded data of a live Secret; empty for an absent one, without what does not decode."""
    decoded: dict[str, bytes] = {}
    stored: dict[str, str] = (secret or {}).get("data") or {}
    for key, value in stored.items():
        try:
            decoded[key] = base64.b64decode(value, validate=True)
        except ValueError:
            continue
    return decoded


def _takes(field: TypeAdapter[str], value: str | None) -> bool:
    try:
        field.validate_python(value)
    except ValidationError:
        return False
    return True


def _unusable(ref: SecretKeyRef, advice: str) -> Verdict:
    return fails(
        Reason.KEY_UNUSABLE,
        f"The value under the key {ref.key} of Secret {ref.name} cannot be used: {advice}.",
    )


def _text(ref: SecretKeyRef, secrets: Mapping[str, Manifest | None]) -> str:
    return _value(ref, secrets).decode("utf-8", "replace")


def _value(ref: SecretKeyRef, secrets: Mapping[str, Manifest | None]) -> bytes:
    return data_of(secrets.get(ref.name)).get(ref.key, b"")
