"""A reverse proxy for the API server that records every request and breaks some.

Exists so that "nothing is lost and nothing done twice" is a count and not an opinion: it sits
between a client under test and the real API server, knows every write, and can lose, delay,
refuse or repeat at a chosen one. It listens on loopback in a thread of its own, so that a test
may be written with or without asyncio and may block. Never changes what a request says, and
never repeats one on its own account.
"""

import asyncio
import contextlib
import enum
import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from kubeconfig import Access
from kubeconfig import write as write_kubeconfig
from proxy_faults import Drop, Fault, Match, Plan, Rule
from proxy_forwarding import Exchange, Upstream
from proxy_records import BACKGROUND, Call, Record, destroyed, parse
from proxy_tls import loopback_identity

START_SECONDS = 10.0
"""Arbitrary, because starting takes milliseconds; it only keeps a broken proxy from hanging."""

LOOK_SECONDS = 0.5
"""Arbitrary, because it only has to be short against the life of a watch."""

CLOSING_SECONDS = 0.05
"""Arbitrary, because the kernel closes a killed client's connections at once."""

Hook = Callable[[Record], object]
"""Called with the write so far; returns `Drop()` to end the client's connection right there."""

T = TypeVar("T")


class Moment(enum.Enum):
    """When, around a write, a hook is called."""

    RECEIVED = "before the server sees it"
    APPLIED = "after the server replied, before the client hears of it"
    ACKNOWLEDGED = "after the client was told"


def kill(pid: int) -> Hook:
    """Return a hook that kills a process as kill -9 does; what it was sent or owed is dropped."""

    def hook(_: Record) -> Drop:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return Drop()

    return hook


def counted(call: Call) -> bool:
    """Tell whether a request is a write that a scenario decides, unlike Leases and Events."""
    return call.writes and call.resource not in BACKGROUND


