"""The frontends of HAProxy's configuration: clients, internal, metrics, hops. Pure.

Order matters: who comes in is asked before anything else is looked at, and the caller's credentials
are gone before a backend is chosen.
"""

from collections.abc import Sequence
from urllib.parse import quote

from autoglm_api.routing import ChatCompletionRetry, RoutingDocument, Upstream
from autoglm_api.routingpolicies import Limits
from autoglm_dataplane.router_agent import (
    admission,
    answers,
    backoff,
    fallback,
    layout,
    names,
    tracing,
)
from autoglm_dataplane.router_agent.layout import Layout
from autoglm_dataplane.router_agent.sections import BODY_SECONDS, SIGHT_BYTES

_LETTERS = (r"(m|\\u006d)", r"(o|\\u006f)", r"(d|\\u0064)", r"(e|\\u0065)", r"(l|\\u006c)")
_MODEL_KEY = f'"{"".join(_LETTERS)}"[[:space:]]*:'
_TWICE = f"{_MODEL_KEY}(?s:.*){_MODEL_KEY}"
"""Two keys `model` at any depth, also in JSON's escapes; the lane finds out whether both count."""
_PLANNER_PATHS = ("/v1/tasks", "/v1/runs")
_NAMED_TWICE = "(^|&)model=.*&model="
_REALTIME = "/v1/realtime"
"""A WebSocket's messages have the model too late: it stands in the query. Source: OpenAI's Realtime
API, which vLLM has as well."""


def clients(
    document: RoutingDocument, where: Layout, *, models: str, ranks: int
) -> tuple[str, ...]:
    """Port of API clients."""
    paths = " ".join(_PLANNER_PATHS)
    below = " ".join(f"{path}/" for path in _PLANNER_PATHS)
    return (
        "frontend clients",
        f"    bind {where.address(where.ports.clients)}{admission.transport(document, where)}",
        f"    timeout client {where.client_silence_seconds}s",
        *tracing.logged(document.listener.access_log),
        *tracing.identified(),
        *admission.admitted(document, where),
        *_admitted(document),
        *_models(models, where),
        f"    acl to_planner path {paths}",
        f"    acl to_planner path_beg {below}",
        "    acl by_model path /v1/chat/completions",
        f"    acl by_query path {_REALTIME}",
        _refused(answers.NO_SUCH_PATH, "if !to_planner !by_model !by_query"),
        *admission.allowed_tasks(document, "to_planner"),
        # What may be repeated must be held as a whole before it is sent.
        f"    http-request wait-for-body time {BODY_SECONDS}s "
        "if to_planner METH_POST { var(txn.safe) -m bool }",
        *_backend_by_model(
            document, where, ranks, named="!named" if not admission.restricted(document) else ""
        ),
        *_backend_by_query(document, where, ranks),
        *admission.allowed(document, "by_model !{ var(txn.lane) -m bool }", "by_query"),
        f"    use_backend {names.LANE} if {{ var(txn.lane) -m bool }}",
        f"    use_backend {names.PLANNER} if to_planner",
        "    use_backend %[var(txn.backend)]",
        f"    default_backend {names.UNAVAILABLE}",
    )


def internal(
    document: RoutingDocument, where: Layout, *, models: str, ranks: int
) -> tuple[str, ...]:
    """Port of planner and executors: by share, or `/u/<upstream>/v1/...` to a chosen one."""
    tokens = where.path(layout.INTERNAL_TOKENS)
    upstreams = where.path(layout.UPSTREAMS)
    return (
        "frontend internal",
        f"    bind {where.address(where.ports.internal)}",
        f"    timeout client {where.client_silence_seconds}s",
        *tracing.logged(document.listener.access_log),
        *tracing.identified(),
        _refused(answers.BAD_TOKEN, f"unless {{ {admission.DIGEST},map_str({tokens}) -m found }}"),
        *_admitted(document),
        "    http-request set-var(txn.internal) bool(true)",
        *_models(models, where),
        "    http-request set-var(txn.upstream) path,field(3,/) if { path_beg /u/ }",
        "    acl chosen var(txn.upstream) -m found",
        f"    http-request set-var(txn.backend) var(txn.upstream),map_str({upstreams}) if chosen",
        _refused(answers.UNKNOWN_UPSTREAM, "if chosen !{ var(txn.backend) -m found }"),
        r"    http-request replace-path ^/u/[^/]+(/.*)$ \1 if chosen",
        *_repeatable(document),
        "    acl by_model path /v1/chat/completions",
        _refused(answers.NO_SUCH_PATH, "if chosen !{ path_beg /v1/ }"),
        _refused(answers.NO_SUCH_PATH, "if !chosen !by_model"),
        f"    http-request wait-for-body time {BODY_SECONDS}s if chosen METH_POST",
        *_backend_by_model(document, where, ranks, condition="!chosen"),
        f"    use_backend {names.LANE} if {{ var(txn.lane) -m bool }}",
        "    use_backend %[var(txn.backend)]",
        f"    default_backend {names.UNAVAILABLE}",
    )


