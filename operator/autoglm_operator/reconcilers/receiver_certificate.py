"""The receiver's certificate: made and renewed by the operator, its authority published.

The receiver mounts the Secret; Alertmanager's configuration takes the authority from the ConfigMap.
The Secret is read by name and changed only when its certificate must be replaced. Never touches a
Secret that somebody else made: it is a certificate that an administrator provides.
"""

import base64
import logging
from typing import Any, Final

from autoglm_api import kinds, labels
from autoglm_operator.clients import errors
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.decisions.reading import labels_of, part
from autoglm_operator.reconcilers.authority import Authority
from autoglm_operator.runtime import certificates
from autoglm_operator.runtime.certificates import KeyPair
from autoglm_operator.runtime.clock import Clock

log = logging.getLogger(__name__)

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
AUTHORITY: Final = "ca.crt"
LOOK_SECONDS: Final = 300.0
"""Time between two looks. Arbitrary, because renewal begins 30 days before it is needed, while a
deleted Secret should not be missing for long."""
RETRY_SECONDS: Final = 5.0
"""Time to the next try after a failure: at install the receiver's pods wait for the Secret."""


class ReceiverCertificate:
    """Keeps the Secret and the ConfigMap of one receiver Service."""

    def __init__(
        self, kube: KubeClient, clock: Clock, authority: Authority, *, namespace: str, service: str
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._authority = authority
        self._namespace = namespace
        self._service = service
        self._name = f"{service}.{namespace}.svc"

    async def keep(self) -> None:
        """Ensure it again and again; ends at once if there is no Service to serve for."""
        while self._service:
            try:
                await self.ensure()
            except errors.ApiError as error:
                log.warning("receiver certificate not ensured", extra={"error": str(error)})
                await self._clock.sleep(RETRY_SECONDS)
            else:
                await self._clock.sleep(LOOK_SECONDS)

    async def ensure(self) -> None:
        """Make or renew what is missing or old.

        Raises:
            ApiError: something could not be read or written.
        """
        authority = await self._authority.pair()
        secret = f"{self._service}-tls"
        live = await self._kube.get(kinds.SECRET, self._namespace, secret)
        if live is not None and not _is_ours(live):
            return
        if certificates.needs_issue(_pair(live), authority, self._name, self._clock.now()):
            issued = certificates.issue(authority, self._name, self._clock.now())
            await self._apply(_secret(self._namespace, secret, issued))
            log.info("receiver certificate issued", extra={"secret_name": secret})
        await self._publish(authority.certificate.decode())

    async def _publish(self, authority: str) -> None:
        name = f"{self._service}-ca"
        live = await self._kube.get(kinds.CONFIG_MAP, self._namespace, name)
        if part(live, "data").get(AUTHORITY) != authority:
            await self._apply(
                _object(kinds.CONFIG_MAP, self._namespace, name) | {"data": {AUTHORITY: authority}}
            )

    async def _apply(self, obj: dict[str, Any]) -> None:
        await self._kube.apply(obj, manager=labels.OPERATOR, force=True)


def _is_ours(obj: dict[str, Any]) -> bool:
    return labels_of(obj).get(labels.APP_MANAGED_BY) == labels.OPERATOR


def _pair(secret: dict[str, Any] | None) -> KeyPair:
    data = part(secret, "data")
    try:
        decoded = [
            base64.b64decode(data.get(key) or "", validate=True) for key in (CERTIFICATE, KEY)
        ]
    except ValueError:
        return KeyPair(b"", b"")
    return KeyPair(*decoded)


def _secret(namespace: str, name: str, pair: KeyPair) -> dict[str, Any]:
    return _object(kinds.SECRET, namespace, name) | {
        "type": "kubernetes.io/tls",
        "data": {
            CERTIFICATE: base64.b64encode(pair.certificate).decode(),
            KEY: base64.b64encode(pair.key).decode(),
        },
    }


def _object(kind: kinds.Kind, namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {labels.APP_MANAGED_BY: labels.OPERATOR},
        },
    }
