"""Brings one rendered table into force and proves it by asking HAProxy again.

Files are written first, so that a HAProxy that restarts meanwhile comes up with the new table; if
HAProxy refuses them, the old ones are put back. Which document to apply is not decided here.
"""

import asyncio
import logging
from enum import StrEnum
from typing import Final

from autoglm_dataplane.router_agent import changes, files
from autoglm_dataplane.router_agent.changes import Live, Reload
from autoglm_dataplane.router_agent.haproxy import HAProxy, HAProxyRefusedError
from autoglm_dataplane.router_agent.layout import Layout
from autoglm_dataplane.router_agent.observed import Observed
from autoglm_dataplane.router_agent.rendered import Rendered

logger = logging.getLogger(__name__)

ROUNDS: Final = 4
"""One to act, one to see that nothing is left; more for a HAProxy that restarted meanwhile."""


class How(StrEnum):
    """How a table came into force."""

    NOTHING = "Nothing"
    LIVE = "Live"
    RELOAD = "Reload"


class Applier:
    """The writer of one HAProxy. Not to be used by two tasks at once."""

    def __init__(self, haproxy: HAProxy, where: Layout, reload_seconds: float) -> None:
        self._haproxy = haproxy
        self._where = where
        self._pause = reload_seconds
        self._next_reload = 0.0

    async def apply(self, wanted: Rendered) -> How:
        """Bring a table into force.

        Raises:
            HAProxyRefusedError: HAProxy goes on with what it had, and so do the files.
            HAProxyUnreachableError: nothing answers; the files may be the new ones.
        """
        before = files.snapshot(wanted, self._where)
        files.write_all(wanted, self._where)
        try:
            how = await self._converge(wanted)
        except HAProxyRefusedError:
            files.restore(before)
            raise
        files.remove_unused(wanted, self._where)
        return how

    async def _converge(self, wanted: Rendered) -> How:
        how = How.NOTHING
        for _ in range(ROUNDS):
            observed = await self._haproxy.observe(wanted)
            match changes.plan(observed, wanted):
                case Reload():
                    await self._reload(wanted, observed)
                    how = How.RELOAD
                case Live() as live if live.settled:
                    await self._haproxy.carry_out(live.steps)
                    return how
                case Live(steps):
                    done = await self._live(steps, wanted, observed)
                    how = How.RELOAD if How.RELOAD in {how, done} else done
        raise HAProxyRefusedError("HAProxy's state does not become what was asked for")

    async def _live(
        self, steps: tuple[changes.Step, ...], wanted: Rendered, observed: Observed
    ) -> How:
        try:
            await self._haproxy.carry_out(steps)
        except HAProxyRefusedError as error:
            # Whatever the runtime API does not take, the file may bring.
            logger.warning("runtime change refused", extra={"reason": str(error)})
            await self._reload(wanted, observed)
            return How.RELOAD
        return How.LIVE

    async def _reload(self, wanted: Rendered, before: Observed) -> None:
        await asyncio.sleep(max(0.0, self._next_reload - _now()))
        self._next_reload = _now() + self._pause
        await self._haproxy.reload()
        after = await self._haproxy.observe(wanted)
        await self._haproxy.carry_out(changes.reopened(before, after))


def _now() -> float:
    return asyncio.get_running_loop().time()
