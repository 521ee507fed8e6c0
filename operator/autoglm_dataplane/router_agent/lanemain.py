"""`autoglm router-lane`: starts the lane beside HAProxy. It only wires.

It has no port and no probe of its own: HAProxy, its only client, answers for it while it is away.
"""

import asyncio
import logging
import signal
import sys
from pathlib import Path

from autoglm_api import logs
from autoglm_api.settings import Settings, SettingsError, read
from autoglm_dataplane.router_agent.lane import Lane
from autoglm_dataplane.serving.server import USAGE

logger = logging.getLogger(__name__)


class LaneSettings(Settings):
    """One lane beside one HAProxy."""

    run_dir: Path = Path("/run/router")
    """Shared with HAProxy: the sockets on both sides."""
    spool_dir: Path = Path("/var/spool/router")
    """Where large bodies lie until their model is known, in files without a name."""
    spool_mebibytes: int = 2048
    """So much may lie there; more requests are told to come back. Default: 100 bodies of 20 MiB."""


def main() -> int:
    """Run until SIGTERM; returns the exit code."""
    try:
        settings = read(LaneSettings)
    except SettingsError as error:
        sys.stderr.write(f"autoglm: {error}\n")
        return USAGE
    logs.configure(settings.log_level)
    asyncio.run(_serve(settings))
    return 0


async def _serve(settings: LaneSettings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    spool_bytes = settings.spool_mebibytes * 1024 * 1024
    async with Lane(settings.run_dir, settings.spool_dir, spool_bytes).serving():
        logger.info("serving", extra={"pod": settings.pod_name})
        # As a native sidecar it is told to end when HAProxy is gone, and with it every request.
        await stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
