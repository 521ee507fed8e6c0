"""`autoglm router-agent` as it runs in a pod: a process of its own, spoken to by HTTPS."""

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx

from autoglm_api.routing import Breaker, Scheme, encode
from autoglm_api.routingpolicies import Sharing, Strategy
from certificates import Authority, an_authority
from fake_upstreams import says, serving
from router_pods import Pod, ask, free_ports, until
from routingtables import a_document, a_managed, an_external

NAME = "router.demo.tests"
TOKEN = "push-me"  # noqa: S105 - known to everybody
OPERATOR = Path(__file__).parents[3] / "operator"


class Process:
    """The agent of a pod whose HAProxy runs already."""

    def __init__(self, pod: Pod, authority: Authority) -> None:
        (self.port,) = free_ports(1)
        self.environment = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - of the process to start
            "PYTHONPATH": str(OPERATOR),
            "AUTOGLM_RUN_DIR": str(pod.where.run_dir),
            "AUTOGLM_STATE_DIR": str(pod.directory / "state"),
            "AUTOGLM_SECRET_DIR": str(pod.directory / "secret"),
            "AUTOGLM_BIND": "127.0.0.1",
            "AUTOGLM_HOST": "127.0.0.1",
            "AUTOGLM_PORT": str(self.port),
            "AUTOGLM_CLIENT_PORT": str(pod.where.ports.clients),
            "AUTOGLM_INTERNAL_PORT": str(pod.where.ports.internal),
            "AUTOGLM_METRICS_PORT": str(pod.where.ports.metrics),
            "AUTOGLM_POLL_INTERVAL": "100ms",
            "AUTOGLM_DRAIN": "5s",
        }
        self.trust = ssl.create_default_context(cadata=authority.bundle)
        self.running: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self.running = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            [sys.executable, "-m", "autoglm_cli", "router-agent"], env=self.environment
        )
        await until(self.healthy)

    def end(self, how: signal.Signals) -> int:
        assert self.running is not None
        self.running.send_signal(how)
        return self.running.wait(30)

    async def healthy(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (await self.call("GET", "/healthz")).status_code == 200
        return False

    async def call(
        self, method: str, path: str, *, token: str = TOKEN, content: bytes | None = None
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(verify=self.trust, timeout=30, trust_env=False) as client:
            return await client.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers=headers,
                content=content,
                extensions={"sni_hostname": NAME},
            )


@contextlib.asynccontextmanager
async def an_agent(pod: Pod) -> AsyncGenerator[Process]:
    secret = pod.directory / "secret"
    authority = an_authority(secret, NAME)
    (secret / "push-token").write_text(f"{TOKEN}\nnew-token\n")
    process = Process(pod, authority)
    await process.start()
    try:
        yield process
    finally:
        if process.running is not None and process.running.poll() is None:
            process.end(signal.SIGKILL)


async def test_acknowledges_what_is_pushed(pod: Pod) -> None:
    async with serving("one") as (one,), an_agent(pod) as agent, pod.client() as client:
        document = a_document([a_managed("one", one.port)], version=3)
        assert (await agent.call("GET", "/readyz")).status_code == 503
        pushed = await agent.call("PUT", "/v1/routing", content=encode(document))
        assert pushed.json() == {"version": 3, "hash": document.hash, "open_circuits": []}
        assert (await agent.call("GET", "/v1/routing")).json() == pushed.json()
        assert (await agent.call("GET", "/readyz")).status_code == 200
        assert "autoglm_routing_version 3.0" in (await agent.call("GET", "/metrics")).text
        listed = (await agent.call("GET", "/v1/servers")).json()
        assert (await ask(client)).status_code == 200
    assert {(row["backend"], row["server"], row["state"]) for row in listed["servers"]} >= {
        ("u.one", f"one.{one.port:08x}", "Up")
    }


async def test_tells_of_open_circuits_and_of_those_that_were_open_a_moment_ago(pod: Pod) -> None:
    upstreams = ("flaps", "dead", "renamed", "well")
    async with serving(*upstreams) as made, an_agent(pod) as agent, pod.internal() as client:
        flaps, dead, renamed, well = made
        routed = [
            an_external("flaps", flaps.port),
            a_managed("dead", dead.port, well.port),
            a_managed("renamed", renamed.port, endpoint_model="own"),
            a_managed("well", well.port),
        ]
        breaker = Breaker(open_milliseconds=300)

        async def push(version: int, *, strategy: Strategy) -> list[str]:
            document = a_document(
                routed, version=version, breaker=breaker, sharing=Sharing(strategy=strategy)
            )
            told = await agent.call("PUT", "/v1/routing", content=encode(document))
            return _opened(told)

        async def opened() -> list[str]:
            return _opened(await agent.call("GET", "/v1/routing"))

        async def states(upstream: str) -> set[str]:
            listed = (await agent.call("GET", "/v1/servers")).json()["servers"]
            return {row["state"] for row in listed if row["backend"] == f"u.{upstream}"}

        # New servers and weights are no news, nor is a reload.
        assert await push(1, strategy=Strategy.ROUND_ROBIN) == []
        assert await push(2, strategy=Strategy.LEAST_CONNECTIONS) == []
        for bad in (flaps, renamed, dead):
            bad.reply = says(500)
            for _ in range(20):
                with contextlib.suppress(httpx.RemoteProtocolError):
                    await ask(client, path=f"/u/{bad.name}/v1/chat/completions")
        flaps.reply = says()

        async def flaps_is_closed() -> bool:
            return await states("flaps") == {"Up"}

        await until(flaps_is_closed)
        assert await states("dead") == {"Up", "Down"}
        assert await opened() == ["dead", "flaps", "renamed"]
        # After a reload those that are open are opened again.
        assert await push(3, strategy=Strategy.ROUND_ROBIN) == ["dead", "renamed"]
        os.killpg(_process(pod), signal.SIGSTOP)
        try:
            silent = (await agent.call("GET", "/v1/routing")).json()
        finally:
            os.killpg(_process(pod), signal.SIGCONT)
    assert "open_circuits" not in silent
    assert silent["version"] == 3


def _opened(reply: httpx.Response) -> list[str]:
    found: list[str] = reply.json()["open_circuits"]
    return found


def _process(pod: Pod) -> int:
    assert pod.process is not None
    return pod.process.pid


async def test_refuses_strangers_old_and_broken_documents(pod: Pod) -> None:
    garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    bad = an_external("bad", 443, host="a.example", scheme=Scheme.HTTPS, ca=garbage)
    async with an_agent(pod) as agent:
        newest = a_document(version=5)
        for token in ("", "wrong", "push-me2", "push-m"):
            reply = await agent.call("PUT", "/v1/routing", token=token, content=encode(newest))
            assert reply.status_code == 401
        for token in (TOKEN, "new-token"):
            reply = await agent.call("PUT", "/v1/routing", token=token, content=encode(newest))
            assert reply.status_code == 200
        acknowledged: dict[str, object] = {"version": 5, "hash": newest.hash, "open_circuits": []}
        for stale in (a_document(version=4), a_document([bad], version=5)):
            reply = await agent.call("PUT", "/v1/routing", content=encode(stale))
            assert (reply.status_code, reply.json()) == (409, acknowledged)
        for content, reason in (
            (b"{}", "Field required"),
            (b"x" * 1_000_000, "more than"),
            (encode(a_document(version=6)).replace(b'"version":6', b'"version":7'), "hash"),
            (encode(a_document([bad], version=6)), "HAProxy refused the document"),
        ):
            reply = await agent.call("PUT", "/v1/routing", content=content)
            assert reply.status_code == 422
            assert reason in reply.json()["reason"]
        found = (await agent.call("GET", "/v1/routing")).json()
        assert found["version"] == 5
        assert found["rejected"]["version"] == 6


async def test_traffic_goes_on_while_the_agent_is_killed_and_comes_back(pod: Pod) -> None:
    async with serving("one") as (one,), an_agent(pod) as agent, pod.client() as client:
        document = a_document([a_managed("one", one.port)], version=3)
        await agent.call("PUT", "/v1/routing", content=encode(document))
        worker = await pod.worker()
        agent.end(signal.SIGKILL)
        assert (await ask(client)).status_code == 200
        await agent.start()

        async def acknowledged() -> bool:
            return bool((await agent.call("GET", "/v1/routing")).json()["version"] == 3)

        await until(acknowledged)
        assert await pod.worker() == worker


async def test_serves_a_renewed_certificate_without_a_restart(pod: Pod) -> None:
    async with an_agent(pod) as agent:
        renewed = an_authority(pod.directory / "secret", NAME)
        agent.trust = ssl.create_default_context(cadata=renewed.bundle)
        await until(agent.healthy)


async def test_ends_with_0_when_told_to(pod: Pod) -> None:
    async with an_agent(pod) as agent:
        assert await asyncio.to_thread(agent.end, signal.SIGTERM) == 0


def test_a_missing_certificate_is_one_sentence(tmp_path: Path) -> None:
    names = ("run", "state", "secret")
    for name in names:
        (tmp_path / name).mkdir()
    variables = {f"AUTOGLM_{name.upper()}_DIR": str(tmp_path / name) for name in names}
    ended = subprocess.run(
        [sys.executable, "-m", "autoglm_cli", "router-agent"],
        env={"PYTHONPATH": str(OPERATOR), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "tls.crt" in ended.stderr.splitlines()[-1]
