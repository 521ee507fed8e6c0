"""What endpoints are spared: requests at once and per minute, and how long a circuit is open."""

import asyncio
import contextlib
from collections import Counter

import httpx

from autoglm_api.routing import Retry
from autoglm_api.routingpolicies import Limits
from autoglm_dataplane.router_agent.observed import ServerState
from fake_upstreams import Request, hangs, says, serving
from router_pods import Pod, ask, ask_many, until
from routingtables import a_managed, an_external

ONCE = Retry(max_attempts=1)
TWO = Limits(max_concurrency=2)
THREE_A_MINUTE = Limits(requests_per_minute=3)


async def test_no_more_are_in_flight_than_may_be_and_the_rest_waits(pod: Pod) -> None:
    going = asyncio.Semaphore(0)
    now, most = 0, 0

    async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        if request.probe:  # Those of HAProxy's checks are not among a server's connections.
            await says(200)(request, writer)
            return
        now += 1
        most = max(most, now)
        await going.acquire()
        now -= 1
        await says(200)(request, writer)

    async with serving("one") as (one,), pod.client() as client:
        one.reply = slow
        await pod.route(a_managed("one", one.port, limits=TWO))
        asked = [asyncio.create_task(ask(client)) for _ in range(4)]
        await until(lambda: now == 2)
        for _ in asked:
            going.release()
        replies = await asyncio.gather(*asked)
    assert [reply.status_code for reply in replies] == [200] * 4
    assert most == 2


async def test_a_full_queue_is_said_at_once(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        one.reply = hangs(30)
        await pod.route(an_external("one", one.port, limits=TWO))
        waiting = [asyncio.create_task(ask(client)) for _ in range(4)]
        await until(lambda: len(one.seen) == 2)
        refused = await _until_refused(client)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "5"
    assert refused.json()["error"]["code"] == "overloaded"
    assert len(one.seen) == 2


async def test_who_has_room_takes_what_a_full_server_cannot(pod: Pod) -> None:
    async with serving("full", "free") as (full, free), pod.client() as client:
        full.reply = hangs(30)
        await pod.route(
            a_managed("full", full.port, limits=TWO), a_managed("free", free.port, limits=TWO)
        )
        waiting = [asyncio.create_task(ask(client)) for _ in range(8)]
        await until(lambda: len(full.seen) == 2)
        replies = await ask_many(client, 10)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert {reply.json()["upstream"] for reply in replies} == {"free"}
    assert len(full.seen) == 2


async def test_no_more_go_to_an_endpoint_in_a_minute_than_may(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(an_external("one", one.port, limits=THREE_A_MINUTE))
        replies = await ask_many(client, 8)
    # The router's own probe is a request, too, and is counted like one.
    taken = len(one.seen)
    assert taken + len(one.probes) == 3
    assert [reply.status_code for reply in replies] == [200] * taken + [429] * (8 - taken)
    assert replies[-1].headers["retry-after"] == "5"
    assert replies[-1].json()["error"]["code"] == "rate_limit_exceeded"


async def test_another_member_takes_what_one_may_not_have(pod: Pod) -> None:
    async with serving("limited", "other") as (limited, other), pod.client() as client:
        await pod.route(
            an_external("limited", limited.port, limits=THREE_A_MINUTE),
            a_managed("other", other.port),
        )
        replies = await ask_many(client, 20)
    assert {reply.status_code for reply in replies} == {200}
    taken = len(limited.seen)
    assert taken + len(limited.probes) == 3
    assert Counter(reply.json()["upstream"] for reply in replies) == Counter(
        {"limited": taken, "other": 20 - taken}
    )


async def test_the_circuit_is_open_for_ten_seconds_and_closed_by_one_probe(pod: Pod) -> None:
    loop = asyncio.get_running_loop()
    async with serving("bad") as (bad,), pod.client() as client:
        bad.reply = says(503)
        await pod.route(a_managed("bad", bad.port), retry=ONCE)
        bad.probes.clear()
        await ask_many(client, 5)
        opened = loop.time()
        bad.reply = says(200)
        tier = next(name for name in await pod.agent.servers() if name.startswith("tier."))

        async def closed() -> bool:
            (server,) = (await pod.agent.servers())[tier].values()
            return server.state is ServerState.UP

        assert not await closed()
        await until(closed)
        open_seconds = loop.time() - opened
    # Counted from the last answer, a little after it opened; how much later is the machine's.
    assert open_seconds >= 9.5
    assert len(bad.probes) == 1


async def _until_refused(client: httpx.AsyncClient) -> httpx.Response:
    """Ask until the queue is full; those that still find a place in it are given up."""
    for _ in range(20):
        with contextlib.suppress(httpx.TimeoutException):
            return await client.post(
                "/v1/chat/completions", json={"model": "glm-test", "messages": []}, timeout=1
            )
    raise AssertionError("the queue takes everything")
