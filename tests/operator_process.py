"""Starts `autoglm operator` as a process of its own, as a pod would.

Exists so that tests can kill it, stop it and start a second one. Its API server is whatever its
kubeconfig says: usually the recording proxy.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
STOP_SECONDS = 30.0
"""Arbitrary, because a clean stop takes a second or two."""


@dataclass
class OperatorProcess:
    """One replica.

    `settings` are variables without their prefix, in lower case.
    """

    kubeconfig: Path
    namespace: str
    directory: Path
    uid: str
    settings: dict[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def log(self) -> Path:
        """Where its log lines are."""
        return self.directory / f"operator-{self.uid}.log"

    def start(self) -> None:
        """Start it, or start it again as a restarted container of the same pod."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        told = {
            "image": "registry.local/autoglm:dev",
            "haproxy_image": "registry.local/haproxy:dev",
            "valkey_image": "registry.local/valkey:dev",
            "watch_namespaces": self.namespace,
            "probe_host": "127.0.0.1",
            "probe_port": str(self.port),
            "allowed_addresses": "127.0.0.0/8",
            **self.settings,
        }
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(self.kubeconfig),
            "POD_NAMESPACE": self.namespace,
            "POD_NAME": f"operator-{self.uid}",
            "POD_UID": self.uid,
            **{f"AUTOGLM_{name.upper()}": value for name, value in told.items()},
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "autoglm_operator.commands.operator"],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

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

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        assert self.process is not None
        return self.process.poll()

    def get(self, path: str) -> httpx.Response | None:
        """Ask one of its probes; None while it does not answer."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=2, trust_env=False)
        except httpx.HTTPError:
            return None

    def metric(self, sample: str) -> float:
        """The value of one sample of `/metrics`, 0 if it is not there."""
        answer = self.get("/metrics")
        text = answer.text if answer is not None else ""
        found = re.search(rf"^{re.escape(sample)} (.+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0


MakeOperator = Callable[[str], OperatorProcess]
"""Makes the replica whose pod has this UID."""


@contextlib.contextmanager
def running(process: OperatorProcess) -> Generator[OperatorProcess]:
    """Run it until the block ends."""
    process.start()
    try:
        yield process
    finally:
        if process.process is not None and process.process.poll() is None:
            process.thaw()
            process.kill()
