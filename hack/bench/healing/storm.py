"""The whole bench inside of its cluster: actions first, then storms, with the baseline around one.

Half of the baseline is created before the storm and half after it, with the same healer watching,
so that a fuller store or a busier machine counts on both sides.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from autoglm_api import kinds
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.clients.lowlevel import connect
from bench.healing import acting, alerts, cases, figures
from bench.healing.cases import Delivered, Work
from bench.healing.stage import ACTED, DELIVERED, Stage, StormError, prepared

ALERTS: Final = 10_000
PACED_SECONDS: Final = 30.0
"""Length of the storm at half speed. Arbitrary: hundreds of deliveries."""
FEWEST: Final = 40
"""Alerts of the smallest storm: two deliveries."""


def main() -> int:
    """Measure, print, write; 1 if an alert was lost or doubled, or the bench broke."""
    signal.signal(signal.SIGTERM, _end)
    said = os.environ.get("BENCH_ALERTS", "")
    if said and not (said.isdigit() and int(said) >= FEWEST):
        print(f"bench-healing: BENCH_ALERTS is a number from {FEWEST} on", file=sys.stderr)
        return 2
    try:
        with _stage() as stage:
            found = Bench(stage, int(said or ALERTS)).run()
    except (StormError, KeyboardInterrupt) as error:
        print(f"bench-healing: {error or 'interrupted'}", file=sys.stderr)
        return 1
    print("\n" + figures.verdicts(found), flush=True)
    if os.environ.get("BENCH_JSON"):
        Path(os.environ["BENCH_JSON"]).write_text(figures.as_json(found))
    return figures.exit_code(found)


@dataclass
class Bench:
    """One run of all cases."""

    stage: Stage
    count: int
    """Alerts of the storm."""
    begun: float = field(default_factory=time.monotonic)
    taken: list[str] = field(default_factory=list[str])
    """Pods whose alerts were acknowledged."""

    def run(self) -> dict[str, float]:
        """Every case in order; returns the figures by name."""
        stage = self.stage
        stage.start_receivers()
        stage.start_healer()
        self._say(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {self.count} alerts")
        latencies = acting.latencies(stage, min(acting.TARGETS, self.count))
        self._say(_spread("alert to action at 1 alert/s, s", latencies))

        half = self.count // 2
        created = self._baseline("before", half)
        before = cases.memory_of(stage)
        stored = self._storm("storm", "b", self.count)
        growth = self._growth(before)
        created += self._baseline("after", half)

        pace = stored.work.per_second / 2
        paced = self._storm("paced", "p", max(FEWEST, int(pace * PACED_SECONDS)), pace)
        recovery = self._killing(half)
        lost, doubled = self._accounts()
        return {
            "lost": float(lost),
            "doubled": float(doubled),
            "store_vs_api_create": stored.work.per_second / created.per_second,
            "ack_p99_ms": figures.percentile(paced.waits, 0.99) * 1000,
            "alert_to_action_p99_s": figures.percentile(latencies, 0.99),
            "recovery_s": recovery,
            "rss_growth_mib": growth,
        }

    def _baseline(self, when: str, count: int) -> Work:
        work = cases.baseline(self.stage, alerts.pods(f"base-{when}", count))
        drained = cases.drain(self.stage)
        self._say(
            f"baseline {when}: {work.count} runs created in {work.seconds:.1f} s,"
            f" {work.per_second:.0f}/s, {work.cpu_milliseconds:.2f} ms of CPU each; the healer was"
            f" done {drained:.1f} s later"
        )
        return work

    def _storm(self, name: str, prefix: str, count: int, rate: float = 0.0) -> Delivered:
        pods = alerts.pods(prefix, count)
        delivered = cases.storm(self.stage, pods, rate, self._watching(name, count))
        self._check(delivered, count)
        drained = cases.drain(self.stage)
        work = delivered.work
        self._say(
            f"{name}: {work.count} alerts stored in {work.seconds:.1f} s, {work.per_second:.0f}/s,"
            f" {work.cpu_milliseconds:.2f} ms of CPU each, {delivered.repeated} repetitions; the"
            f" healer was done {drained:.1f} s later"
        )
        self._say(_spread(f"{name}: acknowledgement, s", delivered.waits))
        return delivered

    def _killing(self, count: int) -> float:
        stage = self.stage
        known = alerts.alert(DELIVERED, self.taken[0], stage.starts_at)
        killing = cases.Killing(stage, stage.receivers[0], count // 3, alerts.group([known], 0))
        delivered = cases.storm(stage, alerts.pods("k", count), 0.0, killing.watch)
        self._check(delivered, count)
        recovery = killing.result()
        drained = cases.drain(stage)
        self._say(
            f"kill -9 of a receiver in a storm: accepts again after {recovery:.1f} s;"
            f" {len(delivered.acknowledged)} alerts stored in {delivered.work.seconds:.1f} s,"
            f" {delivered.repeated} repetitions; the healer was done {drained:.1f} s later"
        )
        return recovery

    def _check(self, delivered: Delivered, count: int) -> None:
        self.taken += delivered.acknowledged
        if len(delivered.acknowledged) != count:
            raise StormError(f"{len(delivered.refused)} alerts were not acknowledged")

    def _growth(self, before: Mapping[str, float]) -> float:
        after = cases.memory_of(self.stage)
        for name, now in after.items():
            self._say(f"memory of {name}: {before[name]:.0f} MiB before the storm, {now:.0f} after")
        return sum(after.values()) - sum(before.values())

    def _accounts(self) -> tuple[int, int]:
        """Hold every acknowledged alert against the stored runs."""
        found = asyncio.run(_runs(self.stage, DELIVERED))
        expected = [
            str(alerts.alert(DELIVERED, pod, self.stage.starts_at)["fingerprint"])
            for pod in self.taken
        ]
        phases = Counter(str(run.get("status", {}).get("phase", "Pending")) for run in found)
        self._say(f"{len(expected)} alerts acknowledged, {len(found)} runs: {dict(phases)}")
        acted = asyncio.run(_runs(self.stage, ACTED))
        self._say(f"{len(acted)} runs that acted")
        return alerts.losses(expected, found)

    def _watching(self, name: str, count: int) -> cases.Watching:
        tenth = max(1, count // 10)
        shown = 0

        def watching(delivered: Delivered) -> None:
            nonlocal shown
            taken = len(delivered.acknowledged)
            if taken // tenth > shown:
                shown = taken // tenth
                self._say(f"{name}: {taken} of {count} alerts acknowledged")

        return watching

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:7.1f} s  {text}", flush=True)


def _spread(what: str, values: Sequence[float]) -> str:
    told = [
        f"p{share * 100:g} {figures.percentile(values, share):.3f}" for share in (0.5, 0.9, 0.99)
    ]
    return f"{what}: {', '.join(told)}, longest {max(values):.3f}"


async def _runs(stage: Stage, namespace: str) -> list[alerts.Object]:
    api = await connect(stage.config, user_agent="bench")
    kube = KubeClient(api, timeout=60)
    try:
        return await kube.list(kinds.HEALING_RUN, namespace)
    finally:
        await kube.close()


@contextlib.contextmanager
def _stage() -> Generator[Stage]:
    directory = Path(tempfile.mkdtemp(prefix="bench-healing-"))
    stage: Stage | None = None
    try:
        stage = prepared(directory)
        yield stage
    finally:
        if stage is not None:
            stage.end()
        shutil.rmtree(directory, ignore_errors=True)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
