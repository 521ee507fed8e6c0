"""Real Alertmanagers as processes of their own: one, or two that gossip.

Exists so that receiver and healer meet the program that users run, from the image of the test
cluster. Its delays are shortened openly. Never sends to anybody but the webhook it is given.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

import images
from buildcache.failures import BuildError
from control_processes import free_port
from images import command_inside
from kubeconfig import Object
from timeline import Timeline, within

ANSWER_SECONDS = 10.0
"""Arbitrary, because a local Alertmanager answers within milliseconds."""
READY_SECONDS = 60.0
"""Arbitrary, because it is ready within a second on an idle machine."""
SHARED = Path("/tmp")  # noqa: S108 - the directory that the image's root has, too
WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Ends a process with the one that started it, even if that is killed."""
PARTITION = "autoglm_partition"
"""Name of the table of firewall rules that keeps peers apart."""


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Where alerts are sent and how the sender shows who it is.

    Files are read by Alertmanager for every request or connection, so that a test rotates them by
    writing them.
    """

    url: str
    """With an address: the image has no file of host names."""
    ca_file: Path
    server_name: str = "localhost"
    token_file: Path | None = None
    certificate: tuple[Path, Path] | None = None
    """Certificate and key of the sender."""
    max_alerts: int = 0
    """Alerts in one delivery; 0 for all."""
    payload: Object | None = None
    """Templates that replace the document; Alertmanager knows them since 0.32."""

    def configuration(self) -> Object:
        """As a webhook_config."""
        tls = {"ca_file": str(self.ca_file), "server_name": self.server_name}
        http: Object = {"tls_config": tls}
        if self.certificate is not None:
            certificate, key = (str(file) for file in self.certificate)
            http["tls_config"] |= {"cert_file": certificate, "key_file": key}
        if self.token_file is not None:
            http["authorization"] = {"credentials_file": str(self.token_file)}
        # Resolved alerts end nothing at the receiver; they are sent as users send them.
        told: Object = {"url": self.url, "http_config": http, "max_alerts": self.max_alerts}
        return told if self.payload is None else told | {"payload": self.payload}


@dataclass
class Alertmanager:
    """One Alertmanager."""

    root: Path
    directory: Path
    name: str
    receiver: str = "autoglm"
    peers: list["Alertmanager"] = field(default_factory=list["Alertmanager"])
    process: subprocess.Popen[bytes] | None = None
    port: int = field(default_factory=free_port)
    gossip_port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.directory / f"{self.name}.log"

    @property
    def _configuration(self) -> Path:
        return self.directory / f"{self.name}.yml"

    def configure(self, webhook: Webhook | None, **route: Any) -> None:  # noqa: ANN401 - of a route
        """Send every alert to a webhook, or to nobody; takes effect at start or reload.

        Each alert is a group of its own unless the test says otherwise.
        """
        hooks = [] if webhook is None else [webhook.configuration()]
        document = {
            "route": {
                "receiver": self.receiver,
                "group_by": ["..."],
                "group_wait": "1s",
                "group_interval": "5s",
                "repeat_interval": "1h",
                **route,
            },
            "receivers": [{"name": self.receiver, "webhook_configs": hooks}],
        }
        self._configuration.write_text(json.dumps(document))

    def start(self) -> None:
        """Start it, or start it again with what it had stored."""
        storage = self.directory / f"{self.name}-data"
        storage.mkdir(exist_ok=True)
        argv = [
            "prometheus-alertmanager",
            f"--config.file={self._configuration}",
            f"--storage.path={storage}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--cluster.listen-address=127.0.0.1:{self.gossip_port}" if self.peers else "",
            *(f"--cluster.peer=127.0.0.1:{peer.gossip_port}" for peer in self.peers),
            "--cluster.pushpull-interval=2s",
            "--cluster.settle-timeout=1s",
            # The place among the peers times this is what a peer waits before it sends, too.
            "--cluster.peer-timeout=2s",
        ]
        if not self.peers:
            argv.append("--cluster.listen-address=")
        inside = command_inside(
            self.root, [part for part in argv if part], binds={SHARED: str(SHARED)}
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*WITH_US, *inside], stdout=log, stderr=log, start_new_session=True
            )

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False, timeout=2).is_success
        except httpx.HTTPError:
            return False

    def reload(self) -> None:
        """Take its configuration in anew."""
        self._call("POST", "/-/reload")

    def kill(self) -> None:
        """End it as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(ANSWER_SECONDS)
            self.process = None

    def push(self, *alerts: Object, minutes: float = 10) -> None:
        """Tell it about alerts, as Prometheus does; they fire until then unless they say more."""
        ends = {"endsAt": _in(minutes=minutes)}
        self._call("POST", "/api/v2/alerts", [{**ends, **alert} for alert in alerts])

    def resolve(self, *alerts: Object) -> None:
        """Tell it that alerts are over."""
        self.push(*({**alert, "endsAt": _in()} for alert in alerts))

    def silence(self, matchers: Mapping[str, str], minutes: float = 10) -> str:
        """Silence alerts with these labels; returns the silence's id."""
        body = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True}
                for name, value in matchers.items()
            ],
            "startsAt": _in(),
            "endsAt": _in(minutes=minutes),
            "createdBy": "a test",
            "comment": "silenced by a test",
        }
        answer = cast("Object", self._call("POST", "/api/v2/silences", body))
        return str(answer["silenceID"])

    def unsilence(self, silence: str) -> None:
        """End a silence."""
        self._call("DELETE", f"/api/v2/silence/{silence}")

    def alerts(self) -> list[Object]:
        """Every alert that it knows."""
        return cast("list[Object]", self._call("GET", "/api/v2/alerts"))

    def silences(self) -> list[Object]:
        """Every silence that is in force."""
        found = cast("list[Object]", self._call("GET", "/api/v2/silences"))
        return [each for each in found if each["status"]["state"] == "active"]

    def metric(self, name: str) -> float:
        """Sum of all samples of a metric."""
        text = httpx.get(f"{self.url}/metrics", trust_env=False, timeout=ANSWER_SECONDS).text
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def _call(self, method: str, path: str, body: object = None) -> object:
        answer = httpx.request(
            method, f"{self.url}{path}", json=body, trust_env=False, timeout=ANSWER_SECONDS
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.headers.get("content-type", "").endswith("json") else None


def root() -> Path:
    """Root file system of the image that has Alertmanager; skips where it cannot be used."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("Alertmanager is run in a mount namespace: that needs root and unshare.")
    try:
        return images.ensure(["prometheus"])["prometheus"].rootfs
    except BuildError as error:
        pytest.skip(f"The image with Alertmanager cannot be built here: {error}")


@contextlib.contextmanager
def running(*alertmanagers: Alertmanager) -> Generator[None]:
    """Run configured Alertmanagers until the block ends."""
    try:
        for each in alertmanagers:
            each.start()
        for each in alertmanagers:
            Timeline().want(within(READY_SECONDS), f"{each.name} is ready", each.ready)
        yield
    finally:
        for each in alertmanagers:
            each.kill()


def a_pair(root: Path, directory: Path) -> tuple[Alertmanager, Alertmanager]:
    """Two Alertmanagers that gossip with each other."""
    one, two = (
        Alertmanager(root, directory, name) for name in ("alertmanager-a", "alertmanager-b")
    )
    one.peers, two.peers = [two], [one]
    return one, two


@contextlib.contextmanager
def apart(alertmanagers: Iterable[Alertmanager]) -> Generator[None]:
    """Cut the gossip between Alertmanagers until the block ends.

    Only in a network that belongs to a test cluster: elsewhere the rules would be the machine's.
    """
    if not _network_is_ours():
        pytest.skip("Peers are only kept apart inside of a test cluster's network.")
    ports = ", ".join(str(each.gossip_port) for each in alertmanagers)
    _nft(f"add table inet {PARTITION}")
    try:
        _nft(f"add chain inet {PARTITION} cut {{ type filter hook input priority 0; }}")
        for protocol in ("tcp", "udp"):
            _nft(f"add rule inet {PARTITION} cut {protocol} dport {{ {ports} }} drop")
            _nft(f"add rule inet {PARTITION} cut {protocol} sport {{ {ports} }} drop")
        yield
    finally:
        _nft(f"delete table inet {PARTITION}")


def _network_is_ours() -> bool:
    """Whether this network leads nowhere, as a test cluster's and unlike a machine's."""
    done = subprocess.run(["ip", "route", "show", "default"], capture_output=True, check=True)
    return not done.stdout.strip()


def _nft(command: str) -> None:
    subprocess.run(["nft", command], check=True, capture_output=True)


def _in(minutes: float = 0) -> str:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)  # noqa: TID251 - the real clock counts
    return moment.isoformat()
