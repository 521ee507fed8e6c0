"""What clients are spared: retries, circuits, fallback tiers, limits."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from autoglm_api.routing import Breaker, ChatCompletionRetry, Planner, Retry, Timeouts, Upstream
from autoglm_dataplane.router_agent.observed import ServerState
from fake_upstreams import Reply, Request, drops, hangs, says, sends, serving
from router_pods import Pod, ask, ask_many, until
from routingtables import a_managed, a_server, an_external

Make = Callable[..., Upstream]
ONCE = Retry(max_attempts=1)
NEVER = Retry(chat_completions=ChatCompletionRetry.NEVER)
SOON = Breaker(open_milliseconds=300)
QUICK = Timeouts(connect_milliseconds=200, first_byte_milliseconds=300)


async def states(pod: Pod, start: str = "tier.") -> dict[str, ServerState]:
    servers = await pod.agent.servers()
    return {
        name.partition(".")[0]: server.state
        for backend, found in servers.items()
        if backend.startswith(start)
        for name, server in found.items()
    }


@pytest.mark.parametrize(
    "failure",
    [
        says(503),
        says(429),
        says(500),
        drops(),
        sends(b"SSH-2.0-OpenSSH_9.2\r\n"),
        sends(b"HTTP/1.1 200 OK\r\ncontent-le"),
    ],
)
@pytest.mark.parametrize("make", [a_managed, an_external])
async def test_repeats_a_completion_elsewhere_before_its_first_byte(
    pod: Pod, make: Make, failure: Reply
) -> None:
    async with serving("bad", "good") as (bad, good), pod.client() as client:
        bad.reply = failure
        await pod.route(make("bad", bad.port), make("good", good.port))
        replies = await ask_many(client, 4)
    assert [reply.json() for reply in replies] == [{"upstream": "good"}] * 4
    assert bad.seen


async def test_sends_at_most_as_often_as_it_may(pod: Pod) -> None:
    async with serving("a", "b", "c", "d") as upstreams, pod.client() as client:
        for upstream in upstreams:
            upstream.reply = says(500, failed=True)
        await pod.route(
            *(a_managed(one.name, one.port) for one in upstreams), retry=Retry(max_attempts=3)
        )
        reply = await ask(client)
    assert reply.status_code == 500
    assert reply.json() == {"failed": True}
    assert sum(len(one.seen) for one in upstreams) == 3


async def test_hands_the_last_busy_answer_on_with_its_retry_after(pod: Pod) -> None:
    async with serving("a", "b") as upstreams, pod.client() as client:
        for upstream in upstreams:
            upstream.reply = says(429, headers="retry-after: 17\r\n")
        await pod.route(*(a_managed(one.name, one.port) for one in upstreams))
        reply = await ask(client)
    assert reply.status_code == 429
    assert reply.headers["retry-after"] == "17"


async def test_does_not_ask_a_single_busy_server_again(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        one.reply = says(429)
        await pod.route(a_managed("one", one.port))
        assert (await ask(client)).status_code == 429
    assert len(one.seen) == 1


@pytest.mark.parametrize("make", [a_managed, an_external])
async def test_never_repeats_what_was_sent_if_told_so(pod: Pod, make: Make) -> None:
    async with serving("a", "b") as upstreams, pod.client() as client:
        for upstream in upstreams:
            upstream.reply = says(503, busy=True)
        await pod.route(
            *(make(one.name, one.port) for one in upstreams),
            retry=NEVER,
        )
        reply = await ask(client)
    assert reply.status_code == 503
    assert reply.json() == {"busy": True}
    assert sum(len(one.seen) for one in upstreams) == 1


@pytest.mark.parametrize("make", [a_managed, an_external])
async def test_repeats_what_was_never_sent_even_then(pod: Pod, make: Make) -> None:
    async with serving("dead", "good") as (dead, good), pod.client() as client:
        await dead.stop()
        await pod.route(
            *(make(one.name, one.port) for one in (dead, good)),
            retry=NEVER,
        )
        replies = await ask_many(client, 4)
    assert [reply.status_code for reply in replies] == [200] * 4
    assert len(good.seen) == 4


async def test_does_not_repeat_a_task_without_an_idempotency_key(pod: Pod) -> None:
    async def fails(request: Request, writer: asyncio.StreamWriter) -> None:
        await says(200 if request.path == "/readyz" else 500)(request, writer)

    async with serving("a", "b") as (first, second), pod.client() as client:
        first.reply = second.reply = fails
        await pod.route(
            planner=Planner(servers=(a_server(first.port), a_server(second.port))),
            retry=Retry(max_attempts=2),
        )

        def tasks() -> int:
            return sum(one.path == "/v1/tasks" for one in (*first.seen, *second.seen))

        await client.post("/v1/tasks", json={})
        once = tasks()
        await client.post("/v1/tasks", json={}, headers={"idempotency-key": "k"})
    assert (once, tasks()) == (1, 3)


@pytest.mark.parametrize("make", [a_managed, an_external])
async def test_opens_the_circuit_after_five_failures_in_a_row(pod: Pod, make: Make) -> None:
    async with serving("bad") as (bad,), pod.client() as client:
        bad.reply = says(503)
        await pod.route(make("bad", bad.port), retry=ONCE)
        await ask_many(client, 4)
        assert await states(pod) == {"bad": ServerState.UP}
        await ask_many(client, 1)
        assert await states(pod) == {"bad": ServerState.DOWN}
        reply = await ask(client)
    assert len(bad.seen) == 5
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "5"


@pytest.mark.parametrize("make", [a_managed, an_external])
async def test_an_open_circuit_is_answered_even_if_its_opening_was_not(
    pod: Pod, make: Make
) -> None:
    async with serving("dead") as (dead,), pod.client() as client:
        await pod.route(make("dead", dead.port))
        await ask_many(client, 3)
        dead.reply = says(503)
        # The request during which the last circuit opens may end with its connection.
        with contextlib.suppress(httpx.RemoteProtocolError):
            await ask_many(client, 2)
        assert await states(pod) == {"dead": ServerState.DOWN}
        for _ in range(3):
            async with pod.client() as other:
                assert (await ask(other)).status_code == 503


async def test_a_success_in_between_keeps_the_circuit_closed(pod: Pod) -> None:
    async with serving("bad") as (bad,), pod.client() as client:
        await pod.route(a_managed("bad", bad.port), retry=ONCE)
        for _ in range(3):
            bad.reply = says(503)
            await ask_many(client, 4)
            bad.reply = says(200)
            await ask(client)
        assert await states(pod) == {"bad": ServerState.UP}


async def test_counts_failures_that_a_retry_hid(pod: Pod) -> None:
    async with serving("bad", "good") as (bad, good), pod.client() as client:
        bad.reply = says(503)
        await pod.route(a_managed("bad", bad.port), a_managed("good", good.port))
        replies = await ask_many(client, 20)
        assert await states(pod) == {"bad": ServerState.DOWN, "good": ServerState.UP}
    assert {reply.status_code for reply in replies} == {200}
    assert len(bad.seen) == 5


async def test_busy_answers_do_not_open_the_circuit(pod: Pod) -> None:
    async with serving("busy") as (busy,), pod.client() as client:
        busy.reply = says(429)
        await pod.route(a_managed("busy", busy.port))
        await ask_many(client, 10)
        assert await states(pod) == {"busy": ServerState.UP}


async def test_a_request_of_its_own_closes_the_circuit(pod: Pod) -> None:
    async with serving("bad") as (bad,), pod.client() as client:
        bad.reply = says(503)
        await pod.route(an_external("bad", bad.port, path="/api/v4"), retry=ONCE, breaker=SOON)
        await ask_many(client, 5)
        bad.probes.clear()
        await until(lambda: len(bad.probes) >= 2)
        assert (await states(pod))["bad"] is ServerState.DOWN
        bad.reply = says(200)

        async def closed() -> bool:
            return (await states(pod))["bad"] is ServerState.UP

        await until(closed)
        reply = await ask(client)
    assert reply.status_code == 200
    assert {probe.path for probe in bad.probes} == {"/api/v4/chat/completions"}
    assert len(bad.seen) == 6


async def test_lower_tiers_wait_until_no_server_above_is_usable(pod: Pod) -> None:
    async with serving("first", "second", "third") as upstreams, pod.client() as client:
        first, second, third = upstreams
        await pod.route(
            a_managed("first", first.port),
            an_external("second", second.port, priority=1),
            a_managed("third", third.port, priority=7),
            retry=ONCE,
        )
        await ask_many(client, 10)
        assert [len(one.seen) for one in upstreams] == [10, 0, 0]
        first.reply = says(500)
        await ask_many(client, 5)
        assert (await ask(client)).json() == {"upstream": "second"}
        second.reply = says(500)
        await ask_many(client, 5)
        replies = await ask_many(client, 5)
    assert Counter(reply.json()["upstream"] for reply in replies) == {"third": 5}


async def test_says_504_for_a_frozen_endpoint(pod: Pod) -> None:
    async with serving("frozen") as (frozen,), pod.client() as client:
        frozen.reply = hangs()
        await pod.route(a_managed("frozen", frozen.port, timeouts=QUICK), retry=ONCE)
        reply = await ask(client)
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "gateway_timeout"


async def test_the_limit_of_the_first_byte_does_not_cut_a_slow_stream(pod: Pod) -> None:
    async def slow(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab")
        await writer.drain()
        await asyncio.sleep(2)
        writer.write(b"cd")
        await writer.drain()

    async with serving("direct", "hopped") as (direct, hopped), pod.client() as client:
        direct.reply = hopped.reply = slow
        await pod.route(
            a_managed("direct", direct.port, timeouts=QUICK),
            an_external("hopped", hopped.port, timeouts=QUICK),
        )
        replies = await asyncio.gather(ask(client), ask(client))
    assert [reply.text for reply in replies] == ["abcd", "abcd"]
