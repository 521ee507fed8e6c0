"""The only place that reads the time, so that tests can stand in for it.

Wall time is for people and for what is stored; every duration and deadline is measured on the
monotonic clock, which no administrator and no time server can turn back.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


class Clock(Protocol):
    """What code that waits or measures needs from time."""

    def now(self) -> datetime:
        """Wall time in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; a value of 0 or less still lets other tasks run."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; a value of 0 or less still lets other tasks run."""
        await asyncio.sleep(max(seconds, 0.0))


async def within(clock: Clock, seconds: float, call: Awaitable[T]) -> T:
    """Await a call for a limited time on the given clock.

    Raises:
        TimeoutError: The time is up; the call has been cancelled.
    """
    work = asyncio.ensure_future(call)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise TimeoutError
        return work.result()
    finally:
        work.cancel()
        timer.cancel()
