"""Weights, reloads and scaling under traffic: how soon they hold, and what they cost clients."""

import json
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from autoglm_api.routing import RoutingDocument, Upstream, encode
from bench.router import measuring, tables
from bench.router.stage import THREADS, Router, Stage, StageError, free_ports

UPSTREAMS: Final = 100
WEIGHT_CHANGES: Final = 500
RELOADS: Final = 25
TRAFFIC: Final = measuring.Case("traffic", connections=16, rate=300)
RECONNECT: Final = 50
"""Requests per connection, so that new and kept connections both meet every change."""


@dataclass(frozen=True)
class Changed:
    """What the changes cost."""

    weight_p50_seconds: float
    weight_p99_seconds: float
    reload_p99_seconds: float
    traffic: measuring.Run


class Fleet:
    """Routers behind a stand-in for their Service, all kept at the newest document."""

    def __init__(self, stage: Stage, endpoint: int) -> None:
        self._stage = stage
        self._endpoint = endpoint
        self._slots = [Router(stage, f"pod-{slot}", free_ports(4)) for slot in range(4)]
        self.port = free_ports(1)[0]
        self.routers: list[Router] = []
        self._version = 0
        self._document: RoutingDocument | None = None
        stage.plain_haproxy(
            "service", tables.service(self.port, [one.port for one in self._slots]), self.port
        )

    def scale(self, count: int) -> None:
        """Start or stop routers, as a Deployment and its Service would."""
        if self._document is None:
            raise StageError("routers start with a document")
        while len(self.routers) < count:
            router = self._slots[len(self.routers)]
            router.start(self._document)
            self._say(f"set server routers/r{router.port} state ready")
            self.routers.append(router)
        while len(self.routers) > count:
            router = self.routers.pop()
            self._say(f"set server routers/r{router.port} state maint")
            router.stop()

    def push(self, upstreams: Sequence[Upstream], *, failures: int = 5) -> float:
        """Bring upstreams into force on every router; the seconds until the last one had them."""
        self._version += 1
        document = tables.document(upstreams, self._version, failures=failures)
        text = encode(document)
        begin = time.monotonic()
        with ThreadPoolExecutor(max(1, len(self.routers))) as pool:
            pushes = [pool.submit(_put, router, text, document) for router in self.routers]
            for push in pushes:
                push.result()
        self._document = document
        return time.monotonic() - begin

    def _say(self, words: str) -> None:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(f"{self._stage.directory}/service.sock")
            stream.sendall(f"@1 {words}\n".encode())
            stream.shutdown(socket.SHUT_WR)
            answer = stream.recv(4096).decode().strip()
        if answer:
            raise StageError(answer)


def measure(stage: Stage, endpoint: int) -> Changed:
    """Everything, under one stream of requests that is never interrupted."""
    fleet = Fleet(stage, endpoint)
    fleet.push(list(_upstreams(endpoint, 0)))
    fleet.scale(2)
    clients = subprocess.Popen(
        [
            *measuring.command(
                stage.load, fleet.port, TRAFFIC, 3600, "--reconnect", str(RECONNECT)
            ),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        weights = [
            fleet.push(list(_upstreams(endpoint, turn))) for turn in range(1, WEIGHT_CHANGES + 1)
        ]
        _held(fleet, endpoint)
        reloads = [
            fleet.push(list(_upstreams(endpoint, 0)), failures=5 + turn % 2)
            for turn in range(1, RELOADS + 1)
        ]
        for count in (1, 4, 1):
            fleet.scale(count)
        for pods in (1, 2, 3, 4, 3, 2, 1):
            fleet.push(list(_upstreams(endpoint, 0, pods=pods)))
        fleet.routers[0].restart_agent()
        fleet.push(list(_upstreams(endpoint, 1)))
    finally:
        clients.send_signal(signal.SIGTERM)
        printed, _ = clients.communicate(timeout=90)
    return Changed(
        weight_p50_seconds=statistics.median(weights),
        weight_p99_seconds=statistics.quantiles(weights, n=100)[98],
        reload_p99_seconds=max(reloads),
        traffic=measuring.read(printed),
    )


def _upstreams(endpoint: int, turn: int, pods: int = 1) -> Iterator[Upstream]:
    for number in range(UPSTREAMS):
        servers = tables.managed(f"u{number}", [endpoint], 1 + (number + turn) % 7, number << 16)
        if number == 0:
            more = [
                tables.managed("u0", [endpoint], 1, (200 + pod) << 16).servers[0]
                for pod in range(pods - 1)
            ]
            servers = servers.model_copy(update={"servers": (*servers.servers, *more)})
        yield servers


def _put(router: Router, text: bytes, document: RoutingDocument) -> None:
    with router.client() as client:
        reply = client.put("/v1/routing", content=text)
    if not reply.is_success or reply.json()["hash"] != document.hash:
        raise StageError(f"{router.name} did not take the document: {reply.text}")


def _held(fleet: Fleet, endpoint: int) -> None:
    """Ask HAProxy itself, through every agent, whether the last weights are in force."""
    wanted = {one.name: one.weight for one in _upstreams(endpoint, WEIGHT_CHANGES)}
    for router in fleet.routers:
        with router.client() as client:
            servers = json.loads(client.get("/v1/servers").text)["servers"]
        found = {
            one["server"].split(".")[0]: one["weight"]
            for one in servers
            if one["backend"].startswith("tier.")
        }
        scale = found["u0"] / wanted["u0"]
        if found != {name: round(weight * scale) for name, weight in wanted.items()}:
            raise StageError(f"{router.name} acknowledged weights that it does not have")


__all__ = ["THREADS", "Changed", "Fleet", "measure"]
