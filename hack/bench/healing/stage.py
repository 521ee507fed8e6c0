"""The processes of the bench and what they find in the cluster: kinds, namespaces, policies.

Receivers and healer are started as the integration tests start them, with the defaults of the
chart where it has any. Nothing here measures.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, cast

import yaml

import kubeconfig
import preloaded
from autoglm_api.healingpolicy import HealingPolicy
from bench.healing import alerts
from bench.healing.creating import Task
from bench.healing.sending import Load
from healing_objects import Trust, allow, token_of
from healing_processes import HealingProcess
from kube import Kube
from statuses import condition

CRDS: Final = Path(__file__).parents[3] / "crds"
START_SECONDS: Final = 120.0
"""Arbitrary, because everything starts within seconds on an idle machine."""
RECEIVERS: Final = 2
"""Source: the chart's default."""
RELEASE: Final = "bench-release"
DELIVERED: Final = "bench-delivered"
"""Namespace of alerts that go through the receivers."""
CREATED: Final = "bench-created"
"""Namespace of runs that are created straight at the API server."""
ACTED: Final = "bench-acted"
"""Namespace of the alerts that lead to actions."""
POLICY: Final = "crash"
LOOK_SECONDS: Final = 0.1


class StormError(Exception):
    """The bench itself broke; the message says where."""


@dataclass
class Program:
    """A program of the bench in a process of its own: it says ready, waits, works and reports."""

    process: subprocess.Popen[str]

    def await_ready(self) -> None:
        """Wait until it could begin.

        Raises:
            StormError: it ended instead.
        """
        if self._out.readline().strip() != "ready":
            raise StormError(f"{self.process.args!r} did not start")

    def go(self) -> None:
        """Let it begin."""
        into = cast("IO[str]", self.process.stdin)
        into.write("go\n")
        into.flush()

    def reports(self) -> Generator[dict[str, Any]]:
        """What it reports, until it ends.

        Raises:
            StormError: it failed.
        """
        for line in self._out:
            yield json.loads(line)
        if self.process.wait():
            raise StormError(f"{self.process.args!r} failed; its words are above")

    @property
    def _out(self) -> IO[str]:
        return cast("IO[str]", self.process.stdout)


