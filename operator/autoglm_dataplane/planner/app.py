"""The planner's application: its API, its probes, and its loops for as long as they are served.

It only wires.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from autoglm_dataplane.planner import refusals
from autoglm_dataplane.planner.api import Api
from autoglm_dataplane.planner.duties import Planner
from autoglm_dataplane.planner.running import Store
from autoglm_dataplane.serving.background import Background
from autoglm_dataplane.serving.probes import probe_routes


def build(
    api: Api,
    planner: Planner,
    store: Store,
    registry: CollectorRegistry,
    close: Callable[[], Awaitable[None]],
) -> Starlette:
    """The application; `close` is called when everything has ended."""

    async def readiness() -> str | None:
        return None if store.outages.up else "The task store does not answer."

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        background = Background()
        background.start(
            *(store.feed.listen, planner.take, planner.refresh, planner.adopt, planner.reap)
        )
        yield
        await planner.drain(api.settings.shutdown_grace)
        await background.stop()
        await close()

    return Starlette(
        routes=[*api.routes(), *probe_routes(registry, readiness)],
        exception_handlers=dict(refusals.HANDLERS),
        lifespan=lifespan,
    )
