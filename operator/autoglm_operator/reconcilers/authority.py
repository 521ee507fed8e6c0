"""The operator's certificate authority, kept in a Secret of its own namespace.

It signs the router agents' certificates. Read by name, made once, replaced only when it cannot be
used any more; then every certificate that it signed is issued anew.
"""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

from autoglm_api import kinds, labels
from autoglm_operator.clients import errors
from autoglm_operator.decisions.references import data_of
from autoglm_operator.runtime import certificates
from autoglm_operator.runtime.certificates import KeyPair

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.runtime.clock import Clock

log = logging.getLogger(__name__)

SECRET_NAME = "autoglm-operator-ca"  # noqa: S105 - the name of a Secret
CERTIFICATE = "tls.crt"
KEY = "tls.key"
REREAD_SECONDS = 300.0


class Authority:
    """Reads or makes the authority."""

    def __init__(self, kube: KubeClient, clock: Clock, namespace: str) -> None:
        self._kube = kube
        self._clock = clock
        self._namespace = namespace
        self._pair: KeyPair | None = None
        self._read_at = 0.0

    async def pair(self) -> KeyPair:
        """The authority's certificate and key.

        Raises:
            errors.ApiError: It can neither be read nor made.
        """
        fresh = self._clock.monotonic() - self._read_at < REREAD_SECONDS
        if self._pair is None or not fresh:
            self._pair = await self._read_or_make()
            self._read_at = self._clock.monotonic()
        return self._pair

    async def _read_or_make(self) -> KeyPair:
        live = await self._kube.get(kinds.SECRET, self._namespace, SECRET_NAME)
        found = _pair_in(live)
        now = self._clock.now()
        if certificates.is_authority(found, now):
            return found
        made = certificates.new_authority("AutoGLM operator", now)
        try:
            if live is None:
                await self._kube.create(self._secret(made), manager=labels.OPERATOR)
            else:
                body = self._secret(made)
                body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
                await self._kube.patch(kinds.SECRET, self._namespace, SECRET_NAME, body)
        except errors.Conflict:
            # Somebody was faster: what stands there counts.
            stored = _pair_in(await self._kube.get(kinds.SECRET, self._namespace, SECRET_NAME))
            if certificates.is_authority(stored, now):
                return stored
            raise
        log.info("certificate authority made", extra={"child": SECRET_NAME})
        return made

    def _secret(self, pair: KeyPair) -> dict[str, Any]:
        return {
            "apiVersion": kinds.SECRET.api_version,
            "kind": kinds.SECRET.kind,
            "metadata": {
                "name": SECRET_NAME,
                "namespace": self._namespace,
                "labels": {labels.APP_MANAGED_BY: labels.OPERATOR},
            },
            "type": "Opaque",
            "data": {
                CERTIFICATE: base64.b64encode(pair.certificate).decode(),
                KEY: base64.b64encode(pair.key).decode(),
            },
        }


def _pair_in(secret: dict[str, Any] | None) -> KeyPair:
    data = data_of(secret)
    return KeyPair(data.get(CERTIFICATE, b""), data.get(KEY, b""))
