"""Fake model endpoints: small asyncio servers whose every answer a test decides.

Exists because the router's behaviour towards broken endpoints needs answers that no real server
gives on demand. Each counts what it saw. Never checks anything itself.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

Reply = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def probe(self) -> bool:
        """Whether HAProxy sent it by itself."""
        return self.headers.get("host", "") == "router" or b'"ping"' in self.body


@dataclass
class Upstream:
    """One endpoint; `reply` may be changed at any time."""

    name: str
    reply: Reply
    port: int = 0
    seen: list[Request] = field(default_factory=list)
    probes: list[Request] = field(default_factory=list)
    server: asyncio.Server | None = None
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    readers: dict[asyncio.StreamWriter, asyncio.StreamReader] = field(default_factory=dict)
    """What comes after a request, for replies that go on to read."""

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen, on the same port as before if there was one."""
        self.server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=tls, limit=1 << 20
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections from now on."""
        if self.server is not None:
            self.server.close()
            for writer in list(self.writers):
                writer.close()
            await self.server.wait_closed()
            self.server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        self.readers[writer] = reader
        try:
            while (request := await _read(reader)) is not None:
                (self.probes if request.probe else self.seen).append(request)
                await self.reply(request, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            del self.readers[writer]
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode().strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


def says(status: int = 200, *, headers: str = "", **body: object) -> Reply:
    """Return a reply of JSON."""

    async def reply(_: Request, writer: asyncio.StreamWriter) -> None:
        text = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}"
        writer.write(f"{head}content-length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()

    return reply


def hangs(seconds: float = 60) -> Reply:
    """Return a reply that does not come."""

    async def reply(_: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.close()

    return reply


def drops() -> Reply:
    """Return a reply that is a closed connection."""

    async def reply(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await asyncio.sleep(0)

    return reply


def sends(content: bytes) -> Reply:
    """Return a reply of exactly these bytes, after which the connection is closed."""

    async def reply(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        await drops()(request, writer)

    return reply


def streams(chunks: int, pause: float) -> Reply:
    """Return a stream of server-sent events, a pause after each."""
    return streams_after(chunks, lambda: asyncio.sleep(pause))


def streams_after(chunks: int, between: Callable[[], Awaitable[object]]) -> Reply:
    """Return a stream of server-sent events that waits for something after each."""

    async def reply(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for number in range(chunks):
            event = f"data: {number}\n\n".encode()
            writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            await writer.drain()
            if not request.probe:
                await between()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return reply


@contextlib.asynccontextmanager
async def serving(*names: str, tls: ssl.SSLContext | None = None) -> AsyncGenerator[list[Upstream]]:
    """Start endpoints that say their name, and stop them at the end."""
    made = [Upstream(name, says(upstream=name)) for name in names]
    try:
        for upstream in made:
            await upstream.start(tls)
        yield made
    finally:
        for upstream in made:
            await upstream.stop()
