"""A broken loop ends the process."""

import asyncio

from autoglm_dataplane.serving.background import Background


async def test_a_broken_loop_ends_the_process() -> None:
    ended = asyncio.Event()

    async def broken() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("bug")

    background = Background(end=ended.set)
    background.start(broken)
    async with asyncio.timeout(1):
        await ended.wait()
    await background.stop()


async def test_an_orderly_stop_ends_nothing_else() -> None:
    ended: list[int] = []

    async def forever() -> None:
        await asyncio.Event().wait()

    async def brief() -> None:
        return

    background = Background(end=lambda: ended.append(1))
    background.start(forever, brief)
    await asyncio.sleep(0)
    await background.stop()
    assert ended == []
