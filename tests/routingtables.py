"""Builds routing documents for tests.

Exists so that a test states only what it is about. Never talks to anything.
"""

from collections.abc import Sequence

from autoglm_api.routing import (
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

CLIENT_KEY = "sk-client"
INTERNAL_TOKEN = "itk-0123456789"  # noqa: S105 - known to everybody
MODEL = "glm-test"
LOOPBACK = "127.0.0.1"


def a_server(port: int, uid: str = "", address: str = LOOPBACK) -> Server:
    """Return a pod on a port; its UID follows from the port unless it is given."""
    return Server(uid=uid or f"{port:08x}", address=address, port=port)


def a_managed(name: str, *ports: int, **fields: object) -> Upstream:
    """Return an upstream of pods on this machine."""
    servers = tuple(map(a_server, ports))
    return Upstream.model_validate({"name": name, "model": MODEL, "servers": servers, **fields})


def an_external(name: str, port: int, *, host: str = LOOPBACK, **fields: object) -> Upstream:
    """Return an upstream behind a URL; fields of the endpoint and of the upstream both go."""
    own = ("path", "api_key", "ca", "scheme", "server_name")
    parts = {key: fields.pop(key) for key in own if key in fields}
    external = External.model_validate(
        {"host": host, "port": port, "scheme": Scheme.HTTP, "path": "/v1", **parts}
    )
    return Upstream.model_validate({"name": name, "model": MODEL, "external": external, **fields})


def a_table(upstreams: Sequence[Upstream] = (), **fields: object) -> RoutingTable:
    """Return a table with these upstreams and their models, that lets external ones be here."""
    values: dict[str, object] = {
        "cluster": "demo",
        "namespace": "tests",
        "models": tuple(sorted({MODEL, *(upstream.model for upstream in upstreams)})),
        "security": Security(
            client_keys=(key_digest(CLIENT_KEY),), internal_tokens=(INTERNAL_TOKEN,)
        ),
        "endpoint_safety": EndpointSafety(allowed_addresses=("127.0.0.0/8", "::1/128")),
        "upstreams": tuple(upstreams),
        **fields,
    }
    return RoutingTable.model_validate(values)


def a_document(
    upstreams: Sequence[Upstream] = (), *, version: int = 1, **fields: object
) -> RoutingDocument:
    """Return a sealed table."""
    return seal(a_table(upstreams, **fields), version)
