"""Endpoints that are dead, frozen, lying, slow or flapping: the right status, and nobody disturbed.

While each of them misbehaves towards its own clients, an endpoint beside it, in the same table and
the same HAProxy, goes on answering every one of its requests.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from itertools import count

import httpx
import pytest

from autoglm_api.routing import Retry, Upstream
from autoglm_dataplane.router_agent.observed import ServerState
from fake_upstreams import Reply, Request, drops, hangs, says, sends, serving
from fake_upstreams import Upstream as Endpoint
from router_pods import Pod, ask, ask_many
from routingtables import MODEL, a_managed, an_external

Make = Callable[..., Upstream]
MAKES = pytest.mark.parametrize("make", [a_managed, an_external])
ONCE = Retry(max_attempts=1)
SHORT = {"first_byte_milliseconds": 300}
NEIGHBOUR = "neighbour"
OK = b"HTTP/1.1 200 OK\r\n"
HTML = b"<html>\x00\xff welcome</html>"

BROKEN = {
    "dead": (drops(), 502),
    "frozen": (hangs(), 504),
    "not HTTP": (sends(b"SSH-2.0-OpenSSH_9.2\r\n"), 502),
    "an older HTTP": (sends(HTML), 502),
    "half a head": (sends(OK + b"content-le"), 502),
    "two lengths": (sends(OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}"), 502),
    "no length": (sends(OK + b"content-length: -1\r\n\r\n{}"), 502),
    "an endless head": (sends(OK + b"x: " + b"x" * 300_000 + b"\r\n\r\n"), 502),
    "an unknown way to send": (sends(b"HTTP/1.1 999999 OK\r\n\r\n"), 502),
}
LYING = {
    "a page": (HTML, "text/html"),
    "nothing": (b"", "application/json"),
    "half a JSON object": (b'{"choices": [{"mess', "application/json"),
    "two of each key": (b'{"model": "a", "model": "b", "choices": 1, "choices": []}', "a/json"),
    "no UTF-8": (b"\xff\xfe\x00", "application/json"),
}


@contextlib.asynccontextmanager
async def undisturbed(client: httpx.AsyncClient) -> AsyncGenerator[None]:
    """Meanwhile the endpoint beside answers whatever is asked, and more than once."""
    done = asyncio.Event()
    replies: list[httpx.Response] = []

    async def go_on_asking() -> None:
        while not done.is_set() or len(replies) < 20:
            replies.append(await ask(client, model=NEIGHBOUR))

    asking = asyncio.create_task(go_on_asking())
    try:
        yield
    finally:
        done.set()
        await asking
    assert {(each.status_code, each.json()["upstream"]) for each in replies} == {(200, "well")}


async def route(pod: Pod, *upstreams: Upstream, well: Endpoint) -> None:
    """Route these, and the endpoint beside them."""
    beside = a_managed("well", well.port, model=NEIGHBOUR)
    await pod.route(*upstreams, beside, retry=ONCE)


@MAKES
@pytest.mark.parametrize(("reply", "status"), BROKEN.values(), ids=BROKEN.keys())
async def test_what_is_no_answer_is_said_to_be_none(
    pod: Pod, make: Make, reply: Reply, status: int
) -> None:
    async with serving("bad", "well") as (bad, well), pod.client() as client:
        bad.reply = reply
        await route(pod, make("bad", bad.port, timeouts=SHORT), well=well)
        async with undisturbed(client), pod.client() as own:
            answer = await ask(own)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "server_error"
    assert len(bad.seen) == 1


@MAKES
async def test_nobody_at_the_address_is_503(pod: Pod, make: Make) -> None:
    async with serving("bad", "well") as (bad, well), pod.client() as client:
        await route(pod, make("bad", bad.port), well=well)
        await bad.stop()
        async with undisturbed(client), pod.client() as own:
            answer = await ask(own)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


@MAKES
@pytest.mark.parametrize(("body", "kind"), LYING.values(), ids=LYING.keys())
async def test_an_answer_is_handed_on_as_it_is_however_wrong(
    pod: Pod, make: Make, body: bytes, kind: str
) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    async with serving("bad", "well") as (bad, well), pod.client() as client:
        bad.reply = sends(head.encode() + body)
        await route(pod, make("bad", bad.port), well=well)
        async with undisturbed(client), pod.client() as own:
            answers = await ask_many(own, 10)
    # Who lies in good form is told by the operator's probe; a router does not read answers.
    assert {(each.status_code, each.content) for each in answers} == {(200, body)}
    assert {each.headers["content-type"] for each in answers} == {kind}
    assert len(bad.seen) == 10


@MAKES
@pytest.mark.parametrize(
    "cut",
    [
        OK + b"content-length: 1000\r\n\r\n{",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\ndata:\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\ndata:\r\n",
    ],
    ids=["length", "chunks", "a chunk of no size"],
)
async def test_an_answer_cut_short_never_looks_whole(pod: Pod, make: Make, cut: bytes) -> None:
    async with serving("bad", "well") as (bad, well), pod.client() as client:
        bad.reply = sends(cut)
        await route(pod, make("bad", bad.port), well=well)
        async with undisturbed(client), pod.client() as own:
            try:
                status = (await ask(own)).status_code
            except httpx.RemoteProtocolError:
                status = 0
    assert status in {0, 502}
    # What began is not begun again, wherever it broke off.
    assert len(bad.seen) == 1


@MAKES
async def test_a_slow_endpoint_slows_only_its_own_clients(pod: Pod, make: Make) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"content-length: 2\r\n\r\n{")
        await writer.drain()
        begun.set()
        await go_on.wait()
        writer.write(b"}")
        await writer.drain()

    async with serving("bad", "well") as (bad, well), pod.client() as client:
        bad.reply = slow
        await route(pod, make("bad", bad.port), well=well)
        async with pod.client() as own:
            waiting = [asyncio.create_task(ask(own)) for _ in range(50)]
            await begun.wait()
            async with undisturbed(client):
                pass
            assert not any(each.done() for each in waiting)
            go_on.set()
            answers = await asyncio.gather(*waiting)
    assert {(each.status_code, each.text) for each in answers} == {(200, "{}")}


@MAKES
async def test_a_flapping_endpoint_is_noticed_by_nobody_who_has_another(
    pod: Pod, make: Make
) -> None:
    turn = count()

    async def flaps(request: Request, writer: asyncio.StreamWriter) -> None:
        good = next(turn) // 3 % 2 == 0
        await (says(upstream="bad") if good else drops())(request, writer)

    async with serving("bad", "good", "well") as (bad, good, well), pod.client() as client:
        bad.reply = flaps
        beside = a_managed("well", well.port, model=NEIGHBOUR)
        await pod.route(make("bad", bad.port), make("good", good.port), beside)
        async with undisturbed(client), pod.client() as own:
            answers = await ask_many(own, 60)
        servers = await pod.agent.servers()
    assert {each.status_code for each in answers} == {200}
    by = Counter(each.json()["upstream"] for each in answers)
    # Three failures in a row are not five: it keeps its share of what it answers.
    assert by["bad"] >= 10
    assert {
        server.state
        for backend, found in servers.items()
        for server in found.values()
        if backend.startswith("tier.")
    } == {ServerState.UP}


@MAKES
@pytest.mark.parametrize("sent", [b"", b'{"mo', b'{"model": "glm-test", "messages": ['])
async def test_a_request_cut_short_reaches_no_endpoint(pod: Pod, make: Make, sent: bytes) -> None:
    async with serving("one", "well") as (one, well), pod.client() as client:
        await route(pod, make("one", one.port), well=well)
        async with undisturbed(client):
            _, writer = await asyncio.open_connection("127.0.0.1", pod.where.ports.clients)
            head = (
                "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-client"
            )
            writer.write(f"{head}\r\ncontent-length: 1000\r\n\r\n".encode() + sent)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        # Whoever comes then is served.
        assert (await ask(client)).status_code == 200
    assert len(one.seen) == 1


async def test_other_keys_may_stand_twice_for_they_are_the_endpoints(pod: Pod) -> None:
    body = f'{{"model": {json.dumps(MODEL)}, "messages": [], "n": 1, "n": 2}}'.encode()
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        reply = await client.post("/v1/chat/completions", content=body)
    assert reply.status_code == 200
    assert [request.body for request in one.seen] == [body]
