"""Bodies that HAProxy cannot route by itself: large, ambiguous, or to be renamed."""

import asyncio
import json
from collections.abc import AsyncGenerator

import httpx
import pytest

from autoglm_api.routing import Breaker, Listener, Retry
from autoglm_dataplane.router_agent.observed import ServerState
from fake_upstreams import says, serving, streams
from router_pods import Pod, ask, until
from routingtables import MODEL, a_managed, an_external

LARGE = "x" * 1_000_000
PATH = "/v1/chat/completions"


def model_last(model: str = MODEL, filler: str = LARGE) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": filler}], "model": model}).encode()


async def in_parts(body: bytes, size: int = 50_000) -> AsyncGenerator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def code_of(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("first", [False, True])
async def test_routes_a_large_body_wherever_its_model_stands(
    pod: Pod, chunked: bool, first: bool
) -> None:
    body = json.dumps({"model": MODEL, "messages": LARGE}).encode() if first else model_last()
    async with serving("one", "other") as (one, other), pod.client() as client:
        await pod.route(
            an_external("one", one.port, api_key="key-one"),
            a_managed("other", other.port, model="other"),
        )
        reply = await client.post(PATH, content=in_parts(body) if chunked else body)
    assert reply.json() == {"upstream": "one"}
    (seen,) = one.seen
    assert seen.body == body
    assert seen.headers["authorization"] == "Bearer key-one"
    assert reply.headers["x-request-id"] == seen.headers["x-request-id"]
    assert not [name for name in seen.headers if name.startswith("x-autoglm") or name == "x-model"]
    assert other.seen == []


async def test_a_name_in_the_header_spares_the_lane(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        reply = await client.post(PATH, content=model_last("whatever"), headers={"x-model": MODEL})
    assert reply.status_code == 200
    assert len(one.seen) == 1


@pytest.mark.parametrize("size", [10, 1_000_000])
@pytest.mark.parametrize("key", ["model", "\\u006dodel", "mod\\u0065l"])
async def test_refuses_a_body_that_names_its_model_twice(pod: Pod, size: int, key: str) -> None:
    text = f'{{"model": "{MODEL}", "x": "{"y" * size}", "{key}": "other"}}'
    async with serving("one", "other") as (one, other), pod.client() as client:
        await pod.route(a_managed("one", one.port), a_managed("o", other.port, model="other"))
        reply = await client.post(PATH, content=text.encode())
        assert code_of(reply) == (400, "duplicate_model")
        assert (await ask(client)).status_code == 200
    assert (len(one.seen), other.seen) == (1, [])


async def test_takes_a_body_whose_tools_have_a_model_of_their_own(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        tools = [{"function": {"parameters": {"properties": {"model": {"type": "string"}}}}}]
        reply = await ask(client, tools=tools)
    assert reply.status_code == 200
    assert json.loads(one.seen[0].body)["tools"] == tools


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (model_last("nobody"), 404, "model_not_found"),
        (model_last("bad name"), 404, "model_not_found"),
        (json.dumps({"messages": LARGE}).encode(), 400, "missing_model"),
        (json.dumps([LARGE]).encode(), 400, "invalid_json"),
        (LARGE.encode(), 400, "invalid_json"),
    ],
)
async def test_says_what_is_wrong_with_a_large_body(
    pod: Pod, body: bytes, status: int, code: str
) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        assert code_of(await client.post(PATH, content=body)) == (status, code)
    assert one.seen == []


@pytest.mark.parametrize("filler", ["x", LARGE])
async def test_refuses_a_header_that_contradicts_the_body(pod: Pod, filler: str) -> None:
    body = model_last(filler=filler)
    async with serving("one", "other") as (one, other), pod.client() as client:
        await pod.route(a_managed("one", one.port), a_managed("o", other.port, model="other"))
        reply = await client.post(
            PATH, content=in_parts(body, 1 << 20), headers={"x-model": "other"}
        )
    assert code_of(reply) == (400, "model_mismatch")
    assert (one.seen, other.seen) == ([], [])


async def test_counts_a_body_that_hides_its_length(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port), listener=Listener(max_body_bytes=500_000))
        reply = await client.post(PATH, content=in_parts(model_last()), headers={"x-model": MODEL})
    assert code_of(reply) == (413, "request_too_large")
    assert one.seen == []


