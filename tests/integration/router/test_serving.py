"""What clients see: answers by model, refusals, streams."""

import asyncio
import json
from collections import Counter
from itertools import pairwise

import pytest

from autoglm_api.routing import Listener, Planner
from fake_upstreams import says, serving, streams_after
from router_pods import Pod, ask, ask_many
from routingtables import INTERNAL_TOKEN, MODEL, a_managed, a_server, an_external


def error_of(text: str) -> dict[str, object]:
    error: dict[str, object] = json.loads(text)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


async def test_turns_everybody_away_before_the_first_document(pod: Pod) -> None:
    async with pod.client() as client:
        reply = await ask(client)
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "5"
    assert error_of(reply.text)["code"] == "router_not_ready"


async def test_passes_a_completion_through(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        reply = await ask(client, temperature=0.5)
    assert reply.json() == {"upstream": "one"}
    assert json.loads(one.seen[0].body)["temperature"] == 0.5
    assert "authorization" not in one.seen[0].headers
    assert reply.headers["x-request-id"] == one.seen[0].headers["x-request-id"]


async def test_keeps_a_request_id_that_is_one(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        kept = await ask(client, headers={"x-request-id": "my-request-1"})
        made = await ask(client, headers={"x-request-id": "x y"})
    assert kept.headers["x-request-id"] == "my-request-1"
    assert made.headers["x-request-id"] != "x y"


@pytest.mark.parametrize("key", ["", "wrong"])
async def test_refuses_who_has_no_key(pod: Pod, key: str) -> None:
    async with serving("one") as (one,), pod.client(key) as client:
        await pod.route(a_managed("one", one.port))
        reply = await ask(client)
    assert reply.status_code == 401
    assert error_of(reply.text)["code"] == "invalid_api_key"
    assert one.seen == []


async def test_refuses_an_unknown_model(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        reply = await ask(client, model="other")
    assert reply.status_code == 404
    assert error_of(reply.text)["code"] == "model_not_found"


async def test_says_503_for_a_model_without_an_eligible_upstream(pod: Pod) -> None:
    async with pod.client() as client:
        await pod.route()
        reply = await ask(client)
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "5"
    assert error_of(reply.text)["code"] == "no_usable_endpoint"


@pytest.mark.parametrize(
    ("path", "status"), [("/", 404), ("/v1/embeddings", 404), ("/u/one/v1/models", 404)]
)
async def test_offers_nothing_else(pod: Pod, path: str, status: int) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        reply = await ask(client, path=path)
    assert reply.status_code == status
    assert error_of(reply.text)["code"] == "unknown_url"


async def test_wants_post_for_a_completion(pod: Pod) -> None:
    async with pod.client() as client:
        await pod.route()
        reply = await client.get("/v1/chat/completions")
    assert reply.status_code == 405


@pytest.mark.parametrize("body", [b"", b"not json", b"{}", b'{"messages": []}'])
async def test_wants_a_model(pod: Pod, body: bytes) -> None:
    async with pod.client() as client:
        await pod.route()
        reply = await client.post("/v1/chat/completions", content=body)
    assert reply.status_code == 400
    assert error_of(reply.text)["code"] == "missing_model"


async def test_refuses_a_body_over_the_limit_before_it_is_sent(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port), listener=Listener(max_body_bytes=10_000))
        reply = await ask(client, filler="x" * 10_000)
    assert reply.status_code == 413
    assert error_of(reply.text)["code"] == "request_too_large"


async def test_lists_models_from_the_document(pod: Pod) -> None:
    async with pod.client() as client:
        await pod.route(models=(MODEL, "org/other-9B"), planner=Planner(models=("autoglm",)))
        listed = (await client.get("/v1/models")).json()
        one = (await client.get("/v1/models/org%2Fother-9B")).json()
        none = await client.get("/v1/models/nothing")
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["autoglm", MODEL, "org/other-9B"]
    assert one["id"] == "org/other-9B"
    assert none.status_code == 404


async def test_takes_tasks_and_virtual_models_to_the_planner(pod: Pod) -> None:
    async with serving("planner") as (planner,), pod.client() as client:
        await pod.route(planner=Planner(models=("autoglm",), servers=(a_server(planner.port),)))
        await client.post("/v1/tasks", json={"type": "question"})
        await client.get("/v1/runs/17/events?last=3")
        await ask(client, model="autoglm")
    asked = [request for request in planner.seen if request.path != "/readyz"]
    assert [(request.method, request.path) for request in asked] == [
        ("POST", "/v1/tasks"),
        ("GET", "/v1/runs/17/events?last=3"),
        ("POST", "/v1/chat/completions"),
    ]
    assert {request.headers["authorization"] for request in asked} == {f"Bearer {INTERNAL_TOKEN}"}


async def test_reaches_one_upstream_by_name_with_the_internal_token(pod: Pod) -> None:
    async with serving("one", "two") as (one, two), pod.internal() as client:
        await pod.route(a_managed("one", one.port), an_external("two", two.port, path="/api/v4"))
        chosen = await ask(client, path="/u/two/v1/chat/completions")
        shared = await ask_many(client, 4)
        nobody = await ask(client, path="/u/three/v1/chat/completions")
    assert chosen.json() == {"upstream": "two"}
    assert chosen.headers["x-autoglm-upstream"] == "two"
    assert two.seen[0].path == "/api/v4/chat/completions"
    assert Counter(reply.headers["x-autoglm-upstream"] for reply in shared) == {"one": 2, "two": 2}
    assert nobody.status_code == 404
    assert error_of(nobody.text)["code"] == "upstream_not_found"


@pytest.mark.parametrize("token", ["", "sk-client"])
async def test_refuses_a_client_key_on_the_internal_port(pod: Pod, token: str) -> None:
    async with serving("one") as (one,), pod.internal(token) as client:
        await pod.route(a_managed("one", one.port))
        assert (await ask(client)).status_code == 401


async def test_does_not_tell_clients_which_upstream_answered(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        assert "x-autoglm-upstream" not in (await ask(client)).headers


async def test_shares_by_weight(pod: Pod) -> None:
    async with serving("heavy", "also", "light") as upstreams, pod.client() as client:
        heavy, also, light = upstreams
        await pod.route(
            a_managed("heavy", heavy.port, also.port, weight=3),
            a_managed("light", light.port, weight=1),
        )
        replies = await ask_many(client, 400)
    assert {reply.status_code for reply in replies} == {200}
    shares = [len(one.seen) / 400 for one in upstreams]
    assert shares == pytest.approx([0.375, 0.375, 0.25], abs=0.02)


async def test_hands_a_streams_events_on_at_once(pod: Pod) -> None:
    loop = asyncio.get_running_loop()
    received = asyncio.Semaphore(0)
    async with serving("one") as (one,), pod.client() as client:
        # The next event is sent when the one before has arrived, so that none is held back by load.
        one.reply = streams_after(20, received.acquire)
        await pod.route(an_external("one", one.port))
        arrived = [loop.time()]
        async with client.stream(
            "POST", "/v1/chat/completions", json={"model": MODEL, "stream": True}
        ) as reply:
            async for _ in reply.aiter_raw():
                arrived.append(loop.time())
                received.release()
    assert len(arrived) >= 20
    # Without http-no-delay every event waits for the kernel's 200 ms; a busy machine delays a few.
    late = [later - earlier for earlier, later in pairwise(arrived) if later - earlier > 0.15]
    assert len(late) < 10, late


async def test_does_not_hand_a_redirect_on(pod: Pod) -> None:
    async with serving("one", "elsewhere") as (one, elsewhere), pod.client() as client:
        location = f"location: http://127.0.0.1:{elsewhere.port}/\r\n"
        one.reply = says(307, headers=location)
        await pod.route(an_external("one", one.port, api_key="secret"))
        reply = await ask(client)
    assert reply.status_code == 502
    assert "location" not in reply.headers
    assert elsewhere.seen == []
