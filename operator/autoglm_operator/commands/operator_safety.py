"""Which addresses the operator never lets an endpoint have: what it was told, and the API server.

Only gathers; the rule itself is in `autoglm_api.endpointsafety`.
"""

from __future__ import annotations

import logging
import os
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autoglm_api import kinds
from autoglm_operator.clients import errors
from autoglm_operator.clients.lowlevel import server_of
from autoglm_operator.decisions import addresses

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.clients.lowlevel import Api
    from autoglm_operator.commands.operator_settings import OperatorSettings

log = logging.getLogger(__name__)


async def safety_of(settings: OperatorSettings, api: Api, kube: KubeClient) -> addresses.Safety:
    """The administrator's rules, plus the API server's own addresses."""
    hosts = await _api_server(api, kube)
    literals = [addresses.literal(host) for host in sorted(hosts)]
    found = [ip_network(each) for each in literals if each is not None and not each.is_loopback]
    return addresses.Safety(
        denied=(*settings.denied_cidrs, *found),
        allowed=settings.allowed_addresses,
        allowed_namespaces=settings.allowed_namespaces,
    )


async def _api_server(api: Api, kube: KubeClient) -> set[str]:
    """Every host under which the API server is known here."""
    hosts = {str(urlsplit(server_of(api)).hostname)}
    hosts.add(os.environ.get("KUBERNETES_SERVICE_HOST", ""))
    try:
        # Source: the API server keeps its own addresses in this object.
        own = await kube.get(kinds.ENDPOINT_SLICE, "default", "kubernetes")
        for each in (own or {}).get("endpoints") or ():
            hosts.update(each.get("addresses") or ())
    except errors.ApiError as error:
        log.warning("addresses of the API server not read", extra={"error": str(error)})
    return hosts
