"""The processes of the bench: endpoint, plain HAProxy, router pods, LiteLLM; all on loopback.

A router pod is what the operator starts: the HAProxy that we ship in its own root file system and
the agent as a process beside it. Nothing here measures.
"""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from autoglm_api.routing import RoutingDocument, encode
from bench.router import certificate
from images import command_inside
from images import ensure as ensure_images
from programs import ensure as ensure_programs

SHARED: Final = Path("/tmp")  # noqa: S108 - HAProxy sees it under the same name
START_SECONDS: Final = 60.0
THREADS: Final = 2
"""Of every HAProxy here, ours and plain: the agent's default."""
PUSH_TOKEN: Final = "bench"  # noqa: S105 - known to everybody


class StageError(Exception):
    """Something did not start; the message has the end of what it printed."""


@dataclass
class Stage:
    """Starts processes and ends every one of them."""

    directory: Path
    haproxy: Path
    load: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process that logs into a file of its name."""
        with (self.directory / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self.running.append(started)
        return started

    def end(self, process: subprocess.Popen[bytes], by: signal.Signals = signal.SIGKILL) -> None:
        """End a process and its children, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            if by is signal.SIGKILL:
                os.killpg(process.pid, by)
            else:
                process.send_signal(by)
        process.wait(timeout=60)
        self.running.remove(process)

    def until(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until something works.

        Raises:
            StageError: It does not, within a minute.
        """
        limit = time.monotonic() + START_SECONDS
        while not ready():
            if time.monotonic() > limit:
                log = self.directory / f"{name}.log"
                said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
                raise StageError(f"{name} does not answer: {said}")
            time.sleep(0.05)

    def plain_haproxy(self, name: str, text: str, port: int) -> subprocess.Popen[bytes]:
        """A HAProxy with a file of its own, listening on a port."""
        config = self.directory / f"{name}.cfg"
        config.write_text(text)
        inside = ["/usr/sbin/haproxy", "-W", "-S", f"{self.directory}/{name}.sock,mode,600"]
        command = command_inside(
            self.haproxy, [*inside, "-f", str(config)], binds={SHARED: str(SHARED)}
        )
        started = self.start(name, command)
        self.until(name, lambda: is_open(port))
        return started


@dataclass
class Router:
    """One router pod."""

    stage: Stage
    name: str
    ports: Sequence[int]
    """For clients, internal, metrics and the agent."""
    haproxy: subprocess.Popen[bytes] | None = None
    agent: subprocess.Popen[bytes] | None = None
    lane: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        """Its directories."""
        return self.stage.directory / self.name

    @property
    def port(self) -> int:
        """Port of clients."""
        return self.ports[0]

    def start(self, document: RoutingDocument) -> None:
        """Start it with a document in its mounted Secret, as the operator would."""
        for part in ("run", "state", "secret", "spool"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        secret = self.home / "secret"
        (secret / "routing.json").write_bytes(encode(document))
        (secret / "push-token").write_text(PUSH_TOKEN)
        certificate.write(secret / "tls.crt", secret / "tls.key")
        self.start_agent()
        self.start_lane()
        config = self.home / "run/haproxy.cfg"
        self.stage.until(f"{self.name}-agent", config.exists)
        inside = ["/usr/sbin/haproxy", "-W", "-S", f"{self.home}/run/master.sock,mode,600"]
        command = command_inside(
            self.stage.haproxy, [*inside, "-f", str(config)], binds={SHARED: str(SHARED)}
        )
        self.haproxy = self.stage.start(self.name, command)
        self.stage.until(f"{self.name}-agent", lambda: self.version() == document.version)

    def start_agent(self) -> None:
        """Start the agent as a process of its own."""
        clients, internal, metrics, agent = map(str, self.ports)
        settings = {
            "RUN_DIR": f"{self.home}/run",
            "STATE_DIR": f"{self.home}/state",
            "SECRET_DIR": f"{self.home}/secret",
            "BIND": "127.0.0.1",
            "HOST": "127.0.0.1",
            "CLIENT_PORT": clients,
            "INTERNAL_PORT": internal,
            "METRICS_PORT": metrics,
            "PORT": agent,
            "THREADS": str(THREADS),
            "DRAIN": "30s",
        }
        self.agent = self.stage.start(
            f"{self.name}-agent",
            [sys.executable, "-m", "autoglm_cli", "router-agent"],
            {f"AUTOGLM_{name}": value for name, value in settings.items()},
        )

    def start_lane(self) -> None:
        """Start the lane as a process of its own."""
        self.lane = self.stage.start(
            f"{self.name}-lane",
            [sys.executable, "-m", "autoglm_cli", "router-lane"],
            {"AUTOGLM_RUN_DIR": f"{self.home}/run", "AUTOGLM_SPOOL_DIR": f"{self.home}/spool"},
        )

    def client(self) -> httpx.Client:
        """A client of the agent's push API."""
        trust = ssl.create_default_context(cafile=self.home / "secret/tls.crt")
        return httpx.Client(
            base_url=f"https://localhost:{self.ports[3]}",
            headers={"authorization": f"Bearer {PUSH_TOKEN}"},
            verify=trust,
            timeout=30,
            trust_env=False,
        )

    def version(self) -> int:
        """Version in force; 0 while there is none."""
        with contextlib.suppress(httpx.HTTPError), self.client() as client:
            return int(client.get("/v1/routing").json()["version"])
        return 0

    def restart_agent(self) -> None:
        """Kill the agent and start it anew, which HAProxy must not notice."""
        version = self.version()
        if self.agent is not None:
            self.stage.end(self.agent)
        self.start_agent()
        self.stage.until(f"{self.name}-agent", lambda: self.version() == version)

    def stop(self) -> None:
        """End it as the kubelet does: SIGUSR1 lets HAProxy finish its connections."""
        if self.haproxy is not None:
            self.stage.end(self.haproxy, signal.SIGUSR1)
        for process in (self.agent, self.lane):
            if process is not None:
                self.stage.end(process)


@contextlib.contextmanager
def setting() -> Generator[Stage]:
    """A stage with everything built; all processes are gone at the end."""
    root = ensure_images(["haproxy"])["haproxy"].rootfs
    load = ensure_programs(["routerload"])["routerload"]
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=SHARED))
    stage = Stage(directory, root, load)
    try:
        yield stage
    finally:
        for process in list(stage.running):
            with contextlib.suppress(Exception):
                stage.end(process)
        shutil.rmtree(directory, ignore_errors=True)


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def resident_mebibytes(process: subprocess.Popen[bytes] | None) -> float:
    """The most memory that a process and its children have had, each at its worst."""
    if process is None:
        return 0.0
    total = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            status = dict(
                line.split(":", 1) for line in (entry / "status").read_text().splitlines()
            )
            if process.pid in {int(status["Pid"]), os.getpgid(int(status["Pid"]))}:
                total += int(status.get("VmHWM", "0 kB").split()[0])
    return total / 1024
