"""Documents that change under traffic: live where possible, and never at a client's cost."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable

import httpx
import pytest

from autoglm_api.routing import Scheme, Security, encode, key_digest, seal
from autoglm_dataplane.router_agent.agent import StaleDocumentError
from autoglm_dataplane.router_agent.haproxy import HAProxyRefusedError, HAProxyUnreachableError
from autoglm_dataplane.router_agent.observed import ServerState
from fake_upstreams import says, serving, streams
from router_pods import Pod, ask, ask_many, until, watching
from routingtables import MODEL, a_document, a_managed, a_server, a_table, an_external

GARBAGE_CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
"""Passes every pattern, but HAProxy cannot read it."""


@contextlib.asynccontextmanager
async def traffic(
    pod: Pod, clients: int = 4, *, keep: bool = True
) -> AsyncGenerator[Counter[int | str]]:
    """Send completions from several connections, kept or new ones; counts what came back."""
    seen: Counter[int | str] = Counter()
    ended = asyncio.Event()

    headers = {} if keep else {"connection": "close"}

    async def one() -> None:
        async with pod.client() as client:
            while not ended.is_set():
                try:
                    seen[(await ask(client, headers=headers)).status_code] += 1
                except httpx.HTTPError as error:
                    seen[repr(error)] += 1

    tasks = [asyncio.create_task(one()) for _ in range(clients)]
    try:
        yield seen
    finally:
        ended.set()
        await asyncio.gather(*tasks)


def more_than(seen: Counter[int | str], count: int) -> Callable[[], bool]:
    return lambda: seen.total() > count


async def test_weights_change_live_and_no_request_fails(pod: Pod) -> None:
    async with serving("one", "two") as (one, two):
        await pod.route(a_managed("one", one.port), a_managed("two", two.port))
        worker = await pod.worker()
        async with traffic(pod) as seen:
            for weight in range(1, 60):
                await pod.route(
                    a_managed("one", one.port, weight=weight), a_managed("two", two.port)
                )
        assert set(seen) == {200}
        assert await pod.worker() == worker
        for upstream in (one, two):
            upstream.seen.clear()
        await pod.route(a_managed("one", one.port, weight=9), a_managed("two", two.port))
        async with pod.client() as client:
            await ask_many(client, 100)
    assert len(two.seen) == pytest.approx(10, abs=2)


@pytest.mark.parametrize("keep", [True, False])
async def test_reloads_without_a_failed_request(pod: Pod, keep: bool) -> None:
    async with serving("one", "two") as (one, two):
        await pod.route(a_managed("one", one.port))
        workers = {await pod.worker()}
        async with traffic(pod, keep=keep) as seen:
            for turn in range(10):
                more = (an_external("two", two.port, priority=turn + 1),)
                await pod.route(a_managed("one", one.port), *more)
                workers.add(await pod.worker())
                before = seen.total()
                await until(more_than(seen, before + 20))
    assert len(workers) == 11
    assert set(seen) == {200}


async def test_a_stream_outlives_a_reload(pod: Pod) -> None:
    async with serving("one", "two") as (one, two), pod.client() as client:
        one.reply = streams(chunks=20, pause=0.05)
        await pod.route(a_managed("one", one.port))
        request = {"model": MODEL, "stream": True}
        async with client.stream("POST", "/v1/chat/completions", json=request) as reply:
            parts = reply.aiter_raw()
            await anext(parts)
            await pod.route(a_managed("one", one.port), an_external("two", two.port, priority=1))
            text = b"".join([part async for part in parts])
    assert text.count(b"data: ") == 19


async def test_pods_come_and_go_live(pod: Pod) -> None:
    async with serving("a", "b", "c", "d") as upstreams:
        ports = [one.port for one in upstreams]
        await pod.route(a_managed("many", *ports[:2]))
        worker = await pod.worker()
        async with traffic(pod) as seen:
            for chosen in (ports, ports[1:3], ports[2:], ports[:3], ports[:2]):
                await pod.route(a_managed("many", *chosen))
                before = seen.total()
                await until(more_than(seen, before + 20))
        assert set(seen) == {200}
        assert await pod.worker() == worker
        await pod.agent.look(resolve=False)
        servers = await pod.agent.servers()
        tier = next(found for name, found in servers.items() if name.startswith("tier."))
        assert set(tier) == {f"many.{port:08x}" for port in ports[:2]}
        assert {server.state for server in tier.values()} == {ServerState.UP}
        upstreams[0].seen.clear()
        async with pod.client() as client:
            await ask_many(client, 10)
    assert len(upstreams[0].seen) == 5


async def test_a_live_change_survives_a_restart_of_haproxy(pod: Pod) -> None:
    async with serving("one", "two") as (one, two):
        await pod.route(a_managed("one", one.port, weight=1), a_managed("two", two.port, weight=1))
        await pod.route(a_managed("one", one.port, weight=9), a_managed("two", two.port, weight=1))
        await pod.kill()
        await pod.start()
        async with pod.client() as client:
            await ask_many(client, 100)
    assert len(two.seen) == pytest.approx(10, abs=2)


async def test_an_open_circuit_stays_open_over_a_reload(pod: Pod) -> None:
    async with serving("bad", "good") as (bad, good), pod.client() as client:
        bad.reply = says(500)
        await pod.route(a_managed("bad", bad.port), a_managed("good", good.port))
        await ask_many(client, 10)
        assert len(bad.seen) == 5
        await pod.route(
            a_managed("bad", bad.port),
            a_managed("good", good.port),
            an_external("new", good.port, priority=1),
        )
        async with pod.client() as fresh:
            replies = await ask_many(fresh, 10)
    assert {reply.status_code for reply in replies} == {200}
    assert len(bad.seen) == 5


async def test_a_key_that_was_taken_away_is_refused_without_a_reload(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as old, pod.client("sk-new") as new:
        await pod.route(a_managed("one", one.port))
        worker = await pod.worker()
        assert [(await ask(old)).status_code, (await ask(new)).status_code] == [200, 401]
        await pod.route(
            a_managed("one", one.port), security=Security(client_keys=(key_digest("sk-new"),))
        )
        assert [(await ask(old)).status_code, (await ask(new)).status_code] == [401, 200]
        assert await pod.worker() == worker


async def test_many_keys_are_replaced_as_a_whole(pod: Pod) -> None:
    await pod.route()
    keys = tuple(key_digest(f"sk-{number}") for number in range(1000))
    document = await pod.route(security=Security(client_keys=keys))
    assert pod.agent.current == document
    async with pod.client("sk-999") as client:
        assert (await client.get("/v1/models")).status_code == 200


async def test_a_refused_document_leaves_the_old_one_serving(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        good = await pod.route(a_managed("one", one.port))
        text = pod.where.config.read_text()
        bad = an_external(
            "bad", one.port, host="models.example.com", scheme=Scheme.HTTPS, ca=GARBAGE_CA
        )
        with pytest.raises(HAProxyRefusedError, match="ca-file"):
            await pod.route(a_managed("one", one.port), bad)
        assert (await ask(client)).status_code == 200
        assert pod.agent.current == good
        assert pod.agent.rejection is not None
        assert pod.agent.rejection.version == 2
        assert pod.where.config.read_text() == text
        await pod.kill()
        await pod.start()
        async with pod.client() as again:
            assert (await ask(again)).status_code == 200


async def test_a_restarted_agent_goes_on_without_a_reload(pod: Pod) -> None:
    async with serving("one") as (one,):
        document = await pod.route(a_managed("one", one.port))
        worker = await pod.worker()
        pod.new_agent()
        pod.agent.prepare()
        await pod.agent.look(resolve=True)
        assert pod.agent.current == document
        assert await pod.worker() == worker


async def test_an_agent_that_died_between_file_and_haproxy_finishes(pod: Pod) -> None:
    async with serving("one", "two") as (one, two), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        server = next(iter((await pod.haproxy.servers())["u.one"]))
        tier = next(name for name in await pod.haproxy.servers() if name.startswith("tier."))
        # As left by a crash between `add server` and switching it on, and by somebody's hand.
        await pod.haproxy.run(f"add server {tier}/stray.00000000 127.0.0.1:{two.port} weight 9")
        await pod.haproxy.run(f"set server {tier}/{server} state maint")
        pod.new_agent()
        await pod.agent.look(resolve=False)
        await pod.agent.look(resolve=False)
        assert set((await pod.haproxy.servers())[tier]) == {server}
        assert (await ask(client)).json() == {"upstream": "one"}


async def test_the_highest_of_file_mount_and_push_wins(pod: Pod) -> None:
    mounted = pod.directory / "secret" / "routing.json"
    async with serving("one", "two", "three") as upstreams:
        one, two, three = (a_managed(found.name, found.port) for found in upstreams)
        pod.store.keep(a_document([one], version=3))
        mounted.write_bytes(encode(a_document([two], version=5)))
        async with watching(pod):
            await until(lambda: pod.agent.current is not None)
            assert pod.agent.current is not None
            assert pod.agent.current.version == 5
            with pytest.raises(StaleDocumentError):
                await pod.agent.offer(a_document([three], version=4))
            with pytest.raises(StaleDocumentError):
                await pod.agent.offer(a_document([three], version=5))
            await pod.agent.offer(a_document([two], version=5))
            await pod.agent.offer(a_document([three], version=6))
            mounted.write_bytes(encode(a_document([one], version=7)))
            await until(lambda: pod.agent.current == a_document([one], version=7))
    assert pod.store.kept() == a_document([one], version=7)


async def test_does_not_try_a_refused_mount_again_and_again(pod: Pod) -> None:
    bad = an_external("bad", 1, host="models.example.com", scheme=Scheme.HTTPS, ca=GARBAGE_CA)
    async with serving("one") as (one,):
        await pod.route(a_managed("one", one.port))
        mounted = pod.directory / "secret" / "routing.json"
        mounted.write_bytes(encode(a_document([bad], version=9)))
        async with watching(pod):
            await until(lambda: pod.agent.rejection is not None)
            refusals = pod.log().count("Failed to load worker")
            await asyncio.sleep(0.5)
    assert pod.log().count("Failed to load worker") == refusals


async def test_says_so_while_haproxy_is_away_and_takes_the_document_later(pod: Pod) -> None:
    async with serving("one") as (one,):
        await pod.route(a_managed("one", one.port))
        await pod.kill()
        with pytest.raises(HAProxyUnreachableError):
            await pod.route(a_managed("one", one.port, weight=2), models=(MODEL, "more"))
        await pod.start()
        await pod.agent.offer(seal(a_table([a_managed("one", one.port)]), 9))
        async with pod.client() as client:
            assert (await ask(client)).status_code == 200


async def test_three_hundred_pods_fit(pod: Pod) -> None:
    servers = tuple(a_server(1, uid=f"{number:08x}") for number in range(300))
    await pod.route(a_managed("many", 1, servers=servers[:2]))
    document = await pod.route(a_managed("many", 1, servers=servers))
    assert pod.agent.current == document
    found = await pod.agent.servers()
    assert len(found["u.many"]) == 300
