"""WebSockets for tests of the router: an endpoint that accepts them, and a client that asks.

Exists so that tests of other promises can hold a WebSocket open. Never checks anything itself.
"""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncGenerator

from fake_upstreams import Request, Upstream, says
from routingtables import CLIENT_KEY, MODEL

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Source: RFC 6455, 1.3."""
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = base64.b64encode(hashlib.sha1(f"{KEY}{GUID}".encode()).digest()).decode()  # noqa: S324 - RFC 6455
REALTIME = f"/v1/realtime?model={MODEL}"
FRAME = bytes([0x82, 0x85, 1, 2, 3, 4]) + b"\x00\xff\r\n\x7f"
"""A masked binary message with what a line-minded proxy would stumble over."""


def echo(upstream: Upstream) -> None:
    """Make an endpoint accept WebSockets, say its name, and send back what it gets."""

    async def reply(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.probe:
            await says()(request, writer)
            return
        head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        accepted = f"{head}sec-websocket-accept: {ACCEPT}\r\n\r\n"
        writer.write(accepted.encode() + upstream.name.encode())
        while data := await upstream.readers[writer].read(65_536):
            writer.write(data)
            await writer.drain()

    upstream.reply = reply


@contextlib.asynccontextmanager
async def opened(
    port: int, path: str, key: str = CLIENT_KEY, *, more: str = "upgrade: websocket\r\n"
) -> AsyncGenerator[tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that asked for a WebSocket, with the head of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"GET {path} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {key}\r\n"
        f"connection: upgrade\r\nsec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n"
        f"sec-websocket-protocol: realtime\r\n{more}\r\n"
    )
    writer.write(head.encode())
    try:
        async with asyncio.timeout(20):
            yield await reader.readuntil(b"\r\n\r\n"), reader, writer
    finally:
        writer.close()
