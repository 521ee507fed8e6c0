"""A stack of real processes on loopback: Valkey, a simulator, planners and executors.

Exists so that a test kills one of them and sees what its clients see. Valkey runs from the image
that we ship; the others are started as their containers start them.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
from openai import AsyncOpenAI

import preloaded
from autoglm_dataplane.taskstore.connection import Connection
from autoglm_operator.manifests import secrets, store
from images import command_inside
from preloaded import Started

START_SECONDS = 60.0
"""Arbitrary, because a Python process starts within two seconds on an idle machine."""
POLL_SECONDS = 0.05
RUN_TIMEOUT = "60s"
"""A run that was lost fails its test within this time."""
MODEL = "double"
TOKEN = "internal-token-of-the-stack"  # noqa: S105 - good for nothing but this stack
PASSWORD = "password-of-the-store"  # noqa: S105 - good for nothing but this stack
SHARED = Path("/tmp")  # noqa: S108 - the directory that Valkey's root has, too
WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Ends a process with the one that started it, even if that is killed."""


@dataclass
class Process:
    """One process and its log."""

    name: str
    launch: Callable[[Path], Started]
    """Starts it in a session of its own, with this log."""
    port: int
    log_file: Path
    running: Started | None = None

    def start(self) -> None:
        """Start it."""
        self.running = self.launch(self.log_file)

    async def ready(self) -> None:
        """Wait until its port is open."""
        async with asyncio.timeout(START_SECONDS):
            while not await is_open(self.port):
                assert self.running is not None
                assert self.running.poll() is None, self.log()
                await asyncio.sleep(POLL_SECONDS)

    async def kill(self) -> None:
        """End it as a crash does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int | None:
        """End it as the kubelet does; returns its exit code."""
        return await self._end(signal.SIGTERM)

    def log(self) -> str:
        """What it printed."""
        return self.log_file.read_text()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def _end(self, how: signal.Signals) -> int | None:
        if self.running is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running.pid, how)
        code = await asyncio.to_thread(self.running.wait)
        self.running = None
        return code


@dataclass
class Stack:
    """The processes of one test."""

    valkey_root: Path
    directory: Path
    processes: dict[str, Process] = field(default_factory=dict[str, Process])

    @property
    def valkey(self) -> Process:
        """The store."""
        return self.processes["valkey"]

    @property
    def simulator(self) -> Process:
        """The model double, which stands for the router's internal listener."""
        return self.processes["simulator"]

    @property
    def planners(self) -> list[Process]:
        """All planners."""
        return [each for name, each in self.processes.items() if name.startswith("planner")]

    @property
    def executors(self) -> list[Process]:
        """All executors."""
        return [each for name, each in self.processes.items() if name.startswith("executor")]

    async def start(self, *, planners: int, executors: int, **settings: str) -> None:
        """Start everything and wait until it answers."""
        self._write_secrets()
        self._add_valkey()
        await self.started(["valkey"])
        self._add("simulator", "simulator", AUTOGLM_MODELS=MODEL, AUTOGLM_API_KEY_FILE=self._token)
        shared = self._shared()
        for number in range(planners):
            own = {"AUTOGLM_MODEL": MODEL, "AUTOGLM_RUN_TIMEOUT": RUN_TIMEOUT} | settings
            self._add(f"planner-{number}", "planner", **shared, **own)
        for number in range(executors):
            self._add(f"executor-{number}", "executor", **shared, AUTOGLM_SLOTS="4")
        await self.started(name for name in self.processes if name != "valkey")
        async with asyncio.timeout(START_SECONDS):
            await self._all_joined(executors)

    async def started(self, names: Iterable[str]) -> None:
        """Start some of the processes at once, and wait for them."""
        chosen = [self.processes[name] for name in names]
        for process in chosen:
            process.start()
        await asyncio.gather(*(process.ready() for process in chosen))

    async def end(self) -> None:
        """Kill what is left."""
        for process in reversed(self.processes.values()):
            await process.kill()

    @contextlib.asynccontextmanager
    async def client(self, planner: int = 0) -> AsyncGenerator[AsyncOpenAI]:
        """The plain OpenAI client, its own retries off."""
        url = f"{self.planners[planner].url}/v1"
        async with AsyncOpenAI(base_url=url, api_key=TOKEN, max_retries=0) as client:
            yield client

    @contextlib.asynccontextmanager
    async def http(self, planner: int = 0) -> AsyncGenerator[httpx.AsyncClient]:
        """A client of a planner's other routes."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        url = self.planners[planner].url
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            yield client

    async def fault(self, **fault: str | int | bool) -> None:
        """Let the model misbehave; without arguments it behaves again."""
        await self._admin("DELETE" if not fault else "POST", "/admin/faults", fault or None)

    async def script(self, contains: str, content: str, times: int | None = None) -> None:
        """Let the model say something."""
        body = {"contains": contains, "content": content, "times": times}
        await self._admin("POST", "/admin/answers", body)

    async def asked(self) -> dict[str, int]:
        """How often every question came to the model, by request id."""
        seen: dict[str, int] = (await self._admin("GET", "/admin/requests")).json()["requests"]
        return seen

    async def forget(self) -> None:
        """Let the model behave, say what it likes, and forget what it was asked."""
        for path in ("/admin/faults", "/admin/answers", "/admin/requests"):
            await self._admin("DELETE", path)

    async def journal(self, run_id: str) -> list[dict[str, str]]:
        """The journal of a run, straight from the store."""
        async with self.store() as opened:
            return [dict(each.fields) for each in await opened.entries(f"autoglm:run:{run_id}")]

    @contextlib.asynccontextmanager
    async def store(self) -> AsyncGenerator[Connection]:
        """A connection of the test's own."""
        connection = Connection(self._store_url, self.directory / "password")
        try:
            yield connection
        finally:
            await connection.close()

    async def _admin(self, method: str, path: str, body: object = None) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.simulator.url) as client:
            reply = await client.request(method, path, json=body)
            assert reply.is_success, reply.text
            return reply

    async def _all_joined(self, executors: int) -> None:
        async with self.store() as opened:
            while True:
                if len(await opened.members("autoglm:executors")) >= executors:
                    return
                await asyncio.sleep(POLL_SECONDS)

    @property
    def _token(self) -> str:
        return str(self.directory / "token")

    @property
    def _store_url(self) -> str:
        return f"valkey://127.0.0.1:{self.valkey.port}/0"

    def _shared(self) -> dict[str, str]:
        return {
            "AUTOGLM_STORE_URL": self._store_url,
            "AUTOGLM_STORE_PASSWORD_FILE": str(self.directory / "password"),
            "AUTOGLM_INTERNAL_URL": self.simulator.url,
            "AUTOGLM_INTERNAL_TOKEN_FILE": self._token,
        }

    def _write_secrets(self) -> None:
        (self.directory / "token").write_text(TOKEN)
        (self.directory / "password").write_text(PASSWORD)
        config = secrets.internal_data({}, (TOKEN, PASSWORD))[secrets.VALKEY_CONFIG]
        (self.directory / secrets.VALKEY_CONFIG).write_bytes(config)
        (self.directory / "data").mkdir()

    def _add_valkey(self) -> None:
        port = free_port()
        argv = [
            *("/usr/bin/valkey-server", str(self.directory / secrets.VALKEY_CONFIG)),
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(self.directory / "data")),
            *store.ARGUMENTS,
        ]
        inside = command_inside(self.valkey_root, argv, binds={SHARED: str(SHARED)})
        log = self.directory / "valkey.log"
        self.processes["valkey"] = Process("valkey", partial(_launch, inside), port, log)

    def _add(self, name: str, subcommand: str, **environment: str) -> None:
        port = free_port()
        own = {"AUTOGLM_HOST": "127.0.0.1", "AUTOGLM_PORT": str(port), "POD_NAME": name}
        path = {"PATH": os.defpath}
        log = self.directory / f"{name}.log"
        launch = partial(preloaded.start, subcommand, {**path, **own, **environment})
        self.processes[name] = Process(name, launch, port, log)