class RecordingProxy:
    """Use as a context manager; `reset` begins a new scenario."""

    def __init__(self, upstream: Access, *, tls: bool = False, seed: int = 0) -> None:
        self._upstream = Upstream(upstream)
        self._seed = seed
        self._identity = loopback_identity() if tls else None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self._port = 0
        self._streams: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._calm = asyncio.Event()
        # Kept for good: aiohttp's handlers take no weak references, and few are killed.
        self._killed = set[RequestHandler]()
        self.reset()

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # ------------------------------------------------------------ where it is

    @property
    def address(self) -> str:
        """The URL that clients use as the API server's."""
        return f"{'https' if self._identity else 'http'}://127.0.0.1:{self._port}"

    def access(self, token: str | None = None) -> Access:
        """Return how a client reaches the API server through the proxy.

        Without a token the server sees the identity of the proxy's own kubeconfig.
        """
        authority = self._identity.authority if self._identity else None
        return Access(self.address, ca=authority, token=token)

    def kubeconfig(self, path: Path, token: str | None = None) -> Path:
        """Write a kubeconfig file that points at the proxy and return its path."""
        return write_kubeconfig(path, self.access(token))

    # ------------------------------------------------------------ what it saw

    def reset(self) -> None:
        """Begin a new scenario: no records, no faults, no hooks, writes count from 1."""
        self._plan = Plan(self._seed)
        self._records: list[Record] = []
        self._hooks: dict[tuple[int, Moment], Hook] = {}
        self._numbers = itertools.count(1)
        self._begin = time.monotonic()
        self._flowing.set()
        self._calm.set()

    def records(self, match: Match | None = None) -> list[Record]:
        """Return every request so far, reads included, in the order of their replies."""
        return [record for record in self._records if match is None or match(record.call)]

    def writes(self, match: Match | None = None) -> list[Record]:
        """Return the counted writes so far."""
        return [record for record in self.records(match) if record.number]

    def destroyed(self) -> Counter[str]:
        """Count what was deleted or evicted, per object: equal runs have equal counts."""
        return destroyed(self._records)

    @property
    def open_watches(self) -> int:
        """How many watches and followed logs are open."""
        return len(self._streams)

    def used(self) -> set[tuple[str, str, str]]:
        """Return the verbs, groups and resources asked for, as an RBAC rule names them."""
        return {
            (call.verb, call.group, "/".join(filter(None, (call.resource, call.subresource))))
            for call in (record.call for record in self._records)
            if call.resource
        }

    # ------------------------------------------------------------ what it breaks

    def inject(
        self,
        fault: Fault,
        match: Match | None = None,
        *,
        times: int | None = 1,
        share: float = 1.0,
    ) -> Rule:
        """Break matching requests: the next one, the next `times`, or all for None."""
        return self._plan.add(Rule(fault, match or Match(), times, share))

    def clear(self) -> None:
        """Withdraw every fault; records and numbering go on."""
        self._plan.clear()

    def on_write(self, number: int, hook: Hook, moment: Moment = Moment.APPLIED) -> None:
        """Call the hook around the counted write of this number, outside the proxy's loop."""
        self._hooks[number, moment] = hook

    @contextlib.contextmanager
    def outage(self) -> Generator[None, None, None]:
        """Refuse connections and break those that are open, until the block ends."""
        self._call(self._stop_listening())
        try:
            yield
        finally:
            self._call(self._listen())

    @contextlib.contextmanager
    def silence(self) -> Generator[None, None, None]:
        """Leave watches open but deliver nothing; what was held back follows afterwards."""
        self._flowing.clear()
        try:
            yield
        finally:
            # An event is set in its own loop, or who waits for it is not woken.
            self._loop.call_soon_threadsafe(self._flowing.set)

    def end_watches(self) -> None:
        """Break every open watch; events held back by `silence` are lost."""
        self._call(self._cancel_streams())

    # ------------------------------------------------------------ the server

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    async def _open(self) -> None:
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._upstream.open()
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()

    async def _close(self) -> None:
        await self._stop_listening()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._upstream.close()
        # A transport ends in a later round of the loop than the call that closes it.
        await asyncio.sleep(CLOSING_SECONDS)

    async def _listen(self) -> None:
        assert self._runner is not None
        assert self._runner.server is not None
        # An outage ends on the port on which it began: clients keep their address.
        tls = self._identity.server if self._identity else None
        self._listener = await self._loop.create_server(
            self._runner.server, "127.0.0.1", self._port, ssl=tls
        )
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        assert self._listener is not None
        for listening in self._listener.sockets:
            self._loop.remove_reader(listening.fileno())
        # Who was let in a moment ago is made known to the listener in a later round of the loop.
        # Python 3.11 fails at that once it is closed, and leaves the socket open.
        await asyncio.sleep(CLOSING_SECONDS)
        self._listener.close()
        await self._cancel_streams()
        for connection in self._connections():
            if connection.transport is not None:
                connection.transport.abort()

    def _connections(self) -> list[RequestHandler]:
        """Everybody who is connected now."""
        server = self._runner.server if self._runner else None
        return list(server.connections) if server else []

    async def _cancel_streams(self) -> None:
        for stream in list(self._streams):
            stream.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)

    # ------------------------------------------------------------ one request

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = parse(request.method, request.path, request.query)
        if "upgrade" in request.headers.get("Connection", "").lower():
            raise web.HTTPNotImplemented(text="The recording proxy passes on no exec or attach.")
        await self._calm.wait()
        if _gone(request) or request.protocol in self._killed:
            return _dropped(request)
        exchange = Exchange(
            call,
            number=next(self._numbers) if counted(call) else 0,
            fault=self._plan.choose(call),
            received=time.monotonic() - self._begin,
        )
        if exchange.streams(request.query):
            return await self._stream(request, exchange)
        body = await request.read()
        begun = exchange.record(request, body)
        if await self._hook(begun, Moment.RECEIVED):
            self._records.append(begun)
            return _dropped(request)
        try:
            reply = await self._upstream.answer(request, body, exchange)
        except httpx.HTTPError:
            reply = None
        record = exchange.record(request, body, reply)
        dropped = await self._hook(record, Moment.APPLIED)
        self._records.append(exchange.record(request, body, reply, lost=dropped))
        if reply is None or exchange.loses_reply or dropped:
            return _dropped(request)
        response = web.Response(status=reply.told, headers=reply.headers, body=reply.body)
        await self._acknowledge(request, response, record)
        return response

    async def _acknowledge(
        self, request: web.Request, response: web.Response, record: Record
    ) -> None:
        hooked = (record.number, Moment.ACKNOWLEDGED) in self._hooks
        if hooked:
            # The client may send its next write before the hook has killed it.
            self._calm.clear()
        await response.prepare(request)
        await response.write_eof()
        if hooked:
            killed = await self._hook(record, Moment.ACKNOWLEDGED)
            await asyncio.sleep(CLOSING_SECONDS)
            if killed:
                # Its next write may lie in a socket already, before the news of its end.
                self._killed.update(self._connections())
            self._calm.set()

    async def _hook(self, record: Record, moment: Moment) -> bool:
        hook = self._hooks.pop((record.number, moment), None)
        if hook is None:
            return False
        # In a thread, because a hook may block and may itself use the proxy.
        return isinstance(await asyncio.to_thread(hook, record), Drop)

    async def _stream(self, request: web.Request, exchange: Exchange) -> web.StreamResponse:
        response = web.StreamResponse()
        pump = asyncio.ensure_future(self._pump(request, response, exchange))
        self._streams.add(pump)
        try:
            # A watch may be quiet for minutes: without a look its server would keep it open long
            # after the client has gone.
            while not pump.done() and not _gone(request):
                await asyncio.wait({pump}, timeout=LOOK_SECONDS)
        finally:
            self._streams.discard(pump)
            pump.cancel()
            outcome = (await asyncio.gather(pump, return_exceptions=True))[0]
        return _dropped(request) if isinstance(outcome, BaseException) else response

    async def _pump(
        self, request: web.Request, response: web.StreamResponse, exchange: Exchange
    ) -> None:
        async with self._upstream.stream(request, exchange) as reply:
            self._records.append(exchange.record(request, b"", reply))
            response.set_status(reply.told)
            response.headers.update(reply.headers)
            await response.prepare(request)
            async for piece in reply.pieces:
                await self._flowing.wait()
                await response.write(piece)
            await response.write_eof()


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _dropped(request: web.Request) -> web.StreamResponse:
    """End the client's connection without a reply."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
