"""Names of backends, hops and servers. Pure.

They are the same in every router and after every change, so that metrics, logs and the runtime API
speak of the same thing. All are made of characters that HAProxy allows in names.
"""

import hashlib
import re
from ipaddress import ip_address
from typing import Final

PLANNER: Final = "planner"
UNAVAILABLE: Final = "unavailable"
LANE: Final = "lane"
LANE_SERVER: Final = "_lane"
FIRST_SERVER: Final = "_first"
REST_SERVER: Final = "_rest"
"""No upstream's name begins so; such servers are no endpoints but ways to them."""
LANE_SOCKET: Final = "lane.sock"
CLIENTS: Final = "clients"
INTERNAL: Final = "internal"
_LANE_FRONTEND: Final = "lane."
_FALLBACK: Final = "fall."
_TOWARDS_UPSTREAMS: Final = ("tier.", "u.")
_WITH_CIRCUITS: Final = (*_TOWARDS_UPSTREAMS, "out.")
_PLACEHOLDER: Final = ".tls"
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9-]+")


def tier(model: str, priority: int) -> str:
    """Backend of one tier of a model; the digest keeps apart names that read alike."""
    readable = _FOREIGN.sub("_", model)[:40]
    digest = hashlib.sha256(model.encode()).hexdigest()[:8]
    return f"tier.{priority}.{readable}.{digest}"


def direct(upstream: str) -> str:
    """Backend of `/u/<upstream>/`."""
    return f"u.{upstream}"


def hop(upstream: str) -> str:
    """Frontend in which a request gets the identity of an external endpoint."""
    return f"hop.{upstream}"


def hop_socket(upstream: str) -> str:
    """File name of the hop's socket."""
    return f"hop-{upstream}.sock"


def outside(upstream: str) -> str:
    """Backend behind the hop, with the endpoint's addresses."""
    return f"out.{upstream}"


def lane_frontend(listener: str) -> str:
    """Frontend at which a request comes back from the lane, by the listener that it came in at."""
    return f"{_LANE_FRONTEND}{listener}"


def is_entrance(frontend: str) -> bool:
    """Whether requests set out for a model there: at a port, or where they leave the lane."""
    return frontend.removeprefix(_LANE_FRONTEND) in {CLIENTS, INTERNAL}


def lane_socket(listener: str) -> str:
    """File name of that frontend's socket."""
    return f"lane-{listener}.sock"


def fallback(tier: str) -> str:
    """Backend that leads to a tier and, if that fails, to a lower one."""
    return f"{_FALLBACK}{tier}"


def is_fallback(proxy: str) -> bool:
    """Whether it is such a backend, or a frontend behind one."""
    return proxy.startswith(_FALLBACK)


def fallback_socket(tier: str, server: str) -> str:
    """File name of the socket behind one of its servers."""
    digest = hashlib.sha256(tier.encode()).hexdigest()[:16]
    return f"fall-{digest}{server}.sock"


def lower_map(depth: int) -> str:
    """Map from a tier's backend to that of the next lower tier, or of one below."""
    return f"lower-{depth}.map"


def rename(upstream: str) -> str:
    """Backend on whose way the lane writes the endpoint's own name of the model."""
    return f"rename.{upstream}"


def renamed(upstream: str) -> str:
    """Frontend at which such a request comes back."""
    return f"renamed.{upstream}"


def renamed_socket(upstream: str) -> str:
    """File name of that frontend's socket."""
    return f"renamed-{upstream}.sock"


def pod_server(owner: str, uid: str) -> str:
    """Server of one pod; what stands before the dot is the upstream's name."""
    return f"{owner}.{uid}"


def address_server(upstream: str, address: str) -> str:
    """Server of one address of an external endpoint."""
    return f"{upstream}.{ip_address(address).packed.hex()}"


def placeholder(upstream: str) -> str:
    """Server that is always off; other servers' names end in at least 8 characters."""
    return f"{upstream}{_PLACEHOLDER}"


def has_circuits(backend: str) -> bool:
    """Whether servers of a backend are judged by traffic and named after upstreams."""
    return backend.startswith(_WITH_CIRCUITS)


def leads_to_upstreams(backend: str) -> bool:
    """Whether requests are shared there, among servers that are named after upstreams."""
    return backend.startswith(_TOWARDS_UPSTREAMS)


def upstream_of(server: str) -> str:
    """The upstream that a server is named after."""
    return server.partition(".")[0]


def is_placeholder(server: str) -> bool:
    """Whether a server is one of those."""
    return server.endswith(_PLACEHOLDER)


def model_map(rank: int) -> str:
    """Map from model to the backend of its tier of this rank, 0 being the preferred one."""
    return f"models-{rank}.map"


def server_id(server: str) -> int:
    """HAProxy's number of a server, 1..2^31-1: it decides its places on a hash's ring.

    Made of the name, so that every router and every worker has the same ring.
    """
    digest = hashlib.sha256(server.encode()).digest()
    return int.from_bytes(digest[:4]) % (2**31 - 1) + 1


def cookie_value(server: str) -> str:
    """What a client's cookie says about its server; nobody can read an address from it."""
    return hashlib.sha256(server.encode()).hexdigest()[:16]
