"""The faults of the simulator that need a real connection."""

import asyncio

import httpx
import pytest

from taskstack import MODEL, TOKEN, Stack

CHAT = "/v1/chat/completions"
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}


def a_client(stack: Stack, timeout: float = 30.0) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {TOKEN}"}
    return httpx.AsyncClient(base_url=stack.simulator.url, headers=headers, timeout=timeout)


async def test_a_connection_is_cut_before_the_first_byte(stack: Stack) -> None:
    async with a_client(stack) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(CHAT, json=QUESTION, headers={"x-sim-cut-after": "0"})


async def test_a_stream_is_cut_after_some_chunks(stack: Stack) -> None:
    lines: list[str] = []

    async def read() -> None:
        body = {**QUESTION, "stream": True}
        async with (
            a_client(stack) as client,
            client.stream("POST", CHAT, json=body, headers={"x-sim-cut-after": "3"}) as reply,
        ):
            lines.extend([line async for line in reply.aiter_lines() if line])

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    assert lines == [] or len(lines) <= 3


async def test_a_hanging_answer_never_comes(stack: Stack) -> None:
    async with a_client(stack, timeout=1.0) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(CHAT, json=QUESTION, headers={"x-sim-hang": "0"})


async def test_cut_and_hung_answers_are_counted_as_such(stack: Stack) -> None:
    async with a_client(stack, timeout=1.0) as client:
        for fault in ({"x-sim-cut-after": "0"}, {"x-sim-hang": "0"}):
            with pytest.raises(httpx.HTTPError):
                await client.post(CHAT, json=QUESTION, headers=fault)
        async with asyncio.timeout(10):
            while True:
                ended = (await client.get("/admin/requests")).json()["by_status"]
                if ended == {"cut": 1, "hung": 1}:
                    return
                await asyncio.sleep(0.05)