async def test_a_body_cut_short_reaches_nobody_and_disturbs_nobody(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        _, writer = await asyncio.open_connection("127.0.0.1", pod.where.ports.clients)
        head = f"POST {PATH} HTTP/1.1\r\nhost: r\r\nauthorization: Bearer sk-client\r\n"
        writer.write(f"{head}content-length: 1000000\r\n\r\n".encode() + model_last()[:300_000])
        await writer.drain()
        writer.close()
        assert (await client.post(PATH, content=model_last())).status_code == 200
        await until(lambda: not list(pod.directory.glob("tmp*")))
    assert len(one.seen) == 1


async def test_a_client_cannot_give_the_lane_orders(pod: Pod) -> None:
    orders = {
        "x-autoglm-lane-back": "lane-internal.sock",
        "x-autoglm-lane-model": "other",
        "x-autoglm-lane-limit": "5",
    }
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        reply = await client.post(PATH, content=model_last(), headers=orders)
    assert reply.status_code == 200
    assert "x-autoglm-upstream" not in reply.headers
    assert json.loads(one.seen[0].body)["model"] == MODEL


async def test_streams_come_through_event_by_event(pod: Pod) -> None:
    loop = asyncio.get_running_loop()
    async with serving("one") as (one,), pod.client() as client:
        one.reply = streams(5, 0.3)
        await pod.route(a_managed("one", one.port))
        begin, arrived = loop.time(), list[float]()
        async with client.stream("POST", PATH, content=model_last()) as reply:
            async for _ in reply.aiter_raw():
                arrived.append(loop.time() - begin)
    assert len(arrived) >= 5
    assert arrived[-1] - arrived[0] > 0.8


async def test_planner_and_executors_have_the_lane_too(pod: Pod) -> None:
    async with serving("one") as (one,), pod.internal() as client:
        await pod.route(a_managed("one", one.port))
        reply = await client.post(PATH, content=model_last())
    assert reply.headers["x-autoglm-upstream"] == "one"


@pytest.mark.parametrize("filler", ["short", LARGE])
async def test_one_public_name_over_endpoints_with_names_of_their_own(
    pod: Pod, filler: str
) -> None:
    async with serving("same", "vendor", "pod1", "pod2") as endpoints, pod.client() as client:
        same, vendor, pod1, pod2 = endpoints
        await pod.route(
            a_managed("same", same.port),
            an_external(
                "vendor", vendor.port, endpoint_model="glm-4.6", api_key="kv", path="/api/v4"
            ),
            a_managed("pods", pod1.port, pod2.port, endpoint_model="glm-own"),
        )
        replies = [
            await ask(client, messages=[{"role": "user", "content": filler}], n=number)
            for number in range(12)
        ]
        models = (await client.get("/v1/models")).json()["data"]
    assert {reply.status_code for reply in replies} == {200}
    written = [{json.loads(one.body)["model"] for one in each.seen} for each in endpoints]
    assert written == [{MODEL}, {"glm-4.6"}, {"glm-own"}, {"glm-own"}]
    assert [len(each.seen) for each in endpoints] == [4, 4, 2, 2]
    assert all(json.loads(one.body)["messages"] for each in endpoints for one in each.seen)
    assert {one.headers.get("authorization") for one in vendor.seen} == {"Bearer kv"}
    assert {one.path for one in vendor.seen} == {"/api/v4/chat/completions"}
    assert [model["id"] for model in models] == [MODEL]


async def test_a_renamed_endpoint_is_probed_by_its_own_name(pod: Pod) -> None:
    async with serving("bad", "pod") as (bad, own), pod.client() as client:
        bad.reply = own.reply = says(503)
        await pod.route(
            an_external("bad", bad.port, endpoint_model="glm-4.6"),
            a_managed("own", own.port, endpoint_model="glm-own"),
            retry=Retry(max_attempts=1),
            breaker=Breaker(open_milliseconds=300),
        )
        for _ in range(12):
            await ask(client)
        bad.reply = own.reply = says(200)

        async def closed() -> bool:
            servers = await pod.agent.servers()
            states = {one.state for each in servers.values() for one in each.values()}
            return states == {ServerState.UP}

        await until(closed)
    assert {json.loads(one.body)["model"] for one in bad.probes} == {"glm-4.6"}
    assert {json.loads(one.body)["model"] for one in own.probes} >= {"glm-own"}


async def test_many_large_bodies_at_once(pod: Pod) -> None:
    body = model_last(filler="x" * 4_000_000)
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        replies = await asyncio.gather(*(client.post(PATH, content=body) for _ in range(20)))
    assert {reply.status_code for reply in replies} == {200}
    assert {len(seen.body) for seen in one.seen} == {len(body)}
