"""Plays kubelet for the pods of a namespace: addresses on loopback, and servers behind them.

Exists so that the operator's whole way from a resource to an acknowledged routing table runs
against the real API server and its controllers, without nodes. Router pods get a double of the
router agent that keeps the agent's contract (token, versions, TLS name), model pods a list of
models. Never used where nodes are.
"""

import asyncio
import base64
import contextlib
import hmac
import itertools
import json
import os
import ssl
import tempfile
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kube import Kube, KubeError
from kubeconfig import Object

if TYPE_CHECKING:
    from concurrent.futures import Future

Handler = Callable[[web.Request], Awaitable[web.Response]]
Routes = Mapping[tuple[str, str], Handler]

AGENT_PORT = 9443
LOOK_SECONDS = 0.2
"""Arbitrary, because it only has to be short against what tests wait for."""

# Tests that run side by side are processes of their own and must not share addresses.
_NETWORK = f"127.{64 + os.getpid() % 128}"
_ADDRESSES = (f"{_NETWORK}.{high}.{low}" for high in itertools.count(1) for low in range(1, 250))


@dataclass
class PlayedAgent:
    """What one router has in force, and how it misbehaves."""

    version: int = 0
    hash: str = ""
    documents: list[Object] = field(default_factory=list[Object])
    refuses: str = ""
    """Every push is refused with this reason."""
    hangs: bool = False
    """No request is answered."""
    open_circuits: list[str] = field(default_factory=list[str])
    """Upstreams that it keeps requests from."""

    def acknowledgement(self) -> web.Response:
        """What it has in force."""
        return web.json_response(
            {"version": self.version, "hash": self.hash, "open_circuits": self.open_circuits}
        )


@dataclass
class PlayedPod:
    """One pod with the servers behind its address."""

    name: str
    uid: str
    address: str
    agent: PlayedAgent | None = None
    runner: web.AppRunner | None = None


