"""The backends on the way to the lane: what it is told about a request. Pure."""

from autoglm_api.routing import RoutingDocument, Upstream
from autoglm_dataplane.router_agent import admission, laneorders, names, tracing
from autoglm_dataplane.router_agent.layout import Layout
from autoglm_dataplane.router_agent.rendered import Backend, ServerLine
from autoglm_dataplane.router_agent.sections import TUNNEL_SECONDS


def lane(document: RoutingDocument, where: Layout) -> Backend:
    """For bodies whose model HAProxy cannot see; they come back where they came in."""
    back = f"    http-request set-header {laneorders.BACK}"
    lines = (
        *_towards_lane(document),
        f"{back} {names.lane_socket(names.CLIENTS)} unless {{ var(txn.internal) -m bool }}",
        f"{back} {names.lane_socket(names.INTERNAL)} if {{ var(txn.internal) -m bool }}",
        f"    http-request del-header {laneorders.RENAME}",
        *admission.carried(),
        *tracing.heard(),
    )
    return _backend(names.LANE, lines, where)


def rename(document: RoutingDocument, upstream: Upstream, where: Layout) -> Backend:
    """For an endpoint that knows the model by another name."""
    lines = (
        *_towards_lane(document),
        f"    http-request set-header {laneorders.BACK} {names.renamed_socket(upstream.name)}",
        f"    http-request set-header {laneorders.RENAME} {upstream.endpoint_model}",
    )
    return _backend(names.rename(upstream.name), lines, where)


def _towards_lane(document: RoutingDocument) -> tuple[str, ...]:
    limit = document.listener.max_body_bytes
    return (
        # The lane takes one request per connection, and goes away for a moment when it restarts.
        "    http-reuse never",
        "    retries 3",
        "    retry-on conn-failure",
        "    option abortonclose",
        f"    timeout server {TUNNEL_SECONDS}s",
        f"    http-request set-header {laneorders.LIMIT} {limit}",
    )


def _backend(name: str, lines: tuple[str, ...], where: Layout) -> Backend:
    server = ServerLine("", 0, 1, where.path(names.LANE_SOCKET))
    return Backend(name, lines, "", {names.LANE_SERVER: server})
