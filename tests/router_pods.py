"""A router pod on loopback: the real HAProxy that we ship, and the agent in the test's own process.

Exists so that a test pushes a document and sends requests, and nothing else. HAProxy runs from its
image's root file system in a mount namespace of its own; everything listens on 127.0.0.1.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from autoglm_api.routing import RoutingDocument, RoutingTable, Upstream, seal
from autoglm_dataplane.router_agent.agent import Agent, Intervals
from autoglm_dataplane.router_agent.applier import Applier
from autoglm_dataplane.router_agent.haproxy import HAProxy, HAProxyUnreachableError
from autoglm_dataplane.router_agent.lane import Lane
from autoglm_dataplane.router_agent.layout import Layout, Ports
from autoglm_dataplane.router_agent.measures import Measures
from autoglm_dataplane.router_agent.observed import is_staying
from autoglm_dataplane.router_agent.pins import Pins
from autoglm_dataplane.router_agent.store import Store
from autoglm_dataplane.serving.probes import new_registry
from images import command_inside
from routingtables import CLIENT_KEY, INTERNAL_TOKEN, MODEL, a_table

SHARED = Path("/tmp")  # noqa: S108 - HAProxy sees it under the same name
"""Holds a directory per pod; short, because the name of a socket has at most 108 characters."""
SPOOL_BYTES = 256 * 1024 * 1024
START_SECONDS = 30.0
"""Arbitrary, because HAProxy starts in tens of milliseconds on an idle machine."""


@dataclass
class Pod:
    """One HAProxy with its agent."""

    root: Path
    directory: Path
    where: Layout
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What the name server says."""
    process: subprocess.Popen[bytes] | None = None
    version: int = 0
    agent: Agent = field(init=False)
    store: Store = field(init=False)
    haproxy: HAProxy = field(init=False)

    def __post_init__(self) -> None:
        for name in ("run", "state", "secret"):
            (self.directory / name).mkdir(exist_ok=True)
        self.new_agent()

    def new_agent(self) -> None:
        """Start the agent anew, as after a crash: only its files are left."""
        self.store = Store(self.directory / "state", self.directory / "secret")
        self.haproxy = HAProxy(self.where.master_socket)
        self.agent = Agent(
            self.haproxy,
            Applier(self.haproxy, self.where, 0.0),
            self.store,
            Pins(self._resolve, self.store.pins()),
            self.where,
            Measures(new_registry()),
        )

    async def start(self) -> None:
        """Start HAProxy on the file that the agent prepared, and wait until it answers."""
        self.agent.prepare()
        socket_path = self.where.master_socket
        argv = ["/usr/sbin/haproxy", "-W", "-S", f"{socket_path},mode,600"]
        command = command_inside(
            self.root, [*argv, "-f", str(self.where.config)], binds={SHARED: str(SHARED)}
        )
        log = (self.directory / "haproxy.log").open("ab")
        self.process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            command, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        async with asyncio.timeout(START_SECONDS):
            while not (await self.answers() and await self._is_known()):
                assert self.process.poll() is None, self.log()
                await asyncio.sleep(0.02)

    async def _is_known(self) -> bool:
        """Whether the master knows its worker, which opens its ports a moment before."""
        try:
            return is_staying(await self.haproxy.ask("@1 show info"))
        except HAProxyUnreachableError:
            return False

    async def answers(self) -> bool:
        """Whether HAProxy's port for clients is open."""
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.where.ports.clients)
            writer.close()
            return True
        return False

    async def kill(self) -> None:
        """End HAProxy's processes as a crash would."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await asyncio.to_thread(self.process.wait)
            self.process = None
            # The worker dies with its master, but a moment later.
            while await self.answers():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)

    async def push(self, table: RoutingTable) -> RoutingDocument:
        """Bring a table into force as the next version."""
        self.version += 1
        document = seal(table, self.version)
        await self.agent.offer(document)
        return document

    async def route(self, *upstreams: Upstream, **fields: object) -> RoutingDocument:
        """Bring these upstreams into force."""
        return await self.push(a_table(upstreams, **fields))

    @contextlib.asynccontextmanager
    async def client(self, key: str = CLIENT_KEY) -> AsyncGenerator[httpx.AsyncClient]:
        """A client of the port for API clients."""
        async with _client(self.where.ports.clients, key) as client:
            yield client

    @contextlib.asynccontextmanager
    async def internal(self, token: str = INTERNAL_TOKEN) -> AsyncGenerator[httpx.AsyncClient]:
        """A client of the port for planner and executors."""
        async with _client(self.where.ports.internal, token) as client:
            yield client

    def log(self) -> str:
        """What HAProxy printed."""
        return (self.directory / "haproxy.log").read_text()

    async def worker(self) -> str:
        """The worker's process id, which a reload changes."""
        answer = await self.haproxy.ask("@1 show info")
        return next(line for line in answer.splitlines() if line.startswith("Pid:"))

    async def _resolve(self, host: str) -> tuple[str, ...]:
        if host == "127.0.0.1":
            return (host,)
        if host not in self.names:
            raise OSError("unknown host")
        return self.names[host]


def _client(port: int, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"authorization": f"Bearer {key}"} if key else {},
        timeout=30,
        trust_env=False,
    )


async def ask(
    client: httpx.AsyncClient,
    model: str = MODEL,
    *,
    path: str = "/v1/chat/completions",
    headers: Mapping[str, str] | None = None,
    **fields: object,
) -> httpx.Response:
    """Send one chat completion."""
    body = {"messages": [{"role": "user", "content": "hello"}], "model": model, **fields}
    return await client.post(path, json=body, headers=headers)


async def ask_many(client: httpx.AsyncClient, count: int) -> list[httpx.Response]:
    """Send requests one after another."""
    return [await ask(client) for _ in range(count)]


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextlib.asynccontextmanager
async def running(root: Path) -> AsyncGenerator[Pod]:
    """A pod whose HAProxy runs on its bootstrap file; everything is gone at the end."""
    directory = Path(tempfile.mkdtemp(prefix="router-", dir=SHARED))
    layout = Layout(directory / "run", "127.0.0.1", Ports(*free_ports(3)), drain_seconds=5)
    pod = Pod(root, directory, layout)
    try:
        async with Lane(directory / "run", directory, SPOOL_BYTES).serving():
            await pod.start()
            yield pod
    finally:
        await pod.kill()
        shutil.rmtree(directory, ignore_errors=True)


QUICK = Intervals(poll_seconds=0.1, resolve_seconds=0.2)
"""For tests that let the agent watch."""


@contextlib.asynccontextmanager
async def watching(pod: Pod) -> AsyncGenerator[None]:
    """Let the agent look after HAProxy."""
    task = asyncio.create_task(pod.agent.watch(QUICK))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(
    condition: Callable[[], bool | Awaitable[bool]], seconds: float = START_SECONDS
) -> None:
    """Wait for a condition, which may be a coroutine function."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found is True or (found is not False and await found):
                return
            await asyncio.sleep(0.02)
