"""What a cluster and its endpoints say about sharing and limits, in the words of the document.

Limits are those of all routers together; the document's are those of one. Never looks at what is
up: a router that is down must not let the others through more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autoglm_api import routing, routingpolicies
from autoglm_operator.decisions import quantities

if TYPE_CHECKING:
    from autoglm_api.modelendpoint import EndpointLimits
    from autoglm_api.routerrole import RouterRole
    from autoglm_api.routingsecurity import ListenerCertificate


def sharing(router: RouterRole) -> routingpolicies.Sharing:
    """How the requests of a tier are shared."""
    return routingpolicies.Sharing(
        strategy=router.strategy,
        hash_header=None if router.hash_header is None else router.hash_header.lower(),
        hash_load_percent=router.hash_load_percent,
        cookie=router.sticky_cookie,
    )


def listener(
    router: RouterRole, certificate: ListenerCertificate | None = None
) -> routing.Listener:
    """What clients may send, and what is kept of it."""
    return routing.Listener(
        max_body_bytes=math.ceil(quantities.amount(router.max_body_size)),
        access_log=router.access_log,
        certificate=certificate,
    )


def limits(endpoint: EndpointLimits, router: RouterRole) -> routingpolicies.Limits:
    """One router's part of what an endpoint may be asked."""
    return routingpolicies.Limits(
        max_concurrency=_part(endpoint.max_concurrency, router.replicas),
        requests_per_minute=_part(endpoint.requests_per_minute, router.replicas),
    )


def _part(limit: int | None, routers: int) -> int | None:
    return None if limit is None else math.ceil(limit / routers)
