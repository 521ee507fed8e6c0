import asyncio
from datetime import UTC

import pytest

from autoglm_operator.runtime.clock import SystemClock, within
from manual_clock import ManualClock


async def test_a_call_that_ends_in_time_gives_its_result() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 7

    assert await within(ManualClock(), 2, answer()) == 7


async def test_a_call_that_hangs_is_cancelled() -> None:
    clock = ManualClock()
    cancelled = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    waiting = asyncio.create_task(within(clock, 2, hang()))
    await clock.advance(2)
    with pytest.raises(TimeoutError):
        await waiting
    assert cancelled.is_set()


async def test_the_system_clock_moves_forward() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(-1)
    assert clock.monotonic() >= before
    assert clock.now().tzinfo is UTC
