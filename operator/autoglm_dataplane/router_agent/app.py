"""The push API of the agent: documents in, acknowledgement and state of servers out.

Everything but probes and metrics wants the push token. Answers never hold a part of a document, for
it has keys.
"""

import asyncio
import contextlib
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from autoglm_api.routing import MAX_DOCUMENT_BYTES, RoutingDocumentError, decode
from autoglm_dataplane.router_agent.agent import Agent, Intervals, StaleDocumentError
from autoglm_dataplane.router_agent.haproxy import HAProxyRefusedError, HAProxyUnreachableError
from autoglm_dataplane.router_agent.store import Store
from autoglm_dataplane.serving.probes import probe_routes

Handler = Callable[[Request], Awaitable[Response]]
_BEARER: Final = "Bearer "


def build(
    agent: Agent, store: Store, registry: CollectorRegistry, intervals: Intervals
) -> Starlette:
    """The application; while it lives it watches HAProxy."""

    @contextlib.asynccontextmanager
    async def watched(_: Starlette) -> AsyncGenerator[None]:
        watching = asyncio.create_task(agent.watch(intervals))
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def ready() -> str | None:
        return None if agent.current is not None else "no routing document is in force yet"

    async def push(request: Request) -> Response:
        return await _push(agent, request)

    async def acknowledged(_: Request) -> Response:
        return JSONResponse(await _acknowledgement(agent))

    async def servers(_: Request) -> Response:
        return await _servers(agent)

    routes = [
        Route("/v1/routing", _guarded(store, push), methods=["PUT"]),
        Route("/v1/routing", _guarded(store, acknowledged), methods=["GET"]),
        Route("/v1/servers", _guarded(store, servers), methods=["GET"]),
        *probe_routes(registry, ready),
    ]
    return Starlette(routes=routes, lifespan=watched)


def _guarded(store: Store, handler: Handler) -> Handler:
    async def guarded(request: Request) -> Response:
        shown = request.headers.get("authorization", "")
        token = shown.removeprefix(_BEARER).encode() if shown.startswith(_BEARER) else b""
        # Every token is compared, so that the time does not tell which one was nearly right.
        matches = [hmac.compare_digest(token, known) for known in store.push_tokens()]
        if not any(matches):
            return _error(401, "Send the push token as Authorization: Bearer <token>.")
        return await handler(request)

    return guarded


async def _push(agent: Agent, request: Request) -> Response:
    try:
        document = decode(await _body(request))
        await agent.offer(document)
    except RoutingDocumentError as error:
        return _error(422, str(error))
    except ClientDisconnect:
        return _error(400, "The document did not arrive as a whole.")
    except StaleDocumentError:
        return JSONResponse(await _acknowledgement(agent), status_code=409)
    except HAProxyRefusedError as error:
        return _error(422, f"HAProxy refused the document: {error}")
    except HAProxyUnreachableError:
        return _error(503, "HAProxy does not answer yet: push again.")
    return JSONResponse(await _acknowledgement(agent))


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_DOCUMENT_BYTES:
            raise RoutingDocumentError(f"the document has more than {MAX_DOCUMENT_BYTES} bytes")
    return body


async def _servers(agent: Agent) -> Response:
    try:
        observed = await agent.servers()
    except HAProxyUnreachableError:
        return _error(503, "HAProxy does not answer yet: ask again.")
    listed = [
        {
            "backend": backend,
            "server": name,
            "address": server.address,
            "port": server.port,
            "weight": server.weight,
            "state": server.state,
        }
        for backend, servers in sorted(observed.items())
        for name, server in sorted(servers.items())
    ]
    return JSONResponse({"servers": listed, "unresolved": dict(agent.unresolved())})


async def _acknowledgement(agent: Agent) -> dict[str, object]:
    opened = await agent.open_circuits()
    current, rejection = agent.current, agent.rejection
    found: dict[str, object] = {
        "version": current.version if current else 0,
        "hash": current.hash if current else "",
    }
    if opened is not None:
        found["open_circuits"] = opened
    if rejection is not None:
        found["rejected"] = {
            "version": rejection.version,
            "hash": rejection.hash,
            "reason": rejection.reason,
        }
    return found


def _error(status: int, reason: str) -> Response:
    return JSONResponse({"reason": reason}, status_code=status)
