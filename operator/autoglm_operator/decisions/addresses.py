"""Which URLs and addresses an endpoint may have: the operator's half of endpoint safety.

Whoever may create a ModelEndpoint makes our processes connect somewhere; this decides where never.
Which addresses are refused is `autoglm_api.endpointsafety`, the same rule that the router agent
follows; here are the URLs, names and namespaces around it. Resolving names happens elsewhere; every
address that comes out of it is judged here.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from autoglm_api.endpointsafety import Address, Network, Refusal, refusal

DEFAULT_PORTS = {"http": 80, "https": 443}
SERVICE_SUFFIXES = (".svc", ".svc.cluster.local")
API_SERVER_NAMES = frozenset({"kubernetes", "kubernetes.default"})


class UrlRefusedError(ValueError):
    """A base URL may not be used; the message is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Safety:
    """What the administrator refuses and allows besides the built-in rules.

    Attributes:
        denied: Networks that no endpoint may be in.
        allowed: Networks that are allowed whatever else is said.
        allowed_namespaces: Namespaces whose Services endpoints of other namespaces may name.
    """

    denied: tuple[Network, ...] = ()
    allowed: tuple[Network, ...] = ()
    allowed_namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a base URL leads, taken apart."""

    scheme: str
    host: str
    port: int
    path: str


def parse(url: str) -> Target:
    """Take a base URL apart.

    Raises:
        UrlRefusedError: It is not one that we can use.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlRefusedError(
            "baseURL cannot be read: write scheme://host[:port][/path]."
        ) from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise UrlRefusedError("baseURL must start with http:// or https:// and name a host.")
    if parts.username is not None or parts.password is not None:
        raise UrlRefusedError(
            "baseURL must not hold credentials: put the key into a Secret and name it in"
            " apiKeySecretRef."
        )
    if parts.query or parts.fragment:
        raise UrlRefusedError("baseURL must end before '?' and '#'.")
    return Target(
        scheme=parts.scheme,
        host=parts.hostname.lower(),
        port=port or DEFAULT_PORTS[parts.scheme],
        path=parts.path.rstrip("/"),
    )


def name_problem(host: str, namespace: str, safety: Safety) -> str | None:
    """Why a host name may not be used from a namespace; None if it may."""
    if host == "localhost" or host.endswith(".localhost"):
        return "baseURL names this machine itself: name the host that serves the model."
    service = _service(host)
    if service is None:
        return None
    if service in API_SERVER_NAMES:
        return "baseURL names the API server: name the host that serves the model."
    _, _, other = service.rpartition(".")
    if "." in service and other not in {namespace, *safety.allowed_namespaces}:
        return (
            f"baseURL names a Service of namespace {other}: use one of this namespace, or let an"
            " administrator allow that namespace in the chart's endpointSafety."
        )
    return None


def address_problem(address: Address, safety: Safety) -> str | None:
    """Why an address may not be connected to; None if it may."""
    found = refusal(address, denied=safety.denied, allowed=safety.allowed)
    if found is None:
        return None
    if found is Refusal.DENIED:
        return "baseURL leads to an address that the administrator refuses."
    return f"baseURL leads to {found}, which is refused."


def literal(host: str) -> Address | None:
    """The address that a host is written as; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _service(host: str) -> str | None:
    """`name.namespace` (or less) of a cluster DNS name; None for any other name.

    A name without a dot is a Service of the pod's own namespace, which is not the endpoint's; one
    with a single dot may be `name.namespace` by the search list.
    """
    host = host.rstrip(".")
    for suffix in SERVICE_SUFFIXES:
        if host.endswith(suffix):
            labels = host.removesuffix(suffix).split(".")
            return ".".join(labels[-2:])
    return host if host in API_SERVER_NAMES else None