@dataclass
class Stage:
    """Everything that runs."""

    kube: Kube
    config: Path
    directory: Path
    trust: Trust
    token: str
    starts_at: str
    policies: Mapping[str, alerts.Object]
    """Stored policies by namespace."""
    receivers: list[HealingProcess] = field(default_factory=list[HealingProcess])
    healer: HealingProcess | None = None
    programs: list[Program] = field(default_factory=list[Program])

    def policy(self, namespace: str) -> HealingPolicy:
        """The policy of a namespace."""
        return HealingPolicy.read(self.policies[namespace])

    def sender(
        self,
        namespace: str,
        pods: Sequence[str],
        size: int,
        rate: float = 0.0,
        starts_at: str | None = None,
    ) -> Program:
        """A sender that is ready to deliver alerts about pods."""
        ports = [receiver.webhook_port for receiver in self.receivers]
        load = Load(
            ports=ports,
            authority=str(self.trust.authority),
            token=self.token,
            namespace=namespace,
            pods=list(pods),
            starts_at=starts_at or self.starts_at,
            per_delivery=size,
            alerts_per_second=rate,
        )
        return self._program("sending", asdict(load))

    def creator(self, pods: Sequence[str], concurrency: int) -> Program:
        """A process that is ready to create the runs of alerts about pods."""
        task = Task(
            str(self.config), concurrency, self.policies[CREATED], list(pods), self.starts_at
        )
        return self._program("creating", asdict(task))

    def start_receivers(self) -> None:
        """Start the receivers and wait until they know the policies."""
        for number in range(RECEIVERS):
            told = {"tls_directory": str(self.trust.directory)}
            receiver = self._control("receiver", f"r{number}", told)
            receiver.keep_port = True
            receiver.start()
            self.receivers.append(receiver)
        for receiver in self.receivers:
            _until_up(receiver)
            until("a receiver knows a policy", receiver.knows_a_policy)

    def start_healer(self) -> None:
        """Start the healer and wait until it is ready."""
        # The chart's budgets would hold most of the actions that are timed here.
        told = {
            "admission": "Off",
            "budget_max_concurrent": "1000",
            "budget_max_runs_per_hour": "100000",
        }
        self.healer = self._control("healer", "h0", told)
        self.healer.start()
        _until_up(self.healer)

    @property
    def processes(self) -> list[HealingProcess]:
        """Receivers and healer."""
        return [*self.receivers, *([self.healer] if self.healer else [])]

    def backlog(self) -> float:
        """How many runs wait for the healer."""
        assert self.healer is not None  # noqa: S101 - started before anything is measured
        return self.healer.metric('autoglm_queue_depth{kind="HealingRun"}')

    def end(self) -> None:
        """End every process."""
        for program in self.programs:
            with contextlib.suppress(OSError):
                program.process.kill()
            program.process.wait()
        for process in self.processes:
            if not process.ended():
                process.kill()

    def _control(self, subcommand: str, uid: str, told: Mapping[str, str]) -> HealingProcess:
        process = HealingProcess(subcommand, self.config, RELEASE, self.directory, uid, dict(told))
        process.launch = preloaded.from_nothing  # a recovery counts with all that it takes
        return process

    def _program(self, module: str, told: Mapping[str, object]) -> Program:
        file = self.directory / f"{module}-{len(self.programs)}.json"
        file.write_text(json.dumps(told))
        process = subprocess.Popen(
            [sys.executable, "-m", f"bench.healing.{module}", str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        program = Program(process)
        self.programs.append(program)
        program.await_ready()
        return program


def prepared(directory: Path) -> Stage:
    """Install what the processes need; nothing runs yet."""
    config = Path(os.environ["KUBECONFIG"])
    kube = Kube(kubeconfig.load(config))
    _install_kinds(kube)
    for namespace in (RELEASE, DELIVERED, CREATED, ACTED):
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    allow(kube, RELEASE, "alertmanager")
    return Stage(
        kube=kube,
        config=config,
        directory=directory,
        trust=Trust.made(directory / "tls"),
        token=token_of(kube, RELEASE, "alertmanager"),
        starts_at=now(),
        policies={
            namespace: kube.create(_policy(), namespace)
            for namespace in (DELIVERED, CREATED, ACTED)
        },
    )


def now() -> str:
    """The time, as an alert says since when it fires."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def until(what: str, ready: Callable[[], object], seconds: float = START_SECONDS) -> None:
    """Wait until something is so.

    Raises:
        StormError: it is not, in time.
    """
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise StormError(f"not within {seconds:g} s: {what}")
        time.sleep(LOOK_SECONDS)


def _until_up(process: HealingProcess) -> None:
    """Wait until a process is ready.

    Raises:
        StormError: it ended instead, or is not ready in time; with the end of what it logged.
    """
    with contextlib.suppress(StormError):
        until("ready", lambda: process.ended() or process.ready())
    if not process.ready():
        said = process.log.read_text(errors="replace")[-2000:]
        raise StormError(f"{process.subcommand} {process.uid} does not become ready: {said}")


def _policy() -> alerts.Object:
    matcher = {"name": "alertname", "value": alerts.ALERT_NAME}
    return {
        "apiVersion": "autoglm.io/v1alpha1",
        "kind": "HealingPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "mode": "Enforce",
            "alerts": [{"matchers": [matcher]}],
            "target": {"kind": "Workload", "selector": {"matchLabels": {"app": "web"}}},
            "ladder": [{"action": "Restart", "restart": {"scope": "Pod"}}],
            "verify": {"stabilization": "1s", "timeout": "1m"},
            "guards": {
                "cooldown": "0s",
                "maxWait": "10m",
                "maxConcurrent": 100,
                "maxRunsPerHour": 1000,
            },
        },
    }


def _install_kinds(kube: Kube) -> None:
    names: list[str] = []
    for file in sorted(CRDS.glob("*.yaml")):
        documents = cast("list[alerts.Object | None]", list(yaml.safe_load_all(file.read_text())))
        names += [kube.apply(crd)["metadata"]["name"] for crd in documents if crd]
    until(
        "the project's kinds are served",
        lambda: all(
            condition(kube.get("CustomResourceDefinition", name), "Established") == "True"
            for name in names
        ),
    )
