"""The probes of an executor, and its loops for as long as they are served.

It never takes requests: work comes from the queue.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from autoglm_dataplane.executor.service import Executor
from autoglm_dataplane.executor.settings import ExecutorSettings
from autoglm_dataplane.serving.background import Background
from autoglm_dataplane.serving.probes import probe_routes


def build(
    executor: Executor,
    settings: ExecutorSettings,
    registry: CollectorRegistry,
    close: Callable[[], Awaitable[None]],
) -> Starlette:
    """The application; `close` is called when everything has ended."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        background = Background()
        background.start(executor.beat, executor.refresh, executor.take)
        yield
        await executor.drain(settings.shutdown_grace)
        await background.stop()
        await close()

    return Starlette(routes=probe_routes(registry, executor.why_not_ready), lifespan=lifespan)
