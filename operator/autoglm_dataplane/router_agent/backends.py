"""The backends of HAProxy's configuration: tiers, single upstreams, endpoints, planner. Pure."""

import json
from collections.abc import Sequence
from typing import Final

from autoglm_api.routing import (
    ChatCompletionRetry,
    External,
    RoutingDocument,
    Scheme,
    Timeouts,
    Upstream,
)
from autoglm_dataplane.router_agent import answers, backoff, balancing, layout, names
from autoglm_dataplane.router_agent.balancing import Loads
from autoglm_dataplane.router_agent.layout import Layout
from autoglm_dataplane.router_agent.rendered import Backend, ServerLine

PLANNER_SILENCE_MILLISECONDS: Final = 3_600_000
"""A run may be silent as long as its longest step; the planner has limits of its own."""
PLANNER_KEY: Final = "/planner"
"""Entry of the map of keys for the planner; no upstream can have this name."""
HOP_GRACE_MILLISECONDS: Final = 1_000
"""So much longer than a hop's own limit, for the hop to be the one that says which limit it was."""
SELDOM: Final = "20d"
"""Between two checks of a healthy server. A closed circuit is judged by traffic; HAProxy can pull
the next check forward but never push it back, so the regular one must be far away. The most is 24
days."""

_STATUSES: Final = "500 502 503 504"
_DEFAULT_PORTS: Final = {Scheme.HTTP: 80, Scheme.HTTPS: 443}


def unavailable() -> Backend:
    """For models that have no eligible upstream."""
    line = f"    http-request return {answers.NONE_USABLE.arguments()}"
    return Backend(names.UNAVAILABLE, (line,), "", {})


def planner(document: RoutingDocument, where: Layout) -> Backend:
    """The planner's pods, shown the internal token as a sign that a router let the request in."""
    key = f"str({PLANNER_KEY}),map_str({where.path(layout.ENDPOINT_KEYS)})"
    lines = (
        "    balance leastconn",
        "    http-request disable-l7-retry unless { var(txn.safe) -m bool }",
        f"    retry-on conn-failure empty-response {_STATUSES}",
        f"    timeout server {PLANNER_SILENCE_MILLISECONDS}ms",
        f'    http-request set-header authorization "Bearer %[{key}]" if {{ {key} -m found }}',
        "    option httpchk GET /readyz",
        "    http-check expect status 200",
    )
    servers = {
        names.pod_server(names.PLANNER, server.uid): ServerLine(server.address, server.port, 1)
        for server in document.planner.servers
    }
    options = "check inter 2s fastinter 1s downinter 1s rise 1 fall 2"
    return Backend(names.PLANNER, lines, options, _sorted(servers))


def tier(
    document: RoutingDocument, members: Sequence[Upstream], loads: Loads, where: Layout
) -> Backend:
    """The upstreams of one model and priority, by their weights."""
    servers = balancing.shared(document, members, loads, where)
    lines = (
        *balancing.lines(document.sharing),
        # On the way from one tier to the next all attempts together are counted.
        "    http-request set-retries var(txn.retries) if { var(txn.retries) -m found }",
        *_towards_model(document, members, several=len(servers) > 1),
    )
    name = names.tier(members[0].model, members[0].priority)
    return Backend(name, lines, _circuit(document), servers)


def direct(document: RoutingDocument, upstream: Upstream, where: Layout) -> Backend:
    """One upstream alone, for who chose it by name. Its circuits are its own."""
    servers = balancing.members(upstream, where)
    lines = (
        "    balance roundrobin",
        *_towards_model(document, (upstream,), several=len(servers) > 1),
    )
    return Backend(names.direct(upstream.name), lines, _circuit(document), _sorted(servers))


def outside(
    document: RoutingDocument,
    upstream: Upstream,
    addresses: Sequence[str],
    where: Layout,
    bundle: str | None,
) -> Backend:
    """An external endpoint: its host, path and key, at the addresses that the agent pinned.

    Attempts are counted by the tier; here one address is tried once.
    """
    external = upstream.external
    if external is None:
        raise ValueError("only an external endpoint is outside")
    key = f"str({upstream.name}),map_str({where.path(layout.ENDPOINT_KEYS)})"
    transport = _transport(external, bundle)
    redirected = answers.HAPROXY_ERRORS[502].arguments()
    lines = (
        "    balance roundrobin",
        "    retries 0",
        *_timeouts(upstream.timeouts),
        f"    http-request set-header host {_host(external)}",
        f'    http-request set-header authorization "Bearer %[{key}]" if {{ {key} -m found }}',
        "    http-request del-header x-forwarded-for",
        rf"    http-request replace-path ^/v1(/.*)$ {external.path}\1",
        # A redirect is not followed, and not handed on to a client that would follow it.
        f"    http-response return {redirected} if {{ status 300:303 }} or {{ status 305:399 }}",
        *_never(document),
        *_trusting(upstream.name, transport),
    )
    servers = {
        names.address_server(upstream.name, address): ServerLine(address, external.port, 1)
        for address in addresses
    }
    return Backend(names.outside(upstream.name), lines, transport, _sorted(servers))


def behind(document: RoutingDocument, upstream: Upstream, loads: Loads) -> Backend:
    """The pods of a renamed upstream. Attempts are counted by the tier; here each is tried once."""
    lines = (
        *balancing.lines(document.sharing),
        "    retries 0",
        *_queue((upstream,)),
        *_timeouts(upstream.timeouts),
        f"    timeout check {upstream.timeouts.first_byte_milliseconds}ms",
        *_probe(upstream.endpoint_model or upstream.model),
        *_never(document),
    )
    servers = balancing.behind(document, upstream, loads)
    return Backend(names.outside(upstream.name), lines, _circuit(document), servers)


