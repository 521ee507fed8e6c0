"""The routing tables and HAProxy files of the bench. Pure."""

from collections.abc import Sequence
from typing import Final

from autoglm_api.routing import (
    Breaker,
    EndpointSafety,
    External,
    RoutingDocument,
    RoutingTable,
    Scheme,
    Security,
    Server,
    Upstream,
    key_digest,
    seal,
)

KEY: Final = "sk-bench-0123456789"
MODEL: Final = "bench"
LOOPBACK: Final = "127.0.0.1"


def managed(name: str, ports: Sequence[int], weight: int = 1, uid: int = 0) -> Upstream:
    """An upstream of pods; `uid` keeps servers apart that share a port."""
    return Upstream(
        name=name,
        model=MODEL,
        weight=weight,
        servers=tuple(
            Server(uid=f"{uid + port:08x}", address=LOOPBACK, port=port) for port in ports
        ),
    )


def external(name: str, port: int, weight: int = 1) -> Upstream:
    """An upstream behind a URL, with a key of its own: every request passes its hop."""
    endpoint = External(
        scheme=Scheme.HTTP, host=LOOPBACK, port=port, path="/v1", api_key=f"key-of-{name}"
    )
    return Upstream(name=name, model=MODEL, weight=weight, external=endpoint)


def document(
    upstreams: Sequence[Upstream], version: int = 1, *, failures: int = 5
) -> RoutingDocument:
    """A sealed document; another number of failures is another structure."""
    table = RoutingTable(
        cluster="bench",
        namespace="bench",
        models=(MODEL,),
        upstreams=tuple(upstreams),
        security=Security(client_keys=(key_digest(KEY),), internal_tokens=("internal",)),
        breaker=Breaker(consecutive_failures=failures),
        endpoint_safety=EndpointSafety(allowed_addresses=("127.0.0.0/8",)),
    )
    return seal(table, version)


def plain(port: int, endpoints: Sequence[int], threads: int) -> str:
    """HAProxy as somebody would write it by hand: sharing and nothing else."""
    servers = "\n".join(f"    server s{number} {LOOPBACK}:{number}" for number in endpoints)
    return f"""\
global
    nbthread {threads}
    fd-hard-limit 20000
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
frontend clients
    bind {LOOPBACK}:{port}
    default_backend endpoints
backend endpoints
    balance roundrobin
{servers}
"""


def service(port: int, routers: Sequence[int]) -> str:
    """A stand-in for a Service: connections go to ready routers in turn, bytes untouched."""
    servers = "\n".join(f"    server r{number} {LOOPBACK}:{number} disabled" for number in routers)
    return f"""\
global
    nbthread 1
    fd-hard-limit 20000
defaults
    mode tcp
    timeout connect 2s
    timeout client 600s
    timeout server 600s
frontend service
    bind {LOOPBACK}:{port}
    default_backend routers
backend routers
    balance roundrobin
{servers}
"""
