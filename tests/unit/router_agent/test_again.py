"""What the agent does again and again is done for as long as it lives."""

import asyncio

from autoglm_dataplane.router_agent.agent import again
from autoglm_dataplane.router_agent.haproxy import HAProxyRefusedError, HAProxyUnreachableError


async def test_goes_on_while_haproxy_is_away_and_after_a_mistake() -> None:
    wrong = [HAProxyUnreachableError("away"), HAProxyRefusedError("no"), ValueError("a mistake")]
    worked = asyncio.Event()

    async def work() -> None:
        if wrong:
            raise wrong.pop()
        worked.set()

    going_on = asyncio.create_task(again(0.0, "working", work))
    async with asyncio.timeout(10):
        await worked.wait()
    assert not going_on.done()
    going_on.cancel()
