"""How requests are shared: every strategy with the real HAProxy, per router."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Sequence

import httpx

from autoglm_api.routingpolicies import Limits, Sharing, Strategy
from fake_upstreams import Reply, Request, hangs, says, serving
from fake_upstreams import Upstream as Endpoint
from router_pods import Pod, ask, until, watching
from routingtables import MODEL, a_managed, an_external

AT_ONCE = 16
LOAD_AWARE = Sharing(strategy=Strategy.LOAD_AWARE)
BY_KEY = Sharing(strategy=Strategy.CONSISTENT_HASH, hash_header="x-session")
NOTHING: list[dict[str, str]] = [{}]
"""The headers of one request that has none of its own."""
BODY = json.dumps({"model": MODEL, "messages": []})


async def send(client: httpx.AsyncClient, headers: Sequence[dict[str, str]]) -> list[str]:
    """Send one request per entry, some at once; the names of who answered, in order."""
    queue = list(enumerate(headers))
    answered = [""] * len(queue)

    async def work() -> None:
        while queue:
            at, fields = queue.pop()
            reply = await client.post("/v1/chat/completions", content=BODY, headers=fields)
            assert reply.status_code == 200
            answered[at] = reply.json()["upstream"]

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return answered


def shares(answered: Sequence[str], *names: str) -> list[float]:
    """Parts of the requests in percent."""
    counted = Counter(answered)
    return [100 * counted[name] / len(answered) for name in names]


def near(found: Sequence[float], wanted: Sequence[float], points: float) -> bool:
    """Whether every part is within this many points of what is wanted."""
    return all(abs(part - right) <= points for part, right in zip(found, wanted, strict=True))


def with_metrics(name: str, text: str) -> Reply:
    """Return a reply that has metrics, too."""
    completion = says(upstream=name)

    async def reply(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path != "/metrics":
            await completion(request, writer)
            return
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {len(text)}\r\n\r\n"
        writer.write((head + text).encode())
        await writer.drain()

    return reply


async def test_round_robin_shares_by_weight_within_two_points(pod: Pod) -> None:
    async with serving("a", "b", "c") as (a, b, c), pod.client() as client:
        await pod.route(
            a_managed("a", a.port, weight=500_000),
            a_managed("b", b.port, weight=300_000),
            an_external("c", c.port, weight=200_000),
        )
        answered = await send(client, NOTHING * 4000)
    assert near(shares(answered, "a", "b", "c"), [50, 30, 20], 2)


async def test_load_aware_shares_by_what_is_left_within_two_points(pod: Pod) -> None:
    async with serving("idle", "busy", "full") as (idle, busy, full), pod.client() as client:
        idle.reply = with_metrics("idle", 'vllm:kv_cache_usage_perc{model_name="m"} 0.0\n')
        busy.reply = with_metrics("busy", 'vllm:kv_cache_usage_perc{model_name="m"} 0.6\n')
        full.reply = with_metrics("full", "vllm:num_requests_waiting 3.0\n")
        await pod.route(
            *(a_managed(one.name, one.port) for one in (idle, busy, full)), sharing=LOAD_AWARE
        )
        await pod.agent.weigh()
        worker = await pod.worker()
        answered = await send(client, NOTHING * 4000)
        assert await pod.worker() == worker
    # 100 + 40 + 10 parts
    assert near(shares(answered, "idle", "busy", "full"), [66.7, 26.7, 6.7], 2)


async def test_load_aware_follows_the_load_while_it_watches(pod: Pod) -> None:
    async with serving("one", "two") as (one, two), watching(pod):
        one.reply = with_metrics("one", "vllm:kv_cache_usage_perc 0.0\n")
        two.reply = with_metrics("two", "vllm:kv_cache_usage_perc 0.0\n")
        await pod.route(a_managed("one", one.port), a_managed("two", two.port), sharing=LOAD_AWARE)
        await until(lambda: weights(pod, (1, 1)))
        two.reply = with_metrics("two", "vllm:kv_cache_usage_perc 0.75\n")
        await until(lambda: weights(pod, (4, 1)))
        two.reply = with_metrics("two", "nothing 1\n")
        await until(lambda: weights(pod, (1, 1)))


async def test_load_aware_takes_requests_in_flight_where_nothing_is_said(pod: Pod) -> None:
    half = Limits(max_concurrency=4)
    async with serving("held", "free") as (held, free), pod.client() as client:
        held.reply = hangs(30)
        await pod.route(an_external("held", held.port, limits=half), sharing=LOAD_AWARE)
        waiting = [asyncio.create_task(ask(client)) for _ in range(2)]
        await until(lambda: len(held.seen) == 2)
        await pod.route(
            an_external("held", held.port, limits=half),
            a_managed("free", free.port, limits=half),
            sharing=Sharing(strategy=Strategy.LEAST_CONNECTIONS),
        )
        await pod.route(
            an_external("held", held.port, limits=half),
            a_managed("free", free.port, limits=half),
            sharing=LOAD_AWARE,
        )
        waiting += [asyncio.create_task(ask(client)) for _ in range(4)]
        await until(lambda: len(held.seen) == 4)
        await pod.agent.weigh()
        # Two of four are in flight at the new worker: half of the weight is left.
        assert await weights(pod, (2, 1), order=("free", "held"))
        for task in waiting:
            task.cancel()


async def weights(
    pod: Pod, wanted: tuple[int, int], order: tuple[str, str] = ("one", "two")
) -> bool:
    servers = await pod.agent.servers()
    found = {
        name.partition(".")[0]: server.weight
        for backend, members in servers.items()
        if backend.startswith("tier.")
        for name, server in members.items()
    }
    return (found[order[0]], found[order[1]]) == wanted


async def test_least_connections_shares_equal_requests_within_five_points(pod: Pod) -> None:
    async def slow(endpoint: Endpoint) -> Reply:
        answer = says(upstream=endpoint.name)

        async def reply(request: Request, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.02)
            await answer(request, writer)

        return reply

    async with serving("a", "b", "c", "d") as endpoints:
        for endpoint in endpoints:
            endpoint.reply = await slow(endpoint)
        await pod.route(
            *(a_managed(one.name, one.port) for one in endpoints),
            sharing=Sharing(strategy=Strategy.LEAST_CONNECTIONS),
        )
        async with contextlib.AsyncExitStack() as stack:
            # 64 requests at once
            clients = [await stack.enter_async_context(pod.client()) for _ in range(4)]
            found = await asyncio.gather(*(send(client, NOTHING * 500) for client in clients))
    answered = [name for one in found for name in one]
    assert near(shares(answered, "a", "b", "c", "d"), [25, 25, 25, 25], 5)


async def test_least_connections_avoids_who_is_slow(pod: Pod) -> None:
    async with serving("slow", "quick") as (slow, quick), pod.client() as client:
        slow.reply = hangs(60)
        await pod.route(
            a_managed("slow", slow.port),
            a_managed("quick", quick.port),
            sharing=Sharing(strategy=Strategy.LEAST_CONNECTIONS),
        )
        hanging = [asyncio.create_task(ask(client)) for _ in range(6)]
        # Those that begin at once may meet the slow one twice; each of the others is answered.
        await until(lambda: 0 < len(slow.seen) == sum(not task.done() for task in hanging))
        stuck = len(slow.seen)
        answered = [(await ask(client)).json()["upstream"] for _ in range(20)]
        for task in hanging:
            task.cancel()
    assert answered == ["quick"] * 20
    assert len(slow.seen) == stuck


async def test_ten_thousand_keys_are_shared_within_five_points_and_stay(pod: Pod) -> None:
    keys = [{"x-session": f"session-{number}"} for number in range(10_000)]
    async with serving("a", "b", "c") as (a, b, c), pod.client() as client:
        upstreams = (
            a_managed("a", a.port, weight=2),
            an_external("b", b.port),
            a_managed("c", c.port),
        )
        await pod.route(*upstreams, sharing=BY_KEY)
        first = await send(client, keys)
        again = await send(client, keys[:500])
        # A new worker, and another order of the document, have the same ring.
        await pod.route(*reversed(upstreams), sharing=BY_KEY, models=(MODEL, "more"))
        reloaded = await send(client, keys[:500])
    assert near(shares(first, "a", "b", "c"), [50, 25, 25], 5)
    assert again == first[:500]
    assert reloaded == first[:500]


async def test_a_new_server_takes_only_its_own_part_of_the_keys(pod: Pod) -> None:
    keys = [{"x-session": f"session-{number}"} for number in range(1000)]
    async with serving("a", "b", "c") as (a, b, c), pod.client() as client:
        await pod.route(a_managed("a", a.port, b.port), sharing=BY_KEY)
        before = await send(client, keys)
        worker = await pod.worker()
        await pod.route(a_managed("a", a.port, b.port, c.port), sharing=BY_KEY)
        after = await send(client, keys)
        assert await pod.worker() == worker
    moved = [now for then, now in zip(before, after, strict=True) if then != now]
    assert set(moved) == {"c"}
    assert 200 < len(moved) < 470


async def test_requests_without_the_header_are_shared_in_turn(pod: Pod) -> None:
    async with serving("a", "b") as (a, b), pod.client() as client:
        await pod.route(a_managed("a", a.port), a_managed("b", b.port), sharing=BY_KEY)
        answered = await send(client, NOTHING * 100)
    assert near(shares(answered, "a", "b"), [50, 50], 10)


async def test_a_bound_of_load_hands_a_hot_key_on(pod: Pod) -> None:
    bound = Sharing(
        strategy=Strategy.CONSISTENT_HASH, hash_header="x-session", hash_load_percent=125
    )
    key = {"x-session": "hot"}
    async with serving("a", "b") as endpoints, pod.client() as client:
        for endpoint in endpoints:
            endpoint.reply = hangs(30)
        await pod.route(*(a_managed(one.name, one.port) for one in endpoints), sharing=bound)
        waiting = [asyncio.create_task(ask(client, headers=key)) for _ in range(8)]
        await until(lambda: sum(len(one.seen) for one in endpoints) == 8)
        for task in waiting:
            task.cancel()
    assert min(len(one.seen) for one in endpoints) >= 3


async def test_a_client_address_stays_at_its_server_whatever_it_claims(pod: Pod) -> None:
    by_address = Sharing(strategy=Strategy.SOURCE_IP_HASH)
    claims = [{"x-forwarded-for": f"198.51.100.{number}"} for number in range(100)]
    async with serving("a", "b", "c") as endpoints, pod.client() as client:
        await pod.route(*(a_managed(one.name, one.port) for one in endpoints), sharing=by_address)
        assert len(set(await send(client, claims))) == 1
        found = Counter([await _from(pod, f"127.0.0.{last}") for last in range(2, 62)])
        assert await _from(pod, "127.0.0.9") == await _from(pod, "127.0.0.9")
    assert len(found) == 3


async def test_a_cookie_keeps_a_client_at_its_server_while_that_is_usable(pod: Pod) -> None:
    sticky = Sharing(cookie="autoglm")
    async with serving("a", "b") as (a, b):
        await pod.route(a_managed("a", a.port), a_managed("b", b.port), sharing=sticky)
        async with pod.client() as client, pod.client() as other:
            first = (await ask(client)).json()["upstream"]
            second = (await ask(other)).json()["upstream"]
            assert {first, second} == {"a", "b"}
            stayed = {(await ask(client)).json()["upstream"] for _ in range(10)}
            assert stayed == {first}
            assert "autoglm" not in "".join(str(one.headers) for one in (*a.seen, *b.seen))
            gone = a if first == "a" else b
            await gone.stop()
            moved = {(await ask(client)).json()["upstream"] for _ in range(3)}
            assert moved == {second}


async def _from(pod: Pod, address: str) -> str:
    transport = httpx.AsyncHTTPTransport(local_address=address)
    async with (
        pod.client() as template,
        httpx.AsyncClient(
            base_url=template.base_url, headers=template.headers, transport=transport
        ) as client,
    ):
        return str((await ask(client)).json()["upstream"])
