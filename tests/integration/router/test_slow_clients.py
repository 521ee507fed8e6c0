"""Clients that do not send what they announced, or do not take what they asked for."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from fake_upstreams import Request, hangs, says, serving, streams
from router_pods import Pod, ask, until
from routingtables import CLIENT_KEY, MODEL, a_managed, an_external


@pytest.fixture
async def impatient(pod: Pod) -> Pod:
    """A router that waits a second for its clients."""
    pod.where = replace(pod.where, client_silence_seconds=1)
    pod.new_agent()
    return pod


@asynccontextmanager
async def connected(
    pod: Pod, length: int
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that announced a completion of so many bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", pod.where.ports.clients)
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {CLIENT_KEY}\r\nx-model: {MODEL}\r\n"
        f"content-length: {length}\r\n\r\n"
    )
    writer.write(head.encode())
    try:
        yield reader, writer
    finally:
        writer.close()


async def status_of(reader: asyncio.StreamReader) -> int:
    """The status of the answer, 0 for a connection that was closed without one."""
    line = await reader.readline()
    return int(line.split()[1]) if line else 0


@pytest.mark.parametrize("sent", [b"", b'{"model"', b"x" * 300_000])
async def test_a_body_that_stops_coming_ends_its_request_and_no_other(
    impatient: Pod, sent: bytes
) -> None:
    async with serving("one") as (one,), impatient.client() as client:
        await impatient.route(an_external("one", one.port))
        async with connected(impatient, 400_000) as (reader, writer):
            writer.write(sent)
            await writer.drain()
            other = await ask(client)
            async with asyncio.timeout(20):
                status = await status_of(reader)
    assert other.status_code == 200
    assert status in {0, 400, 408}
    assert len(one.seen) == 1


async def test_a_client_that_waits_for_its_answer_may_be_silent(impatient: Pod) -> None:
    async def late(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2.5)
        await says(200, upstream="late")(request, writer)

    async with serving("one") as (one,), impatient.client() as client:
        await impatient.route(an_external("one", one.port))
        one.reply = late
        waited = await ask(client, filler="x" * 200_000)
        one.reply = streams(3, 2.0)
        streamed = await ask(client, stream=True)
    assert waited.json() == {"upstream": "late"}
    assert streamed.text.count("data:") == 3


async def test_a_client_that_takes_nothing_is_let_go(impatient: Pod) -> None:
    sent = 0

    async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    body = json.dumps({"model": MODEL}).encode()
    async with serving("one") as (one,):
        one.reply = endless
        await impatient.route(a_managed("one", one.port))
        async with connected(impatient, len(body)) as (_, writer):
            writer.write(body)
            # asyncio stops reading when its own buffer is full, as a client that hangs would.
            await until(lambda: bool(one.seen) and not one.writers, 20)
    assert sent < 64 * 1024 * 1024


async def test_headers_that_trickle_are_not_waited_for(pod: Pod) -> None:
    async with serving("one") as (one,):
        one.reply = hangs(1)
        await pod.route(a_managed("one", one.port))
        reader, writer = await asyncio.open_connection("127.0.0.1", pod.where.ports.clients)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\n")
        loop = asyncio.get_running_loop()
        begin = loop.time()
        answer = asyncio.create_task(status_of(reader))
        while not answer.done() and loop.time() - begin < 30:
            writer.write(b"x-a: b\r\n")
            await asyncio.sleep(1)
        writer.close()
    assert await answer == 408
    assert one.seen == []
