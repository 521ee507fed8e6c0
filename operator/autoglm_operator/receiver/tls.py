"""The webhook's certificate and the authority of its callers, from files that may be renewed.

Every change makes a whole new TLS context, so that nothing of an old one lives on in a resumed
session. New connections get it; those that are open keep theirs, and say by which authority they
were let in. Never makes a certificate.
"""

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from autoglm_operator.runtime.clock import Clock

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""Time between two looks at the files. Arbitrary: a kubelet needs up to a minute to change them."""
NAME_KINDS: Final = frozenset({"DNS", "URI"})


class _Context(ssl.SSLContext):
    """A context that knows the authority it lets callers in by."""

    authority: bytes = b""


class _Following(ssl.SSLContext):
    """What the server is given: each new connection is wrapped by the context in force."""

    current: _Context | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the signature of ssl
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Wrap a connection, as asyncio asks for."""
        assert self.current is not None  # noqa: S101 - set before the server starts
        return self.current.wrap_bio(
            incoming,
            outgoing,
            server_side=server_side,
            server_hostname=server_hostname,
            session=session,
        )


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a caller showed that our authority signed.

    Attributes:
        names: Its common name, and its DNS and URI alternative names.
        current: Whether the authority is still in force that let it in.
    """

    names: tuple[str, ...]
    current: bool


class ServerCertificate:
    """A TLS context that follows ``tls.crt`` and ``tls.key`` in a directory.

    Args:
        directory: Where the certificate and its key are.
        client_authority: PEM file with the authorities of callers; None to ask for no certificate.
    """

    def __init__(self, directory: Path, client_authority: Path | None = None) -> None:
        """Load the certificate.

        Raises:
            OSError: a file cannot be read, or is no certificate or key.
        """
        self._certificate = directory / "tls.crt"
        self._key = directory / "tls.key"
        self._client_authority = client_authority
        self.context = _Following(ssl.PROTOCOL_TLS_SERVER)
        self._loaded: tuple[bytes, ...] = ()
        self.reload()

    def reload(self) -> bool:
        """Load the files if they changed; returns whether they had.

        Raises:
            OSError: a file cannot be read, or is no certificate or key.
        """
        files = [self._certificate, self._key]
        if self._client_authority is not None:
            files.append(self._client_authority)
        found = tuple(file.read_bytes() for file in files)
        if found == self._loaded:
            return False
        context = _Context(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._certificate, self._key)
        if self._client_authority is not None:
            context.authority = found[2]
            # Optional, because other callers show a token.
            context.verify_mode = ssl.CERT_OPTIONAL
            # The file may name the authority that signs callers, without the one above it.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            _trust(context, found[2])
        self.context.current = context
        self._loaded = found
        return True

    def shown(self, connection: ssl.SSLObject | None) -> ClientCertificate | None:
        """The certificate that a caller showed; None if it showed none."""
        shown = None if connection is None else connection.getpeercert()
        if connection is None or not shown:
            return None
        context, current = connection.context, self.context.current
        authority = context.authority if isinstance(context, _Context) else b""
        return ClientCertificate(
            _names(shown), current is not None and authority == current.authority
        )

    async def follow(self, clock: Clock) -> None:
        """Reload whenever the files change; a half-written pair is tried again."""
        while True:
            await clock.sleep(LOOK_SECONDS)
            try:
                if self.reload():
                    log.info("certificate renewed")
            except OSError as error:
                log.warning("certificate not reloaded", extra={"error": str(error)})


def _trust(context: ssl.SSLContext, authorities: bytes) -> None:
    try:
        context.load_verify_locations(cadata=authorities.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise OSError(f"the client authority is no PEM certificate: {error}") from error


def _names(certificate: Mapping[str, object]) -> tuple[str, ...]:
    """Source: the form in which `ssl.SSLSocket.getpeercert` is documented to answer."""
    subject = cast("tuple[tuple[tuple[str, str], ...], ...]", certificate.get("subject", ()))
    common = [value for part in subject for name, value in part if name == "commonName"]
    others = cast("tuple[tuple[str, str], ...]", certificate.get("subjectAltName", ()))
    return (*common, *(value for kind, value in others if kind in NAME_KINDS))