class PlayedPods:
    """Makes every pod of a namespace ready as soon as it appears."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace
        self.pods: dict[str, PlayedPod] = {}
        self.models: dict[str, list[str]] = {}
        """Models that an endpoint's pods list; by default what the pod is told by its variables."""
        self.unready: set[str] = set()
        """Roles, endpoints and revisions whose pods stay unready."""
        self.garbage: set[str] = set()
        """Endpoints and revisions whose servers answer every completion with 200 and no JSON."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def agents(self, cluster: str) -> list[PlayedAgent]:
        """The agents of a cluster's live router pods."""
        live = {
            pod["metadata"]["uid"]
            for pod in self.kube.list("Pod", self.namespace, f"autoglm.io/cluster={cluster}")
            if "deletionTimestamp" not in pod["metadata"]
        }
        return [
            pod.agent for uid, pod in self.pods.items() if pod.agent is not None and uid in live
        ]

    @contextlib.contextmanager
    def playing(self) -> Generator["PlayedPods"]:
        """Play until the block ends."""
        self._thread.start()
        stop = asyncio.Event()
        done = self._start(self._play(stop))
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(stop.set)
            done.result(30)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> "Future[None]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _play(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(KubeError):
                await self._look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
        for pod in self.pods.values():
            await _close(pod)
        await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        found = await asyncio.to_thread(self.kube.list, "Pod", self.namespace)
        for pod in found:
            if "deletionTimestamp" in pod["metadata"]:
                # Nobody else confirms the end of a pod that never had a node.
                path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"
                await asyncio.to_thread(self.kube.call, "DELETE", path, {"gracePeriodSeconds": 0})
            else:
                await self._serve(pod)
        live = {pod["metadata"]["uid"] for pod in found}
        for uid in self.pods.keys() - live:
            await _close(self.pods.pop(uid))

    async def _serve(self, pod: Object) -> None:
        labels: Object = pod["metadata"].get("labels") or {}
        uid = pod["metadata"]["uid"]
        about = labels.get("autoglm.io/role") or labels.get("autoglm.io/endpoint") or ""
        played = self.pods.get(uid)
        if played is None:
            played = PlayedPod(pod["metadata"]["name"], uid, next(_ADDRESSES))
            if labels.get("autoglm.io/role") == "router":
                secret = await self._mounted(labels["autoglm.io/cluster"])
                if secret is None:
                    # A kubelet does not start a pod before what it mounts is there.
                    return
                played.agent = PlayedAgent()
                await self._serve_agent(played, played.agent, secret)
            elif "autoglm.io/endpoint" in labels:
                await self._serve_model(played, labels["autoglm.io/endpoint"], pod)
            self.pods[uid] = played
        told: list[Object] = pod.get("status", {}).get("conditions") or []
        shown = {each["type"]: each["status"] for each in told}
        listed: list[Object] = pod["spec"].get("readinessGates") or []
        gates = [each["conditionType"] for each in listed]
        up = about not in self.unready and labels.get("autoglm.io/revision") not in self.unready
        open_gates = all(shown.get(gate) == "True" for gate in gates)
        wanted = {"ContainersReady": up, "Ready": up and open_gates}
        if any(shown.get(kind) != str(holds) for kind, holds in wanted.items()):
            await asyncio.to_thread(self._show, played, wanted)

    def _show(self, pod: PlayedPod, conditions: Mapping[str, bool]) -> None:
        status = {
            "phase": "Running",
            "podIP": pod.address,
            "podIPs": [{"ip": pod.address}],
            "conditions": [
                {"type": kind, "status": str(holds), "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for kind, holds in conditions.items()
            ],
        }
        # As a kubelet does it: conditions of others stay.
        self.kube.patch(
            "Pod",
            pod.name,
            self.namespace,
            {"status": status},
            subresource="status",
            kind_of_patch="strategic",
        )

    async def _serve_model(self, played: PlayedPod, endpoint: str, pod: Object) -> None:
        async def models(_: web.Request) -> web.Response:
            told = {
                each["name"]: each.get("value", "")
                for container in pod["spec"]["containers"]
                for each in container.get("env", [])
            }
            names = self.models.get(endpoint) or told.get("AUTOGLM_MODELS", "").split(",")
            return web.json_response({"object": "list", "data": [{"id": name} for name in names]})

        async def completion(_: web.Request) -> web.Response:
            if self.garbage & {endpoint, pod["metadata"]["labels"]["autoglm.io/revision"]}:
                return web.Response(text="<html>welcome</html>")
            message = {"role": "assistant", "content": "pong"}
            return web.json_response({"choices": [{"index": 0, "message": message}]})

        routes = {("GET", "/v1/models"): models, ("POST", "/v1/chat/completions"): completion}
        port = int(pod["metadata"]["annotations"]["autoglm.io/port"])
        await self._listen(played, routes, port, None)

    async def _mounted(self, cluster: str) -> Object | None:
        """The Secret that every router pod of a cluster mounts."""
        return await asyncio.to_thread(
            self.kube.get, "Secret", f"{cluster}-routing", self.namespace
        )

    async def _serve_agent(self, played: PlayedPod, agent: PlayedAgent, secret: Object) -> None:
        data = {key: base64.b64decode(value) for key, value in secret["data"].items()}

        async def push(request: web.Request) -> web.Response:
            return await _pushed(agent, data["push-token"], request)

        async def applied(_: web.Request) -> web.Response:
            if agent.hangs:
                await asyncio.sleep(60)
            return agent.acknowledgement()

        routes = {("PUT", "/v1/routing"): push, ("GET", "/v1/routing"): applied}
        await self._listen(played, routes, AGENT_PORT, _identity(data))

    async def _listen(
        self, played: PlayedPod, routes: Routes, port: int, tls: ssl.SSLContext | None
    ) -> None:
        app = web.Application(client_max_size=2**21)
        for (method, path), handler in routes.items():
            app.router.add_route(method, path, handler)
        played.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await played.runner.setup()
        await web.TCPSite(played.runner, played.address, port, ssl_context=tls).start()


async def _close(pod: PlayedPod) -> None:
    """End a pod's servers with their connections, as the end of its network does."""
    if pod.runner is None:
        return
    if pod.runner.server is not None:
        for connection in pod.runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
    await pod.runner.cleanup()


async def _pushed(agent: PlayedAgent, token: bytes, request: web.Request) -> web.Response:
    if agent.hangs:
        await asyncio.sleep(60)
    shown = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(shown, b"Bearer " + token):
        return web.json_response({"reason": "wrong token"}, status=401)
    document: Object = json.loads(await request.read())
    if agent.refuses:
        return web.json_response({"reason": agent.refuses}, status=422)
    offered = (document["version"], document["hash"])
    known = {"version": agent.version, "hash": agent.hash}
    if offered != (agent.version, agent.hash) and document["version"] <= agent.version:
        return web.json_response(known, status=409)
    agent.version, agent.hash = offered
    agent.documents.append(document)
    return agent.acknowledgement()


def _identity(data: dict[str, bytes]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "tls.crt"), Path(folder, "tls.key")
        certificate.write_bytes(data["tls.crt"])
        key.write_bytes(data["tls.key"])
        context.load_cert_chain(certificate, key)
    return context
