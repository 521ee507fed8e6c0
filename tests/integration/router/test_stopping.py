"""What the kubelet does to a router pod that has to go."""

import asyncio
import contextlib
import signal

import pytest

from autoglm_dataplane.router_agent.haproxy import HAProxyUnreachableError
from fake_upstreams import serving, streams
from router_pods import Pod, ask, until
from routingtables import MODEL, a_managed


async def test_the_stop_signal_lets_a_stream_finish_and_closes_the_listeners(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        one.reply = streams(chunks=20, pause=0.05)
        await pod.route(a_managed("one", one.port))
        request = {"model": MODEL, "stream": True}
        async with client.stream("POST", "/v1/chat/completions", json=request) as reply:
            parts = reply.aiter_raw()
            await anext(parts)
            assert pod.process is not None
            # The stop signal of HAProxy's image.
            pod.process.send_signal(signal.SIGUSR1)

            async def closed() -> bool:
                return not await pod.answers()

            await until(closed)
            with pytest.raises(HAProxyUnreachableError):
                await pod.agent.look(resolve=False)
            text = b"".join([part async for part in parts])
        assert text.count(b"data: ") == 19
        assert await asyncio.to_thread(pod.process.wait, 30) == 0


async def test_nothing_revives_a_haproxy_that_ends(pod: Pod) -> None:
    async with serving("one") as (one,):
        await pod.route(a_managed("one", one.port))
        process = pod.process
        assert process is not None
        process.send_signal(signal.SIGUSR1)
        # The master outlives its last worker for a moment, and would still take a reload then.
        while process.poll() is None:
            with contextlib.suppress(HAProxyUnreachableError):
                await pod.agent.look(resolve=False)
        assert process.returncode == 0


async def test_haproxy_comes_back_with_the_table_after_a_kill(pod: Pod) -> None:
    async with serving("one") as (one,):
        document = await pod.route(a_managed("one", one.port))
        await pod.kill()
        await pod.start()
        async with pod.client() as client:
            assert (await ask(client)).status_code == 200
        await pod.agent.look(resolve=False)
        assert pod.agent.current == document
