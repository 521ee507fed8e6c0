"""The plain HTTP server of every process: `/healthz`, `/readyz`, `/metrics`.

Each check answers None when all is well, or the sentence that says what is not. Never serves
anything that needs a caller's identity.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Callable, Generator

    from starlette.requests import Request

    Check = Callable[[], str | None]


class _EmbeddedServer(uvicorn.Server):
    """A server that leaves signals to the process it lives in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def probe_app(*, healthy: Check, ready: Check, metrics: Callable[[], bytes]) -> Starlette:
    """The three routes over the given checks."""

    async def healthz(_: Request) -> Response:
        return _verdict(healthy())

    async def readyz(_: Request) -> Response:
        return _verdict(ready())

    async def exposition(_: Request) -> Response:
        return Response(metrics(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", exposition),
        ]
    )


@contextlib.asynccontextmanager
async def serving(
    app: Starlette,
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    protocol: type[asyncio.Protocol] | None = None,
) -> AsyncGenerator[int]:
    """Serve an application until the block ends, by TLS and a protocol if given; yields the port.

    Raises:
        OSError: The port cannot be opened.
    """
    config = uvicorn.Config(
        app,
        host=host or None,  # type: ignore[arg-type]  # asyncio: None means every address
        port=port,
        http=protocol or "auto",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        ssl_context_factory=None if tls is None else _given(tls),
    )
    server = _EmbeddedServer(config)
    task = asyncio.create_task(_serve(server))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.01)
    if task.done():
        await task
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


def _given(
    tls: ssl.SSLContext,
) -> Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    """A factory that returns the context of its caller, who may renew its certificate."""

    def factory(_: uvicorn.Config, __: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        return tls

    return factory


async def _serve(server: uvicorn.Server) -> None:
    try:
        await server.serve()
    except SystemExit as error:  # how uvicorn says that it cannot open the port
        raise OSError(f"Port {server.config.port} cannot be opened.") from error


def _verdict(problem: str | None) -> Response:
    if problem is None:
        return PlainTextResponse("ok\n")
    return PlainTextResponse(problem + "\n", status_code=503)