def metrics(where: Layout, *, ready: bool) -> tuple[str, ...]:
    """Port of Prometheus and of the kubelet; ready means that there is a routing table."""
    readiness = (
        "status 200 content-type text/plain string ok"
        if ready
        else answers.NOT_CONFIGURED.arguments()
    )
    return (
        "frontend metrics",
        f"    bind {where.address(where.ports.metrics)}",
        "    no log",
        # With it every tier's metrics have its model as the label desc.
        "    http-request set-query desc-labels if { path /metrics }",
        "    http-request use-service prometheus-exporter if { path /metrics }",
        "    http-request return status 200 content-type text/plain string ok if { path /healthz }",
        f"    http-request return {readiness} if {{ path /readyz }}",
        "    http-request return status 404 content-type text/plain string 'see /metrics'",
    )


def hop(upstream: Upstream, where: Layout) -> tuple[str, ...]:
    """The way to an endpoint: only behind it does a request get the endpoint's identity.

    A retry on another server therefore starts from the request without any key, and with the name
    of the model that the client wrote.
    """
    renamed = upstream.endpoint_model is not None
    return (
        f"frontend {names.hop(upstream.name)}",
        f"    bind unix@{where.path(names.hop_socket(upstream.name))} mode 600",
        "    no log",
        *backoff.paused(),
        *_rated(upstream.limits),
        *_requeried(upstream),
        *((f"    use_backend {names.rename(upstream.name)} if METH_POST",) if renamed else ()),
        f"    default_backend {names.outside(upstream.name)}",
    )


def _requeried(upstream: Upstream) -> tuple[str, ...]:
    """A WebSocket has the model in its query; what bodies have the lane writes anew."""
    if upstream.endpoint_model is None:
        return ()
    # A percent sign begins a sample of HAProxy's own; two are one.
    own = quote(upstream.endpoint_model, safe="").replace("%", "%%")
    found = answers.quoted(rf"^({_REALTIME}\?(?:.*&)?model=)[^&]*(.*)$")
    return (rf"    http-request replace-pathq {found} '\1{own}\2' if METH_GET",)


def from_lane(
    document: RoutingDocument, where: Layout, *, listener: str, ranks: int
) -> tuple[str, ...]:
    """Where the lane hands back a request that came in at a listener, its model now in a header."""
    inside = listener == names.INTERNAL
    return (
        f"frontend {names.lane_frontend(listener)}",
        f"    bind unix@{where.path(names.lane_socket(listener))} mode 600",
        "    no log",
        *(("    http-request set-var(txn.internal) bool(true)",) if inside else ()),
        *_repeatable(document),
        f"    http-request wait-for-body time {BODY_SECONDS}s",
        *tracing.told(),
        *admission.received(),
        "    http-request set-var(txn.model) req.fhdr(x-model)",
        "    http-request del-header x-model",
        *_tiers(document, where, ranks, "TRUE"),
        *(() if inside else admission.allowed(document, "TRUE")),
        "    use_backend %[var(txn.backend)]",
        f"    default_backend {names.UNAVAILABLE}",
    )


def fallbacks(
    document: RoutingDocument, tiers: Sequence[fallback.Tier], where: Layout
) -> tuple[str, ...]:
    """Behind the sockets on the way from each of a model's tiers to the lower ones."""
    return tuple(
        line
        for at in range(len(tiers) - 1)
        for line in fallback.frontends(document, tiers[at:], where, _repeatable(document))
    )


def renamed(upstream: Upstream, where: Layout) -> tuple[str, ...]:
    """Where the lane hands back a request after it wrote the endpoint's own name into it."""
    return (
        f"frontend {names.renamed(upstream.name)}",
        f"    bind unix@{where.path(names.renamed_socket(upstream.name))} mode 600",
        "    no log",
        "    http-request del-header x-model",
        f"    default_backend {names.outside(upstream.name)}",
    )


def _rated(limits: Limits) -> tuple[str, ...]:
    """Counts what is let through, not what is refused: else a crowd would keep the door shut."""
    if limits.requests_per_minute is None:
        return ()
    return (
        "    stick-table type integer size 1 expire 2m store gpc0,gpc0_rate(60s)",
        "    http-request track-sc0 int(1)",
        _refused(answers.TOO_MANY, f"if {{ sc0_gpc0_rate ge {limits.requests_per_minute} }}"),
        "    http-request sc-inc-gpc0(0)",
    )


def _refused(answer: answers.Answer, condition: str) -> str:
    return f"    http-request return {answer.arguments()} {condition}"


def _admitted(document: RoutingDocument) -> tuple[str, ...]:
    limit = document.listener.max_body_bytes
    return (
        "    http-request del-header authorization",
        _refused(answers.TOO_LARGE, f"if {{ req.body_size gt {limit} }}"),
        *_repeatable(document),
    )


