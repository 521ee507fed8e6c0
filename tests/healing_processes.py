"""Starts `autoglm healer` and `autoglm receiver` as processes of their own, as pods would.

Exists so that tests can kill one at any write and start it again. Their API server is whatever
their kubeconfig says: usually the recording proxy.
"""

import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parent.parent
STOP_SECONDS = 30.0
"""Arbitrary, because a clean stop takes a second or two."""
ANSWER_SECONDS = 15.0
"""Arbitrary, because it only has to be longer than a busy API server needs."""


@dataclass
class HealingProcess:
    """One replica; `settings` are variables without their prefix, in lower case."""

    subcommand: str
    kubeconfig: Path
    release: str
    """Namespace that it runs in."""
    directory: Path
    uid: str
    settings: dict[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    webhook_port: int = 0

    @property
    def log(self) -> Path:
        """Where its log lines are."""
        return self.directory / f"{self.subcommand}-{self.uid}.log"

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it, or start it again as a restarted container of the same pod."""
        self.port, self.webhook_port = _free_port(), _free_port()
        told = {"probe_host": "127.0.0.1", "probe_port": str(self.port), **self.settings}
        if self.subcommand == "receiver":
            told |= {"webhook_host": "127.0.0.1", "webhook_port": str(self.webhook_port)}
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(self.kubeconfig),
            "POD_NAMESPACE": self.release,
            "POD_NAME": f"{self.subcommand}-{self.uid}",
            "POD_UID": self.uid,
            **{f"AUTOGLM_{name.upper()}": value for name, value in told.items()},
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "autoglm_cli", self.subcommand],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """End it as kill -9 does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """Ask it to end and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def ready(self) -> bool:
        """Whether its readiness probe says so."""
        with contextlib.suppress(httpx.HTTPError):
            return self._get("/readyz").is_success
        return False

    def metric(self, sample: str) -> float:
        """The value of one sample of `/metrics`, 0 if it is not there."""
        found = re.search(rf"^{re.escape(sample)} (.+)$", self._get("/metrics").text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def deliver(
        self,
        body: bytes | dict[str, Any],
        token: str | None,
        trust: ssl.SSLContext,
    ) -> httpx.Response:
        """Post to the webhook as Alertmanager does."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        with httpx.Client(verify=trust, trust_env=False, timeout=ANSWER_SECONDS) as client:
            url = f"https://localhost:{self.webhook_port}/v1/alertmanager"
            if isinstance(body, dict):
                return client.post(url, json=body, headers=headers)
            return client.post(url, content=body, headers=headers)

    def _get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=2, trust_env=False)


@contextlib.contextmanager
def running(process: HealingProcess) -> Generator[HealingProcess]:
    """Run it until the block ends."""
    process.start()
    try:
        yield process
    finally:
        if not process.ended():
            process.kill()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
