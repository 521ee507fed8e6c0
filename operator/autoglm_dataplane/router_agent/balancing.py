"""How the servers of a tier share its requests: HAProxy's words for a strategy. Pure."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from autoglm_api.routing import RoutingDocument, Upstream
from autoglm_api.routingpolicies import HASHES, Sharing, Strategy
from autoglm_dataplane.router_agent import names
from autoglm_dataplane.router_agent.layout import Layout
from autoglm_dataplane.router_agent.rendered import ServerLine
from autoglm_dataplane.router_agent.shares import server_weights

Loads = Mapping[str, int]
"""Utilisation of servers by name, in percent."""
LEAST_PERCENT: Final = 10
"""What a fully loaded server keeps of its weight. Source: the project's definition of LoadAware."""
_CLIENT: Final = "req.hdr(x-forwarded-for,-1)"
"""The client's address: `option forwardfor` writes the last one, a client's own come before."""


def lines(sharing: Sharing) -> tuple[str, ...]:
    """The directives of a tier."""
    cookie = sharing.cookie
    sticky = (f"    cookie {cookie} insert indirect nocache httponly",) if cookie else ()
    match sharing.strategy:
        case Strategy.ROUND_ROBIN | Strategy.LOAD_AWARE:
            return ("    balance roundrobin", *sticky)
        case Strategy.LEAST_CONNECTIONS:
            return ("    balance leastconn", *sticky)
        case Strategy.SOURCE_IP_HASH:
            return (*_ring(_CLIENT, sharing), *sticky)
        case Strategy.CONSISTENT_HASH:
            return (*_ring(f"req.hdr({sharing.hash_header})", sharing), *sticky)


def members(upstream: Upstream, where: Layout) -> dict[str, ServerLine]:
    """The servers of an upstream in a tier: the socket of its hop, or its pods."""
    if upstream.hopped:
        socket = where.path(names.hop_socket(upstream.name))
        # Behind the hop of a renamed one are pods, each with the limit.
        fixed = _limit(upstream) if upstream.external is not None else ""
        return {upstream.name: ServerLine("", 0, 1, socket, fixed, fixed)}
    return pods(upstream)


def pods(upstream: Upstream) -> dict[str, ServerLine]:
    """The pods of an upstream."""
    fixed = _limit(upstream)
    return {
        names.pod_server(upstream.name, server.uid): ServerLine(
            server.address, server.port, 1, None, fixed, fixed
        )
        for server in upstream.servers
    }


def shared(
    document: RoutingDocument, upstreams: Sequence[Upstream], loads: Loads, where: Layout
) -> dict[str, ServerLine]:
    """All servers of a tier with their weights."""
    shares: dict[str, Fraction] = {}
    found: dict[str, ServerLine] = {}
    for upstream in upstreams:
        servers = members(upstream, where)
        found |= servers
        for name in servers:
            shares[name] = Fraction(upstream.weight, len(servers)) * _left(loads, name)
    return _weighed(document.sharing, found, shares)


def behind(document: RoutingDocument, upstream: Upstream, loads: Loads) -> dict[str, ServerLine]:
    """The pods behind the hop of a renamed upstream."""
    found = pods(upstream)
    return _weighed(document.sharing, found, {name: _left(loads, name) for name in found})


def _weighed(
    sharing: Sharing, found: Mapping[str, ServerLine], shares: Mapping[str, Fraction]
) -> dict[str, ServerLine]:
    weights = server_weights(shares, largest=sharing.strategy in HASHES)
    return {
        name: ServerLine(
            line.address,
            line.port,
            weights[name],
            line.socket,
            _own(sharing, name, line.fixed),
            line.fixed,
        )
        for name, line in sorted(found.items())
    }


def _limit(upstream: Upstream) -> str:
    limit = upstream.limits.max_concurrency
    return f"maxconn {limit}" if limit else ""


def _left(loads: Loads, server: str) -> Fraction:
    return Fraction(max(100 - loads.get(server, 0), LEAST_PERCENT), 100)


def _own(sharing: Sharing, server: str, fixed: str) -> str:
    ring = f"id {names.server_id(server)}" if sharing.strategy in HASHES else ""
    cookie = f"cookie {names.cookie_value(server)}" if sharing.cookie else ""
    return " ".join(part for part in (ring, cookie, fixed) if part)


def _ring(key: str, sharing: Sharing) -> tuple[str, ...]:
    bound = sharing.hash_load_percent
    return (
        f"    balance hash {key}",
        "    hash-type consistent sdbm avalanche",
        *((f"    hash-balance-factor {bound}",) if bound else ()),
    )
