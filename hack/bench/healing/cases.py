"""The cases of the storm: each does one thing to the processes and returns what it saw."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from bench.healing import alerts, consumption, figures
from bench.healing.stage import DELIVERED, RECEIVERS, Program, Stage, StormError, until
from healing_processes import HealingProcess

PER_DELIVERY: Final = 20
"""Alerts of one group. Arbitrary: about as many as a broken workload has pods."""
CONCURRENCY: Final = 16
"""Calls under way of each process. Source: the default of the receiver's api_concurrency."""
DRAIN_SECONDS: Final = 3600.0
"""Time for the healer to look at everything. Arbitrary, because nothing here depends on it."""
PROBE_SECONDS: Final = 0.05
"""Time between two tries to reach a receiver that was killed."""
STEADY_LOOKS: Final = 5
"""Looks in a row that must show an empty queue: the watch may be behind."""
STEADY_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Work:
    """So many alerts or runs, in a stretch of time."""

    count: int
    seconds: float
    cpu_seconds: float = 0.0
    """CPU time of those who did it; however busy the machine is, this stays."""

    @property
    def per_second(self) -> float:
        """How fast."""
        return figures.rate(self.count, self.seconds)

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.count + other.count,
            self.seconds + other.seconds,
            self.cpu_seconds + other.cpu_seconds,
        )

    @property
    def cpu_milliseconds(self) -> float:
        """CPU time of each."""
        return self.cpu_seconds / self.count * 1000


@dataclass
class Delivered:
    """What became of deliveries."""

    acknowledged: list[str] = field(default_factory=list[str])
    """Pods whose alerts were taken."""
    refused: list[str] = field(default_factory=list[str])
    waits: list[float] = field(default_factory=list[float])
    """Seconds until each delivery was taken, its repetitions included."""
    repeated: int = 0
    begun: float = float("inf")
    ended: float = 0.0
    cpu_seconds: float = 0.0
    """CPU time of the receivers meanwhile."""

    def add(self, report: dict[str, Any]) -> None:
        """Count one more."""
        taken = 200 <= report["status"] < 300  # noqa: PLR2004 - success of HTTP
        (self.acknowledged if taken else self.refused).extend(report["pods"])
        self.waits.append(report["ended"] - report["begun"])
        self.repeated += report["attempts"] - 1
        self.begun = min(self.begun, report["begun"])
        self.ended = max(self.ended, report["ended"])

    @property
    def work(self) -> Work:
        """From the first attempt to the last acknowledgement."""
        return Work(len(self.acknowledged), self.ended - self.begun, self.cpu_seconds)


Watching = Callable[[Delivered], None]


def baseline(stage: Stage, pods: Sequence[str]) -> Work:
    """Create runs with as many processes as there are receivers."""
    size = -(-len(pods) // RECEIVERS)
    programs = [stage.creator(part, CONCURRENCY) for part in alerts.portions(pods, size)]
    for program in programs:
        program.go()
    done = [report for program in programs for report in program.reports()]
    begun, ended = min(each["begun"] for each in done), max(each["ended"] for each in done)
    cpu = sum(each["cpu_seconds"] for each in done)
    return Work(sum(each["count"] for each in done), ended - begun, cpu)


def deliver(program: Program, watching: Watching = lambda _: None) -> Delivered:
    """Let a sender deliver everything.

    Args:
        program: The sender.
        watching: Called after each delivery.
    """
    delivered = Delivered()
    program.go()
    for report in program.reports():
        delivered.add(report)
        watching(delivered)
    return delivered


def storm(stage: Stage, pods: Sequence[str], rate: float, watching: Watching) -> Delivered:
    """Deliver alerts about pods; all at once if the rate is 0."""
    program = stage.sender(DELIVERED, pods, PER_DELIVERY, rate)
    before = _cpu(stage)
    delivered = deliver(program, watching)
    delivered.cpu_seconds = _cpu(stage) - before
    return delivered


@dataclass
class Killing:
    """Kills a receiver in the middle of a storm, starts it again and measures how long it is away.

    It is started at once, as the kubelet does with a container that ends for the first time.
    """

    stage: Stage
    victim: HealingProcess
    after: int
    """So many alerts are taken before."""
    known: alerts.Object
    """A delivery that is stored already, to ask with."""
    recovery_seconds: float | None = None
    _thread: threading.Thread | None = None

    def watch(self, delivered: Delivered) -> None:
        """Kill it when it is time."""
        if self._thread is None and len(delivered.acknowledged) >= self.after:
            self._thread = threading.Thread(target=self._kill, daemon=True)
            self._thread.start()

    def result(self) -> float:
        """Seconds from the kill to the first delivery that the new process takes.

        Raises:
            StormError: it takes none.
        """
        if self._thread is not None:
            self._thread.join(120)
        if self.recovery_seconds is None:
            raise StormError("the receiver that was killed takes nothing any more")
        return self.recovery_seconds

    def _kill(self) -> None:
        killed = time.monotonic()
        self.victim.kill()
        self.victim.start()
        while time.monotonic() - killed < 110:  # noqa: PLR2004 - a little less than is waited for
            with contextlib.suppress(httpx.HTTPError):
                stage = self.stage
                answer = self.victim.deliver(self.known, stage.token, stage.trust.context)
                if answer.is_success:
                    self.recovery_seconds = time.monotonic() - killed
                    return
            time.sleep(PROBE_SECONDS)


def drain(stage: Stage) -> float:
    """Wait until the healer has looked at everything; returns the seconds it took."""
    begun, empty = time.monotonic(), 0

    def drained() -> bool:
        nonlocal empty
        empty = empty + 1 if stage.backlog() == 0 else 0
        time.sleep(STEADY_SECONDS)
        return empty >= STEADY_LOOKS

    until("the healer has looked at everything", drained, DRAIN_SECONDS)
    return max(0.0, time.monotonic() - begun - STEADY_LOOKS * STEADY_SECONDS)


def _cpu(stage: Stage) -> float:
    """CPU time of all receivers so far; one that was started anew begins at nothing."""
    running = [each for each in stage.receivers if not each.ended()]
    return sum(consumption.cpu_seconds(each.pid) for each in running)


def memory_of(stage: Stage) -> dict[str, float]:
    """Resident MiB of each process by its name."""
    return {
        f"{each.subcommand} {each.uid}": consumption.resident_mebibytes(each.pid)
        for each in stage.processes
    }
