"""Asks a model endpoint whether it works, the way the routers would.

Names are resolved here, every address is judged, and the connection goes to the judged address, so
that a name server cannot answer differently a moment later. Redirects are not followed; nothing of
a reply but the names of models is ever passed on, and those only in the form that names have.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, cast

import httpx

from autoglm_api.conditions import Reason
from autoglm_api.modelendpoint import HealthCheckMode

if TYPE_CHECKING:
    from collections.abc import Callable

Address = IPv4Address | IPv6Address
DEFAULT_PORTS = {"http": 80, "https": 443}
OK = 200
NOT_FOUND = 404
# A list of models is a few kB; whatever is longer is none.
REPLY_LIMIT = 1 << 20
REFUSALS = frozenset({401, 403})
# Source: the bounds of status.discoveredModels.
MODELS_SHOWN = 32
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._:/@+]{0,127}")


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What one probe found.

    Attributes:
        ok: Whether the endpoint would have served.
        reason: Why.
        message: One sentence, always the same for the same fault, without anything of a reply.
        models: Models that the endpoint listed, the first few by name.
    """

    ok: bool
    reason: Reason
    message: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What to ask, and where.

    Attributes:
        scheme: http or https.
        host: Name or address, in lower case.
        port: Port.
        path: Path of the base URL, without its last slash.
        model: The model that must be served.
        mode: List of models, or a completion of one token.
        timeout: Limit of the whole probe in seconds, resolving included.
        trusted: The address is one that the API server told us of, a pod's: it is not judged.
        api_key: Sent as bearer token.
        ca: PEM certificates to trust instead of the system's.
        server_name: DNS name that the certificate must have, if it is not the host.
    """

    scheme: str
    host: str
    port: int
    path: str
    model: str
    mode: HealthCheckMode
    timeout: float
    trusted: bool = False
    api_key: str | None = None
    ca: str | None = None
    server_name: str | None = None

    def __repr__(self) -> str:
        return f"ProbeRequest({self.scheme}://{self.host}:{self.port}{self.path})"


class EndpointProber:
    """Probes endpoints.

    Args:
        judge: Says why an address must not be connected to; None if it may.
    """

    def __init__(self, judge: Callable[[Address], str | None]) -> None:
        self._judge = judge

    async def probe(self, request: ProbeRequest) -> ProbeOutcome:
        """Probe once; every failure is an outcome, never an exception."""
        try:
            async with asyncio.timeout(request.timeout):
                return await self._probe(request)
        except TimeoutError:
            return _bad(Reason.UNREACHABLE, "The endpoint did not answer within its time limit.")

    async def _probe(self, request: ProbeRequest) -> ProbeOutcome:
        found = await self._address(request)
        if isinstance(found, ProbeOutcome):
            return found
        try:
            context = _trust(request)
        except (ssl.SSLError, ValueError):
            return _bad(Reason.PROBE_FAILED, "The CA certificates cannot be read: check tls.")
        try:
            async with httpx.AsyncClient(
                verify=context,
                trust_env=False,
                follow_redirects=False,
                timeout=request.timeout,
            ) as client:
                return await _ask(client, request, found)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            return _bad(Reason.UNREACHABLE, _explained(error))

    async def _address(self, request: ProbeRequest) -> Address | ProbeOutcome:
        try:
            candidates = await resolve(request.host, request.port)
        except (OSError, UnicodeError):
            candidates = []
        if not candidates:
            return _bad(Reason.NAME_NOT_RESOLVED, "The host of baseURL has no address in DNS.")
        problem: str | None = None
        for candidate in candidates:
            found = None if request.trusted else self._judge(candidate)
            if found is None:
                return candidate
            problem = problem or found
        return _bad(Reason.ADDRESS_REFUSED, problem or "")


async def resolve(host: str, port: int) -> list[Address]:
    """Every address of a host, in the resolver's order.

    Raises:
        OSError: the name cannot be resolved.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


def _trust(request: ProbeRequest) -> ssl.SSLContext:
    if request.ca is None:
        return ssl.create_default_context()
    return ssl.create_default_context(cadata=request.ca)


async def _ask(client: httpx.AsyncClient, request: ProbeRequest, address: Address) -> ProbeOutcome:
    host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
    default = DEFAULT_PORTS[request.scheme] == request.port
    headers = {"Host": request.host if default else f"{request.host}:{request.port}"}
    if request.api_key is not None:
        headers["Authorization"] = f"Bearer {request.api_key}"
    base = f"{request.scheme}://{host}:{request.port}{request.path}"
    completion = request.mode is HealthCheckMode.COMPLETION
    outgoing = client.build_request(
        "POST" if completion else "GET",
        base + ("/chat/completions" if completion else "/models"),
        json=_one_token(request.model) if completion else None,
        headers=headers,
        extensions={"sni_hostname": request.server_name or request.host},
    )
    response = await client.send(outgoing, stream=True)
    try:
        return await _judged(response, request)
    finally:
        await response.aclose()


async def _judged(response: httpx.Response, request: ProbeRequest) -> ProbeOutcome:
    refused = _refused(response.status_code, request)
    if refused is not None:
        return refused
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > REPLY_LIMIT:
            return _bad(Reason.UNEXPECTED_ANSWER, "The endpoint's answer is too long.")
    listed = _listed(bytes(body), request.mode)
    if listed is None:
        return _bad(
            Reason.UNEXPECTED_ANSWER, "The endpoint does not answer as the OpenAI API does."
        )
    if request.mode is HealthCheckMode.MODELS and request.model not in listed:
        return _not_served(request)
    return ProbeOutcome(
        ok=True,
        reason=Reason.PROBE_SUCCEEDED,
        message="The endpoint serves its model.",
        models=tuple(sorted(name for name in listed if _NAME.fullmatch(name))[:MODELS_SHOWN]),
    )


def _refused(code: int, request: ProbeRequest) -> ProbeOutcome | None:
    if code == OK:
        return None
    if code in REFUSALS:
        return _bad(
            Reason.AUTHENTICATION_FAILED,
            f"The endpoint answered {code}: check the key in apiKeySecretRef.",
        )
    if code == NOT_FOUND and request.mode is HealthCheckMode.COMPLETION:
        return _not_served(request)
    return _bad(Reason.UNEXPECTED_ANSWER, f"The endpoint answered {code} instead of 200.")


def _listed(body: bytes, mode: HealthCheckMode) -> frozenset[str] | None:
    """Names of the models in a list, nothing for a completion; None if the reply is neither."""
    try:
        answer = cast("dict[str, Any]", json.loads(body))
        if mode is HealthCheckMode.COMPLETION:
            return frozenset() if "message" in answer["choices"][0] else None
        return frozenset(str(each["id"]) for each in answer["data"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _one_token(model: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": "ping"}]
    return {"model": model, "messages": messages, "max_tokens": 1}


def _explained(error: Exception) -> str:
    if isinstance(error, httpx.ConnectError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "The endpoint's certificate is not trusted: check tls.caSecretRef and the host name."
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return "No connection to the endpoint can be made."
    return "The endpoint broke off or did not speak HTTP."


def _not_served(request: ProbeRequest) -> ProbeOutcome:
    return _bad(
        Reason.MODEL_NOT_SERVED,
        f"The endpoint does not serve model {request.model}: check spec.model.",
    )


def _bad(reason: Reason, message: str) -> ProbeOutcome:
    return ProbeOutcome(ok=False, reason=reason, message=message)
