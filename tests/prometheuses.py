"""A real Prometheus as a process of its own, and something for it to scrape.

Exists so that verification meets the program that users run, from the image of the test cluster.
What it scrapes is what a test says at that moment. Never asked by anything but the code under test.
"""

import contextlib
import http.server
import json
import signal
import subprocess
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

import alertmanagers
from alertmanagers import SHARED, WITH_US
from control_processes import free_port
from images import command_inside
from served_http import serving
from timeline import Timeline, within

SCRAPE = "500ms"
"""How soon a new value is known. Arbitrary, because it only has to be short."""
READY_SECONDS = 60.0
"""Arbitrary, because it is ready within a second on an idle machine."""
STOP_SECONDS = 15.0
"""Arbitrary, because killing takes no time."""


class Samples:
    """What a scrape finds: samples in Prometheus' text format, by their series."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def address(self) -> str:
        """Where to scrape."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    @property
    def text(self) -> bytes:
        """All samples."""
        return "".join(f"{name} {value}\n" for name, value in self._values.items()).encode()

    def say(self, series: str, value: float | str) -> None:
        """Give a series a value from the next scrape on."""
        self._values = {**self._values, series: str(value)}

    def forget(self, series: str) -> None:
        """Let a series end with the next scrape."""
        self._values = {name: value for name, value in self._values.items() if name != series}

    @contextlib.contextmanager
    def served(self) -> Generator["Samples"]:
        """Answer scrapes until the block ends."""
        with serving(self._server):
            yield self


@dataclass
class Prometheus:
    """One Prometheus that scrapes one place."""

    root: Path
    """Root file system of the image that has it."""
    directory: Path
    scraped: Samples
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, or start it again with what it had stored."""
        configuration, storage = self.directory / "prometheus.yml", self.directory / "prometheus"
        storage.mkdir(exist_ok=True)
        jobs = [{"job_name": "test", "static_configs": [{"targets": [self.scraped.address]}]}]
        every = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE}
        configuration.write_text(json.dumps({"global": every, "scrape_configs": jobs}))
        inside = command_inside(
            self.root,
            [
                "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={storage}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            binds={SHARED: str(SHARED)},
        )
        with (self.directory / "prometheus.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*WITH_US, *inside], stdout=log, stderr=log, start_new_session=True
            )

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False, timeout=2).is_success
        except httpx.HTTPError:
            return False

    def wants_ready(self) -> None:
        """Wait until it answers."""
        Timeline().want(within(READY_SECONDS), "Prometheus is ready", self.ready)

    def freeze(self) -> None:
        """Let it take connections and answer none."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End it as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            self.process = None


@contextlib.contextmanager
def running(directory: Path) -> Generator[Prometheus]:
    """Run a Prometheus and what it scrapes until the block ends; skips where that is impossible."""
    with Samples().served() as samples:
        prometheus = Prometheus(alertmanagers.root(), directory, samples)
        try:
            prometheus.start()
            prometheus.wants_ready()
            yield prometheus
        finally:
            prometheus.kill()


def _handler(samples: Samples) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers every request with the samples."""

        def do_GET(self) -> None:
            body = samples.text
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Say nothing."""

    return Handler
