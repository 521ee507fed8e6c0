"""WebSockets through the router: opened by model, then bytes in both directions, untouched."""

import json
from urllib.parse import parse_qs

import pytest

from autoglm_api.routing import Upstream as Routed
from fake_upstreams import serving
from router_pods import Pod
from routingtables import INTERNAL_TOKEN, MODEL, a_managed, an_external
from websocket_talks import ACCEPT, FRAME, REALTIME, echo, opened


async def refused(pod: Pod, path: str, **options: str) -> tuple[int, str]:
    async with opened(pod.where.ports.clients, path, **options) as (head, reader, _):
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        error = json.loads(await reader.readexactly(length))["error"]
    return int(head.split()[1]), error["code"]


@pytest.mark.parametrize("external", [False, True])
async def test_messages_go_both_ways_and_on_while_the_table_changes(
    pod: Pod, external: bool
) -> None:
    make = an_external if external else a_managed
    key = {"api_key": "key"} if external else {}
    async with serving("one", "two") as (one, two):

        def table(*weights: int) -> list[Routed]:
            weighed = zip((one, two), weights, strict=False)
            return [make(each.name, each.port, weight=weight, **key) for each, weight in weighed]

        echo(one)
        echo(two)
        await pod.route(*table(1, 1))
        worker = await pod.worker()
        async with opened(pod.where.ports.clients, REALTIME) as (head, reader, writer):
            assert head.startswith(b"HTTP/1.1 101 ")
            assert f": {ACCEPT}\r\n".encode() in head
            # The endpoint speaks first, then whoever wants to.
            assert await reader.readexactly(3) in {b"one", b"two"}
            writer.write(FRAME)
            assert await reader.readexactly(len(FRAME)) == FRAME

            for weights in ((9, 1), (1, 9)):
                await pod.route(*table(*weights))
                writer.write(FRAME * 20_000)
                assert await reader.readexactly(len(FRAME) * 20_000) == FRAME * 20_000
            assert await pod.worker() == worker

            # Its upstream leaves the table, and HAProxy is reloaded.
            await pod.route(a_managed("new", two.port))
            assert await pod.worker() != worker
            writer.write(FRAME)
            assert await reader.readexactly(len(FRAME)) == FRAME
    (request,) = (*one.seen, *two.seen)
    assert request.path == REALTIME
    assert request.headers["sec-websocket-protocol"] == "realtime"
    assert request.headers.get("authorization") == ("Bearer key" if external else None)


async def test_an_upstream_is_chosen_by_name_inside(pod: Pod) -> None:
    async with serving("one", "two") as (one, two):
        echo(one)
        echo(two)
        await pod.route(a_managed("one", one.port), a_managed("two", two.port))
        ports = pod.where.ports
        async with opened(ports.internal, "/u/two/v1/realtime", INTERNAL_TOKEN) as (_, reader, _):
            assert await reader.readexactly(3) == b"two"
    assert [request.path for request in two.seen] == ["/v1/realtime"]


async def test_opens_at_a_lower_tier_while_none_above_answers(pod: Pod) -> None:
    async with serving("dead", "backup") as (dead, backup):
        echo(backup)
        await pod.route(a_managed("dead", dead.port), a_managed("backup", backup.port, priority=1))
        await dead.stop()
        async with opened(pod.where.ports.clients, REALTIME) as (head, reader, writer):
            assert head.startswith(b"HTTP/1.1 101 ")
            assert await reader.readexactly(6) == b"backup"
            writer.write(FRAME)
            assert await reader.readexactly(len(FRAME)) == FRAME


async def test_says_what_is_wrong_instead_of_opening(pod: Pod) -> None:
    async with serving("one") as (one,):
        await pod.route(a_managed("one", one.port))
        assert await refused(pod, REALTIME, key="wrong") == (401, "invalid_api_key")
        for upgrade in ("", "upgrade: h2c\r\n", "upgrade: websocket, other\r\n"):
            assert await refused(pod, REALTIME, more=upgrade) == (400, "websocket_required")
        async with pod.client() as client:
            reply = await client.post(REALTIME, json={}, headers={"upgrade": "websocket"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "websocket_required")
        assert await refused(pod, "/v1/realtime") == (400, "missing_model")
        assert await refused(pod, f"{REALTIME}&%6dodel=x") == (400, "missing_model")
        assert await refused(pod, "/v1/realtime?model=x") == (404, "model_not_found")
    assert one.seen == []


@pytest.mark.parametrize("query", ["model={}", "voice=a%26b&model={}&x=1&remodel=2"])
@pytest.mark.parametrize("external", [False, True])
async def test_an_endpoint_is_asked_for_its_own_name_of_the_model(
    pod: Pod, query: str, external: bool
) -> None:
    make = an_external if external else a_managed
    async with serving("one") as (one,):
        echo(one)
        await pod.route(make("one", one.port, endpoint_model="4-vendor/glm:1"))
        path = f"/v1/realtime?{query.format(MODEL)}"
        async with opened(pod.where.ports.clients, path) as (head, reader, writer):
            assert head.startswith(b"HTTP/1.1 101 ")
            writer.write(FRAME)
            assert await reader.readexactly(3 + len(FRAME)) == b"one" + FRAME
    (request,) = one.seen
    asked = parse_qs(request.path.partition("?")[2])
    before = parse_qs(query.format("4-vendor%2Fglm%3A1"))
    assert asked == before
