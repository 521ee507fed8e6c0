"""Resolves the names of external endpoints and pins the addresses that are safe.

HAProxy never resolves a name: a name server that changes its answer between check and use would
send a key elsewhere. When a name cannot be resolved, the last good addresses stay.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from autoglm_api.endpointsafety import refusal
from autoglm_api.routing import RoutingDocument

logger = logging.getLogger(__name__)

RESOLVE_SECONDS: Final = 5.0
"""Source: resolv.conf(5), the default timeout of one query."""
MAX_ADDRESSES: Final = 8
"""Per endpoint. Arbitrary, but a name with hundreds of addresses must not fill the table."""

Resolve = Callable[[str], Awaitable[tuple[str, ...]]]
"""All addresses of a host name; raises OSError if there are none."""


class Pins:
    """Addresses by host name, as last resolved."""

    def __init__(self, resolve: Resolve, kept: Mapping[str, tuple[str, ...]]) -> None:
        self._resolve = resolve
        self._found = dict(kept)

    async def refresh(self, document: RoutingDocument, *, only_new: bool = False) -> bool:
        """Resolve every name of the document, or only those never seen; True if any changed."""
        hosts = {one.external.host for one in document.upstreams if one.external is not None}
        before = dict(self._found)
        asked = sorted(hosts - before.keys()) if only_new else sorted(hosts)
        await asyncio.gather(*(self._look_up(host) for host in asked))
        self._found = {host: found for host, found in self._found.items() if host in hosts}
        return self._found != before

    def resolved(self) -> Mapping[str, tuple[str, ...]]:
        """Everything that is known, safe or not."""
        return dict(self._found)

    async def _look_up(self, host: str) -> None:
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                addresses = await self._resolve(host)
        except (OSError, TimeoutError) as error:
            logger.warning("name not resolved", extra={"host": host, "reason": repr(error)})
            return
        self._found[host] = tuple(sorted(set(addresses)))


def safe(
    document: RoutingDocument, resolved: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The addresses to use, by upstream."""
    rules = document.endpoint_safety
    return {
        upstream.name: tuple(
            address
            for address in resolved.get(upstream.external.host, ())
            if refusal(address, denied=rules.denied_cidrs, allowed=rules.allowed_addresses) is None
        )[:MAX_ADDRESSES]
        for upstream in document.upstreams
        if upstream.external is not None
    }


def unusable(document: RoutingDocument, resolved: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Why an external upstream has no address, by upstream."""
    usable = safe(document, resolved)
    rules = document.endpoint_safety
    found: dict[str, str] = {}
    for upstream in document.upstreams:
        if upstream.external is None or usable[upstream.name]:
            continue
        addresses = resolved.get(upstream.external.host, ())
        reason = next(
            (
                refusal(one, denied=rules.denied_cidrs, allowed=rules.allowed_addresses)
                for one in addresses
            ),
            None,
        )
        found[upstream.name] = (
            f"its name leads to {reason}" if reason else "its name has no address"
        )
    return found


async def system_resolve(host: str) -> tuple[str, ...]:
    """Ask the system's resolver."""
    answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(str(answer[4][0]).partition("%")[0] for answer in answers)
