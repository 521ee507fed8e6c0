"""`autoglm router-agent`: starts the agent beside HAProxy.

It only wires; rendering, changes and versions live in their own modules.
"""

import asyncio
import contextlib
import logging
import ssl
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette

from autoglm_api.settings import SettingsError
from autoglm_dataplane.router_agent import app
from autoglm_dataplane.router_agent.agent import Agent, Intervals
from autoglm_dataplane.router_agent.applier import Applier
from autoglm_dataplane.router_agent.haproxy import HAProxy
from autoglm_dataplane.router_agent.measures import Measures
from autoglm_dataplane.router_agent.pins import Pins, system_resolve
from autoglm_dataplane.router_agent.settings import RouterAgentSettings
from autoglm_dataplane.router_agent.store import Store
from autoglm_dataplane.serving import server
from autoglm_dataplane.serving.probes import new_registry

logger = logging.getLogger(__name__)

CERTIFICATE_SECONDS: Final = 5.0
"""Between two looks at the certificate's files. Arbitrary: the kubelet takes up to a minute."""


def build(settings: RouterAgentSettings) -> uvicorn.Server:
    """A server with its agent; HAProxy's first file is written when this returns.

    Raises:
        SettingsError: the certificate cannot be read.
    """
    where = settings.layout()
    store = Store(settings.state_dir, settings.secret_dir)
    registry = new_registry()
    haproxy = HAProxy(where.master_socket)
    agent = Agent(
        haproxy,
        Applier(haproxy, where, settings.reload_interval.total_seconds()),
        store,
        Pins(system_resolve, store.pins()),
        where,
        Measures(registry),
    )
    agent.prepare()
    certificate, key = store.certificate()
    _readable(certificate, key)
    intervals = Intervals(
        settings.poll_interval.total_seconds(), settings.resolve_interval.total_seconds()
    )
    application = app.build(agent, store, registry, intervals)
    built = server.server_of(application, settings, certificate=certificate, private_key=key)
    _renew_certificate(application, built.config, certificate, key)
    return built


def main() -> int:
    """Run until SIGTERM; returns the exit code."""
    return server.run(RouterAgentSettings, build)


def _readable(certificate: Path, key: Path) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"AUTOGLM_SECRET_DIR has no usable tls.crt and tls.key: {error}."
        ) from error


def _renew_certificate(
    application: Starlette, config: uvicorn.Config, certificate: Path, key: Path
) -> None:
    """Serve a renewed certificate to the next connection, without a restart."""
    inner = application.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(started: Starlette) -> AsyncGenerator[None]:
        task = asyncio.create_task(_follow(config, certificate, key))
        async with inner(started):
            yield
        task.cancel()

    application.router.lifespan_context = lifespan


async def _follow(config: uvicorn.Config, certificate: Path, key: Path) -> None:
    loaded = _content(certificate, key)
    while True:
        await asyncio.sleep(CERTIFICATE_SECONDS)
        found = _content(certificate, key)
        if found == loaded or config.ssl is None:
            continue
        try:
            config.ssl.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            logger.warning("certificate not usable yet", extra={"reason": str(error)})
            continue
        loaded = found
        logger.info("certificate renewed")


def _content(*paths: Path) -> tuple[bytes, ...]:
    return tuple(path.read_bytes() if path.exists() else b"" for path in paths)


if __name__ == "__main__":
    sys.exit(main())
