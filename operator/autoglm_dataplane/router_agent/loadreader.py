"""Asks the servers of managed upstreams how busy they are. Never decides what follows from it.

A server that does not answer in time is judged by the requests that this router has at it.
"""

import asyncio
import ssl
from typing import Final

import httpx

from autoglm_api.routing import RoutingDocument
from autoglm_dataplane.router_agent import loads
from autoglm_dataplane.router_agent.haproxy import HAProxy

ANSWER_SECONDS: Final = 0.8
"""Longest wait for metrics: weights follow the load once a second."""
MAX_BYTES: Final = 4 * 1024 * 1024
"""Of one answer. Arbitrary: vLLM's metrics have tens of kilobytes."""
AT_ONCE: Final = 32


class LoadReader:
    """Reads loads, and remembers the last."""

    def __init__(self, haproxy: HAProxy) -> None:
        self._haproxy = haproxy
        # Pods are spoken to in plain HTTP: a context that trusts nobody, made once, for it is dear.
        self._nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.current: dict[str, int] = {}
        """Utilisation by server, in percent."""

    async def read(self, document: RoutingDocument) -> bool:
        """Ask every server; True if anything changed.

        Raises:
            HAProxyUnreachableError: no HAProxy answers.
        """
        asked = {
            name: url
            for upstream in document.upstreams
            for name, url in loads.servers_of(upstream).items()
            if url is not None
        }
        async with self._client() as client:
            answers = await asyncio.gather(*(_ask(client, url) for url in asked.values()))
        said = dict(zip(asked, answers, strict=True))
        found = loads.of_document(document, said, await self._haproxy.in_flight())
        changed = found != self.current
        self.current = found
        return changed

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=ANSWER_SECONDS,
            trust_env=False,
            verify=self._nobody,
            limits=httpx.Limits(max_connections=AT_ONCE),
        )


async def _ask(client: httpx.AsyncClient, url: str) -> int | None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS), client.stream("GET", url) as reply:
            if not reply.is_success:
                return None
            text = b""
            async for chunk in reply.aiter_bytes():
                text += chunk
                if len(text) > MAX_BYTES:
                    return None
    except (httpx.HTTPError, TimeoutError):
        return None
    return loads.said(text.decode(errors="replace"))
