"""Tells a served application by which TLS connection a request came, and ends idle strangers.

uvicorn keeps the connection to itself, but who shows a client certificate is a matter of the
connection. Never judges a certificate.
"""

from __future__ import annotations

import ssl
from asyncio.sslproto import SSLProtocol
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from uvicorn._types import ASGI3Application

TLS_SCOPE: Final = "autoglm.tls"
"""Key of the connection's `ssl.SSLObject` in the scope of a request; absent without TLS."""
FIRST_REQUEST_SECONDS: Final = 10.0
"""Time for the head of the first request. Arbitrary, because a sender connects when it has
something to say; without a limit a stranger could keep all connections open."""

TLS_BUFFER_BYTES: Final = 32 * 2**10
"""What asyncio reads of a TLS connection at once, and keeps for it as long as it is open. Source:
two records of RFC 8446; asyncio's own 256 KiB are 80 MiB for the 250 connections of a storm."""


def shrink_tls_buffers() -> None:
    """Let every later TLS connection of this process take an eighth of the memory."""
    SSLProtocol.max_size = TLS_BUFFER_BYTES


class TellingProtocol(H11Protocol):
    """HTTP/1.1 of one connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the connection in every scope, and wait for its first request."""
        super().connection_made(transport)
        found: object = transport.get_extra_info("ssl_object")
        if found is not None:
            self.app = _telling(self.app, found)
        self._waiting = self.loop.call_later(FIRST_REQUEST_SECONDS, self._end_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._waiting.cancel()
        super().connection_lost(exc)

    def _end_if_silent(self) -> None:
        # Before the first complete head there is no cycle, whatever uvicorn declares.
        if cast("object", self.cycle) is None:
            self.transport.close()


def tls_of(scope: Mapping[str, Any]) -> ssl.SSLObject | None:
    """The TLS connection by which a request came."""
    found = scope.get(TLS_SCOPE)
    return found if isinstance(found, ssl.SSLObject) else None


def _telling(app: ASGI3Application, connection: object) -> ASGI3Application:
    async def told(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        scope[TLS_SCOPE] = connection
        await app(scope, receive, send)

    return told