def _never(document: RoutingDocument) -> tuple[str, ...]:
    never = document.retry.chat_completions is ChatCompletionRetry.NEVER
    return _sent_once() if never else ()


def _towards_model(
    document: RoutingDocument, members: Sequence[Upstream], *, several: bool
) -> tuple[str, ...]:
    limits = _largest([member.timeouts for member in members])
    return (
        *_retries(document, members, several=several),
        *backoff.marked(document, members),
        *_queue(members),
        *_timeouts(limits, grace=HOP_GRACE_MILLISECONDS),
        f"    timeout check {limits.first_byte_milliseconds}ms",
        *_probe(members[0].model),
        f"    description {members[0].model}",
        f"    http-request set-var(txn.named) str({members[0].model})",
        "    http-response set-header x-autoglm-upstream %[srv_name,field(1,.)] "
        "if { var(txn.internal) -m bool }",
    )


def _retries(
    document: RoutingDocument, members: Sequence[Upstream], *, several: bool
) -> tuple[str, ...]:
    never = document.retry.chat_completions is ChatCompletionRetry.NEVER
    if never and all(member.hopped for member in members):
        # The hop's own 503 means that the request was not sent; what the endpoint itself said
        # comes as 529 and is turned back.
        return (
            "    retry-on conn-failure 503",
            "    http-response set-status 503 if { status 529 }",
        )
    # 429 says that this server is busy: worth another one, never the same again.
    busy = " 429" if several else ""
    return (
        "    http-request disable-l7-retry unless { var(txn.repeat) -m bool }",
        "    retry-on conn-failure empty-response response-timeout junk-response "
        f"{_STATUSES}{busy}",
    )


def _queue(members: Sequence[Upstream]) -> tuple[str, ...]:
    """As many requests may wait for each server as it may have in flight; the next is refused."""
    limits = [member.limits.max_concurrency for member in members]
    if not all(limits):
        return ()  # A server without a limit takes whatever comes.
    longest = max(limit for limit in limits if limit)
    full = answers.OVERLOADED.arguments()
    return (f"    http-request return {full} if {{ avg_queue ge {longest} }}",)


def _sent_once() -> tuple[str, ...]:
    return (
        "    http-request set-var(txn.safe) bool(true) "
        "if { method GET HEAD OPTIONS PUT DELETE TRACE }",
        "    http-request set-var(txn.safe) bool(true) if { req.hdr(idempotency-key) -m found }",
        "    http-response set-status 529 if { status 503 } !{ var(txn.safe) -m bool }",
    )


def _timeouts(limits: Timeouts, *, grace: int = 0) -> tuple[str, ...]:
    return (
        f"    timeout connect {limits.connect_milliseconds}ms",
        f"    timeout server {limits.first_byte_milliseconds + grace}ms",
        f"    http-response set-timeout server {limits.request_milliseconds + grace}ms",
    )


def _largest(limits: Sequence[Timeouts]) -> Timeouts:
    return Timeouts(
        connect_milliseconds=max(one.connect_milliseconds for one in limits),
        first_byte_milliseconds=max(one.first_byte_milliseconds for one in limits),
        request_milliseconds=max(one.request_milliseconds for one in limits),
    )


def _probe(model: str) -> tuple[str, ...]:
    """The request that may close an open circuit: a real completion, of one token.

    A health path may be well while completions fail, and every such mistake costs users' requests.
    Anything but a 5xx is good, as it is for the traffic that opens a circuit.
    """
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "ping"}],
        "max_tokens": 1,
    }
    return (
        "    option httpchk",
        "    http-check send meth POST uri /v1/chat/completions ver HTTP/1.1 hdr host router "
        f"hdr content-type application/json body {answers.quoted(json.dumps(body))}",
        "    http-check expect ! rstatus ^5",
    )


def _circuit(document: RoutingDocument) -> str:
    breaker = document.breaker
    pause = f"{breaker.open_milliseconds}ms"
    failures = breaker.consecutive_failures
    return (
        f"check inter {SELDOM} fastinter {pause} downinter {pause} "
        f"rise {breaker.half_open_requests} fall {failures} init-state fully-up "
        f"observe layer7 error-limit {failures} on-error mark-down"
    )


def _transport(external: External, bundle: str | None) -> str:
    if external.scheme is Scheme.HTTP:
        return ""
    name = external.server_name or external.host
    return (
        f"ssl verify required ca-file {bundle or '@system-ca'} "
        f"sni str({name}) verifyhost {name} alpn http/1.1"
    )


def _trusting(upstream: str, transport: str) -> tuple[str, ...]:
    """A server that is off: it loads the certificates, which a server added later must find loaded.

    It also makes HAProxy refuse bad certificates at once, not when an address turns up.
    """
    if not transport:
        return ()
    return (f"    server {names.placeholder(upstream)} 127.0.0.1:1 disabled {transport}",)


def _host(external: External) -> str:
    if external.port == _DEFAULT_PORTS[external.scheme]:
        return external.host
    return f"{external.host}:{external.port}"


def _sorted(servers: dict[str, ServerLine]) -> dict[str, ServerLine]:
    return dict(sorted(servers.items()))
