"""Runs the load generator and reads what it found."""

import json
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.router.tables import KEY


@dataclass(frozen=True)
class Run:
    """One run of clients."""

    requests: int
    failed: int
    failures: Mapping[str, int]
    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


@dataclass(frozen=True)
class Case:
    """What is sent."""

    name: str
    body_bytes: int = 370
    connections: int = 16
    stream: bool = False
    model_last: bool = False
    rate: float = 0.0
    """Requests per second; 0 is as many as go."""

    def arguments(self) -> list[str]:
        """For the load generator."""
        found = ["--body-bytes", str(self.body_bytes), "--connections", str(self.connections)]
        found += ["--rate", str(self.rate)] if self.rate else []
        found += ["--stream"] if self.stream else []
        return [*found, "--model-last"] if self.model_last else found


def command(load: Path, port: int, case: Case, seconds: float, *more: str) -> list[str]:
    """The command of one run."""
    to = ["--to", f"127.0.0.1:{port}", "--seconds", str(seconds), "--key", KEY]
    return [str(load), "load", *to, *case.arguments(), *more]


def run(load: Path, port: int, case: Case, seconds: float) -> Run:
    """Send for so many seconds."""
    done = subprocess.run(
        command(load, port, case, seconds), check=True, capture_output=True, text=True
    )
    return read(done.stdout)


def read(printed: str) -> Run:
    """What the load generator printed."""
    found = json.loads(printed)
    return Run(
        requests=found["requests"],
        failed=found["failed"],
        failures=found["failures"],
        per_second=found["requests_per_s"],
        p50_milliseconds=found["p50_ms"],
        p99_milliseconds=found["p99_ms"],
    )


def median(runs: Sequence[Run]) -> Run:
    """The middle of several runs, figure by figure; requests and failures are sums."""
    failures: dict[str, int] = {}
    for one in runs:
        for what, count in one.failures.items():
            failures[what] = failures.get(what, 0) + count
    return Run(
        requests=sum(one.requests for one in runs),
        failed=sum(one.failed for one in runs),
        failures=failures,
        per_second=statistics.median(one.per_second for one in runs),
        p50_milliseconds=statistics.median(one.p50_milliseconds for one in runs),
        p99_milliseconds=statistics.median(one.p99_milliseconds for one in runs),
    )
