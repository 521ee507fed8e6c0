"""What an external endpoint is in a routing document, or the sentence that says why it is nothing.

The document's allow-lists are narrower than what a URL may be. Whoever wrote the URL is told so at
the endpoint; no cluster's table ever fails because of it. Never judges where a URL leads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from autoglm_api import routing, routingvalues
from autoglm_operator.decisions import addresses
from autoglm_operator.decisions.references import Credentials

if TYPE_CHECKING:
    from autoglm_api.modelendpoint import ExternalEndpoint

_ADVICE: Final = {
    "host": "baseURL must name a host or an IPv4 address: letters, digits, '-' and single dots,"
    " at most 63 characters between two dots.",
    "path": "baseURL may have a path of letters, digits and ._~:@+=,- between single slashes, no"
    " '%' and at most 512 characters.",
}
"""By the field of the document that refuses."""
_HTTPS_ADVICE: Final = (
    "baseURL with https needs a host name, or tls.serverName a name, because the certificate is"
    " checked against it."
)


def external_of(external: ExternalEndpoint, credentials: Credentials) -> routing.External:
    """The endpoint in the words of the routing document.

    Raises:
        ValueError: No document takes it.
    """
    target = addresses.parse(external.base_url)
    return routing.External(
        scheme=routing.Scheme(target.scheme),
        host=target.host,
        server_name=None if external.tls is None else external.tls.server_name,
        port=target.port,
        path=target.path,
        api_key=credentials.api_key,
        ca=None if credentials.ca is None else routingvalues.certificates_in(credentials.ca),
    )


def url_problem(external: ExternalEndpoint) -> str | None:
    """What to write into the spec instead; None if a document takes it."""
    try:
        found = external_of(external, Credentials())
    except addresses.UrlRefusedError as error:
        return str(error)
    except ValidationError as error:
        place = error.errors()[0]["loc"]
        return _ADVICE[str(place[0])] if place else _HTTPS_ADVICE
    if external.tls is not None and found.scheme is routing.Scheme.HTTP:
        return "tls needs a baseURL that starts with https://."
    return None
