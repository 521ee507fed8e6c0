"""Runs one ASGI application until SIGTERM, then lets requests in flight finish.

Exists so that all processes start, stop and refuse bad settings alike. It never knows a route.
"""

import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from autoglm_api import logs
from autoglm_api.settings import SettingsError, read
from autoglm_dataplane.serving.settings import ProcessSettings

logger = logging.getLogger(__name__)

USAGE = 2
"""Exit code of a process whose settings cannot be used, as argparse's."""
FAILED = 1

S = TypeVar("S", bound=ProcessSettings)


def run(kind: type[S], build: Callable[[S], uvicorn.Server]) -> int:
    """Read the settings, build the server, serve until told to stop; returns the exit code."""
    try:
        settings = read(kind)
        logs.configure(settings.log_level)
        server = build(settings)
    except SettingsError as error:
        sys.stderr.write(f"autoglm: {error}\n")
        return USAGE
    # uvicorn repeats the signal that ended it, for the handler of whoever started it: that is us,
    # and an orderly end is exit code 0.
    for orderly in (signal.SIGTERM, signal.SIGINT):
        signal.signal(orderly, _already_heeded)
    logger.info("serving", extra={"port": settings.port, "pod": settings.pod_name})
    try:
        server.run()
    except SystemExit:  # uvicorn's answer to an address in use, logged by it
        return FAILED
    logger.info("stopped")
    return 0 if server.started else FAILED


def _already_heeded(_number: int, _frame: object) -> None:
    """Stands for the handler that ends the process at once."""


def server_of(
    app: ASGIApp,
    settings: ProcessSettings,
    *,
    protocol: type[H11Protocol] = H11Protocol,
    certificate: Path | None = None,
    private_key: Path | None = None,
) -> uvicorn.Server:
    """A server with our choices: own log lines, no banner headers, bounded shutdown."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=protocol,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_certfile=certificate,
            ssl_keyfile=private_key,
            timeout_graceful_shutdown=int(settings.shutdown_grace.total_seconds()),
        )
    )