def _launch(argv: Sequence[str], log_file: Path) -> subprocess.Popen[bytes]:
    with log_file.open("ab") as log:
        return subprocess.Popen([*WITH_US, *argv], stdout=log, stderr=log, start_new_session=True)


@contextlib.asynccontextmanager
async def running(
    valkey_root: Path, *, planners: int = 1, executors: int = 1, **settings: str
) -> AsyncGenerator[Stack]:
    """A stack for one test; further settings go to the planners."""
    with _directory() as directory:
        stack = Stack(valkey_root, directory)
        try:
            await stack.start(planners=planners, executors=executors, **settings)
            yield stack
        finally:
            await stack.end()


@contextlib.contextmanager
def runs_apart(
    valkey_root: Path, *, planners: int, executors: int, **settings: str
) -> Generator[Stack]:
    """A stack that outlives the event loop of one test."""
    with _directory() as directory:
        stack = Stack(valkey_root, directory)
        try:
            asyncio.run(stack.start(planners=planners, executors=executors, **settings))
            yield stack
        finally:
            asyncio.run(stack.end())


@contextlib.contextmanager
def _directory() -> Generator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="autoglm-tasks-", dir=SHARED))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def free_port() -> int:
    """A port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def is_open(port: int) -> bool:
    """Whether somebody listens on a port of loopback."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False
