"""Starts a process of the control plane on its own, as a pod would.

Exists so that tests can kill it, stop it at any write and start it again. Its API server is
whatever its kubeconfig says: usually the recording proxy.
"""

import contextlib
import os
import re
import signal
import socket
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx

import preloaded
from preloaded import Started

STOP_SECONDS = 30.0
"""Arbitrary, because a clean stop takes a second or two."""


@dataclass
class ControlProcess:
    """One replica; `settings` are variables without their prefix, in lower case."""

    subcommand: str
    kubeconfig: Path
    namespace: str
    """Namespace that it runs in."""
    directory: Path
    uid: str
    settings: dict[str, str] = field(default_factory=dict[str, str])
    process: Started | None = None
    port: int = 0
    launch: Callable[[str, Mapping[str, str], Path], Started] = preloaded.start
    """How it is started, with its environment and log."""

    @property
    def log(self) -> Path:
        """Where its log lines are."""
        return self.directory / f"{self.subcommand}-{self.uid}.log"

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self.process is not None
        return self.process.pid

    def told(self) -> Mapping[str, str]:
        """Settings that every process of this subcommand is started with."""
        return {}

    def start(self) -> None:
        """Start it, or start it again as a restarted container of the same pod."""
        self.port = free_port()
        probes = {"probe_host": "127.0.0.1", "probe_port": str(self.port)}
        settings = {**probes, **self.told(), **self.settings}
        environment = {
            "PATH": os.defpath,
            "KUBECONFIG": str(self.kubeconfig),
            "POD_NAMESPACE": self.namespace,
            "POD_NAME": f"{self.subcommand}-{self.uid}",
            "POD_UID": self.uid,
            **{f"AUTOGLM_{name.upper()}": value for name, value in settings.items()},
        }
        self.process = self.launch(self.subcommand, environment, self.log)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        assert self.process is not None
        return self.process.poll()

    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """End it as kill -9 does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Ask it to end and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def get(self, path: str) -> httpx.Response | None:
        """Ask one of its probes; None while it does not answer."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=2, trust_env=False)
        except httpx.HTTPError:
            return None

    def ready(self) -> bool:
        """Whether its readiness probe says so."""
        answer = self.get("/readyz")
        return answer is not None and answer.is_success

    def metric(self, sample: str) -> float:
        """The value of one sample of `/metrics`, 0 if it is not there."""
        answer = self.get("/metrics")
        text = answer.text if answer is not None else ""
        found = re.search(rf"^{re.escape(sample)} (.+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0


P = TypeVar("P", bound=ControlProcess)


@contextlib.contextmanager
def running(process: P) -> Generator[P]:
    """Run it until the block ends."""
    process.start()
    try:
        yield process
    finally:
        if not process.ended():
            process.thaw()
            process.kill()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
