"""Remembers whether the store answers, for readiness, metrics and caution.

After an outage everybody's refreshes are late although nobody was lost; whoever takes over work
asks `steady` first. It never talks to the store.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Gauge

from autoglm_api import metrics
from autoglm_dataplane.taskstore import timing
from autoglm_dataplane.taskstore.connection import StoreUnavailableError

logger = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 0.5
"""Pause before a failed step is done again."""
STEADY_SECONDS: Final = timing.LOST.total_seconds()
FAREWELL_SECONDS: Final = 10.0
"""How long a process that is told to stop waits for a store that is away. Arbitrary, because a
restarted store is back sooner, and a store that was deleted with the cluster never is."""


T = TypeVar("T")


class Outages:
    """What one process knows of the store's health."""

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """The store counts as away until a step succeeds."""
        self._clock = clock
        self._up_since: float | None = None
        self._down_since: float | None = None
        self._seen_at = 0.0
        known = metrics.STORE_UP
        self._gauge = Gauge(known.name, known.help, registry=registry)
        self._gauge.set(0)

    def answered(self) -> None:
        """The store did what it was asked."""
        now = self._clock()
        if self._up_since is None:
            self._up_since = now
            self._gauge.set(1)
            logger.info("store answers")
        elif now - self._seen_at > STEADY_SECONDS:
            self._up_since = now  # nobody asked for a while; the others may have seen an outage
        self._down_since = None
        self._seen_at = now

    def failed(self, error: Exception) -> None:
        """The store did not answer; said once per outage."""
        if self._up_since is not None or not self._seen_at:
            logger.warning("store does not answer", extra={"error": str(error)})
        self._up_since = None
        self._seen_at = self._clock()
        if self._down_since is None:
            self._down_since = self._seen_at
        self._gauge.set(0)

    def steady(self) -> bool:
        """Whether the store has answered for so long that a late refresh means a lost process."""
        return self._up_since is not None and self._clock() - self._up_since >= STEADY_SECONDS

    async def insist(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do a step once, as soon as the store lets it succeed."""
        while True:
            try:
                done = await step()
            except StoreUnavailableError as error:
                self.failed(error)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self.answered()
                return done

    @property
    def up(self) -> bool:
        """Whether the store answered the last step."""
        return self._up_since is not None

    @property
    def gave_up(self) -> bool:
        """Whether the store has been away for so long that a process that stops waits no more."""
        return self._down_since is not None and self._clock() - self._down_since > FAREWELL_SECONDS

    async def forever(self, step: Callable[[], Awaitable[bool]], *, pause: float = 0.0) -> None:
        """Repeat a step for ever, and through outages; False means that it asked the store nothing.

        A step that had nothing to ask says nothing about the store's health.
        """
        while True:
            try:
                asked = await step()
            except StoreUnavailableError as error:
                self.failed(error)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                if asked:
                    self.answered()
                await asyncio.sleep(pause)

    async def finished(self, working: Callable[[], Collection[asyncio.Task[None]]]) -> None:
        """Wait for work under way to end; not for a store that went away for good."""
        while working() and not self.gave_up:
            await asyncio.wait(working(), timeout=AGAIN_SECONDS)