def _repeatable(document: RoutingDocument) -> tuple[str, ...]:
    """Marks what may be sent twice: `safe` to anybody, `repeat` to a model endpoint."""
    completions = document.retry.chat_completions is ChatCompletionRetry.BEFORE_FIRST_BYTE
    safe = "    http-request set-var(txn.safe) bool(true) if"
    repeat = "    http-request set-var(txn.repeat) bool(true) if"
    return (
        f"{safe} {{ method GET HEAD OPTIONS PUT DELETE TRACE }}",
        f"{safe} {{ req.hdr(idempotency-key) -m found }}",
        f"{repeat} {{ var(txn.safe) -m bool }}",
        *((f"{repeat} {{ path /v1/chat/completions }}",) if completions else ()),
    )


def _models(models: str, where: Layout) -> tuple[str, ...]:
    known = f"var(txn.asked),map_str({where.path(names.model_map(0))}) -m found"
    one = '{"id":"%[var(txn.asked)]","object":"model","created":0,"owned_by":"autoglm"}'
    return (
        f"    http-request return status 200 content-type application/json file {models} "
        "if { method GET } { path /v1/models }",
        r"    http-request set-var(txn.asked) path,regsub(^/v1/models/,,),url_dec "
        "if { method GET } { path_beg /v1/models/ }",
        "    http-request return status 200 content-type application/json "
        f"lf-string {answers.quoted(one)} if {{ {known} }}",
        _refused(answers.UNKNOWN_MODEL, "if { var(txn.asked) -m found }"),
    )


def _backend_by_model(
    document: RoutingDocument,
    where: Layout,
    ranks: int,
    *,
    condition: str = "by_model",
    named: str = "!named",
) -> tuple[str, ...]:
    """Finds the model and its tier, or leaves that to the lane, unless the client named the model.

    A body that is not in sight as a whole goes there, and one that seems to name `model` twice:
    HAProxy reads the first, most endpoints the last.
    """
    lane = "    http-request set-var(txn.lane) bool(true) if"
    here = f"{condition} !{{ var(txn.lane) -m bool }}"
    return (
        _refused(answers.BAD_METHOD, f"if {condition} !METH_POST"),
        f"    http-request wait-for-body time {BODY_SECONDS}s if {condition}",
        "    acl named req.fhdr(x-model) -m found",
        f"    acl large req.body_len ge {SIGHT_BYTES}",
        f"{lane} {condition} large {named}".rstrip(),
        # Its length is not known yet, and the lane counts.
        f"{lane} {condition} large !{{ req.hdr(content-length) -m found }}",
        f"{lane} {condition} {{ req.body -m reg -i {answers.quoted(_TWICE)} }}",
        f"    http-request set-var(txn.model) req.body,json_query('$.model') if {here} !large",
        _refused(
            answers.MODEL_MISMATCH,
            f"if {here} named {{ var(txn.model) -m found }} "
            "!{ req.fhdr(x-model),strcmp(txn.model) eq 0 }",
        ),
        f"    http-request set-var(txn.model) req.fhdr(x-model) if {here} named",
        _refused(answers.NO_MODEL, f"if {here} !{{ var(txn.model) -m found }}"),
        *_tiers(document, where, ranks, here),
    )


def _backend_by_query(document: RoutingDocument, where: Layout, ranks: int) -> tuple[str, ...]:
    """Finds the tier of a WebSocket.

    Nothing but a WebSocket may be opened: what comes then is looked at by nobody.
    """
    return (
        "    acl websocket req.hdr(upgrade) -m str -i websocket",
        _refused(answers.NOT_A_WEBSOCKET, "if by_query !websocket"),
        _refused(answers.NOT_A_WEBSOCKET, "if by_query { req.hdr_cnt(upgrade) gt 1 }"),
        _refused(answers.NOT_A_WEBSOCKET, "if by_query !METH_GET"),
        "    http-request set-var(txn.model) urlp(model),url_dec(1) if by_query",
        _refused(answers.NO_QUERY_MODEL, "if by_query !{ var(txn.model) -m found }"),
        # HAProxy reads the first, some endpoints the last.
        _refused(
            answers.NO_QUERY_MODEL, f"if by_query {{ query,url_dec(1) -m reg {_NAMED_TWICE} }}"
        ),
        *_tiers(document, where, ranks, "by_query"),
    )


def _tiers(document: RoutingDocument, where: Layout, ranks: int, condition: str) -> tuple[str, ...]:
    """The model's first tier with a usable server, else its last tier."""
    first = where.path(names.model_map(0))
    lower = (where.path(names.model_map(rank)) for rank in range(1, ranks))
    return (
        f"    http-request set-var(txn.backend) var(txn.model),map_str({first}) if {condition}",
        _refused(answers.UNKNOWN_MODEL, f"if {condition} !{{ var(txn.backend) -m found }}"),
        f"    http-request set-var(txn.named) var(txn.model) if {condition}",
        *(
            f"    http-request set-var(txn.backend) var(txn.model),map_str({path}) "
            f"if {condition} {{ var(txn.backend),nbsrv eq 0 }} "
            f"{{ var(txn.model),map_str({path}) -m found }}"
            for path in lower
        ),
        *(fallback.chosen(where, ranks - 1, condition) if fallback.reachable(document) else ()),
    )
