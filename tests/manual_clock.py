"""A clock that stands still until a test moves it.

Exists so that leases, queues and backoffs are tested in milliseconds and without luck. Sleepers
wake in the order of their times, each with the time that it waited for.
"""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)
TURNS = 50
"""Arbitrary, because it only has to exceed the awaits between two sleeps of the code under test."""


class ManualClock:
    """Satisfies `autoglm_operator.runtime.clock.Clock`."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Wall time, which starts at `START`."""
        return START + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has moved the clock so far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._seconds + seconds, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move the clock, stopping at every sleeper on the way."""
        end = self._seconds + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            self._seconds = max(self._seconds, due)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self._seconds = end
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
