"""The way to a lower tier within the same request, after the first one failed. Pure.

HAProxy sends a request again only to a server of the same backend. So a model with several tiers
has a backend whose two servers are sockets: behind the first stands the tier that was chosen,
behind the other the next one that is usable. The circuits are those of the tiers themselves.
"""

from collections.abc import Sequence
from typing import Final

from autoglm_api.routing import RoutingDocument, Upstream
from autoglm_dataplane.router_agent import layout, names, tracing
from autoglm_dataplane.router_agent.layout import Layout
from autoglm_dataplane.router_agent.rendered import Backend, ServerLine
from autoglm_dataplane.router_agent.sections import BODY_SECONDS

INSIDE: Final = "x-autoglm-inside"
"""Says behind the sockets that the request came in at the internal port."""
_WAIT_MILLISECONDS: Final = 15_000
"""For queue and connection of one attempt: more than their own limits."""
Tier = tuple[str, Sequence[Upstream]]
"""Name of a tier's backend, and its members."""


def reachable(document: RoutingDocument) -> bool:
    """Whether a request may be sent to two tiers at all."""
    return document.retry.max_attempts > 1


def backend(document: RoutingDocument, tiers: Sequence[Tier], where: Layout) -> Backend:
    """For requests that may be repeated: the first of these tiers, then one of the others."""
    first, _ = tiers[0]
    slowest = max(
        one.timeouts.first_byte_milliseconds + one.timeouts.connect_milliseconds
        for _, members in tiers
        for one in members
    )
    silent = max(one.timeouts.request_milliseconds for _, members in tiers for one in members)
    attempts = document.retry.max_attempts
    lines = (
        "    balance roundrobin",
        "    retries 1",
        "    retry-on conn-failure empty-response 429 500 502 503 504",
        # Limits are kept behind the sockets, by attempt.
        f"    timeout server {attempts * (slowest + _WAIT_MILLISECONDS)}ms",
        f"    http-response set-timeout server {silent + _WAIT_MILLISECONDS}ms",
        f"    http-request del-header {INSIDE}",
        f"    http-request set-header {INSIDE} 1 if {{ var(txn.internal) -m bool }}",
        f"    use-server {names.FIRST_SERVER} if TRUE",
        *tracing.heard(),
        "    http-response set-header x-autoglm-upstream %[var(txn.lane_upstream)] "
        "if { var(txn.internal) -m bool } { var(txn.lane_upstream) -m len gt 0 }",
    )
    sockets = {
        server: ServerLine("", 0, 1, where.path(names.fallback_socket(first, server)))
        for server in (names.FIRST_SERVER, names.REST_SERVER)
    }
    return Backend(names.fallback(first), lines, "", sockets)


def frontends(
    document: RoutingDocument, tiers: Sequence[Tier], where: Layout, repeatable: Sequence[str]
) -> tuple[str, ...]:
    """Behind the sockets. All attempts together are as many as the table allows."""
    (first, _), *rest = tiers
    last = rest[-1][0]
    return (
        *_frontend(first, names.FIRST_SERVER, document.retry.max_attempts - 1, where, repeatable),
        f"    default_backend {first}",
        *_frontend(first, names.REST_SERVER, 1, where, repeatable),
        *(f"    use_backend {name} if {{ nbsrv({name}) gt 0 }}" for name, _ in rest[:-1]),
        f"    default_backend {last}",
    )


def maps(document: RoutingDocument, models: Sequence[Sequence[Tier]]) -> dict[str, dict[str, str]]:
    """From a tier's backend to the way to lower ones, and to these themselves, by file name."""
    found: dict[str, dict[str, str]] = {layout.FALLBACKS: {}}
    for tiers in models if reachable(document) else ():
        for at, (name, _) in enumerate(tiers[:-1]):
            found[layout.FALLBACKS][name] = names.fallback(name)
            for depth, (lower, _) in enumerate(tiers[at + 1 :]):
                found.setdefault(names.lower_map(depth), {})[name] = lower
    return found


def chosen(where: Layout, depths: int, condition: str) -> tuple[str, ...]:
    """Sends a request that way, if it may be repeated and there is a tier to repeat it at."""
    repeatable = f"{condition} {{ var(txn.repeat) -m bool }} {{ var(txn.way) -m found }}"
    return (
        "    http-request set-var(txn.way) "
        f"var(txn.backend),map_str({where.path(layout.FALLBACKS)}) if {condition}",
        *(
            f"    http-request set-var(txn.backend) var(txn.way) if {repeatable} "
            f"{{ var(txn.backend),map_str({where.path(names.lower_map(depth))}),nbsrv gt 0 }}"
            for depth in range(depths)
        ),
    )


def _frontend(
    tier: str, server: str, attempts: int, where: Layout, repeatable: Sequence[str]
) -> tuple[str, ...]:
    return (
        f"frontend {names.fallback(tier)}{server}",
        f"    bind unix@{where.path(names.fallback_socket(tier, server))} mode 600",
        "    no log",
        *tracing.told(),
        *repeatable,
        f"    http-request set-var(txn.internal) bool(true) if {{ req.fhdr({INSIDE}) -m found }}",
        f"    http-request del-header {INSIDE}",
        f"    http-request set-var(txn.retries) int({attempts - 1})",
        f"    http-request wait-for-body time {BODY_SECONDS}s",
    )
