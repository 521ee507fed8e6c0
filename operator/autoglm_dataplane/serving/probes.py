"""`/healthz`, `/readyz` and `/metrics`, the same in every process.

Healthy means that the event loop answers; ready is asked of the process itself, with the reason
when it is not. This module never decides either.
"""

from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

Readiness = Callable[[], Awaitable[str | None]]
"""None when the process can serve, else one sentence that says why not."""


def new_registry() -> CollectorRegistry:
    """A registry with the usual process metrics; one per process, so that tests share nothing."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


async def always_ready() -> str | None:
    """Readiness of a process that needs nothing else."""
    return None


def probe_routes(registry: CollectorRegistry, readiness: Readiness) -> list[Route]:
    """The three routes."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        why_not = await readiness()
        if why_not is None:
            return PlainTextResponse("ok\n")
        return PlainTextResponse(f"{why_not}\n", status_code=503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
    ]
