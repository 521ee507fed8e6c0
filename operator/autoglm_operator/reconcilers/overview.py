"""Watches what holds all healing back: the switch that pauses everything, budgets and storms.

Each look at a run reads the switch itself; here it is read so that people hear of a flip, and so
that runs go on at once when it is turned back. Never holds or starts anything.
"""

import logging
from collections.abc import Callable
from typing import Final

from autoglm_api import kinds, labels
from autoglm_api.conditions import Reason
from autoglm_operator.reconcilers import lookout
from autoglm_operator.reconcilers.healingrun import HealerDeps

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""Time between two looks. Arbitrary, because a person who turned the switch waits for it."""


class Overview:
    """What holds everything back now."""

    def __init__(self, deps: HealerDeps) -> None:
        self._deps = deps
        self._paused: str | None = None

    async def keep(self, on_change: Callable[[], None]) -> None:
        """Look again and again.

        Args:
            on_change: Called when the switch was flipped.
        """
        while True:
            await self.look(on_change)
            await self._deps.clock.sleep(LOOK_SECONDS)

    async def look(self, on_change: Callable[[], None]) -> None:
        """Look once."""
        deps, namespace = self._deps, self._deps.release_namespace
        why, _ = await lookout.read_switch(deps.kube, namespace)
        now = deps.clock.now()
        deps.metrics.show(deps.ledger.usage, deps.budget, now, paused=why is not None)
        before, self._paused = self._paused, why
        if (why is None) is (before is None):
            return
        log.warning("switch", extra={"paused": why is not None, "why": why})
        on_change()
        reason = Reason.RESUMED if why is None else Reason.PAUSED
        await deps.events.emit(
            {
                "apiVersion": kinds.CONFIG_MAP.api_version,
                "kind": kinds.CONFIG_MAP.kind,
                "metadata": {"name": labels.PAUSE_CONFIG_MAP, "namespace": namespace},
            },
            reason,
            why or "Healing goes on.",
            warning=why is not None,
            action="Heal",
        )
