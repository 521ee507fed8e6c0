"""The limit of a whole request: answers that keep coming end, once, and nothing else does."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx
import pytest

from autoglm_api.routing import Breaker, Timeouts, Upstream
from fake_upstreams import Reply, hangs, says, serving, streams
from router_pods import START_SECONDS, Pod, ask, until, watching
from routingtables import INTERNAL_TOKEN, MODEL, a_managed, an_external
from websocket_talks import FRAME, REALTIME, echo, opened

SECONDS = 1.0
SHORT = Timeouts(request_milliseconds=int(SECONDS * 1000))
FOR_EVER = streams(100_000, 0.05)
FIRST_FAILURE = Breaker(consecutive_failures=1)
LARGE = "x" * 150_000


def a_renamed(name: str, port: int, **fields: object) -> Upstream:
    return a_managed(name, port, endpoint_model="own-name", **fields)


MAKES = pytest.mark.parametrize("make", [a_managed, an_external, a_renamed])
REPLIES = pytest.mark.parametrize("reply", [FOR_EVER, hangs()], ids=["endless", "silent"])
Make = Callable[..., Upstream]


@dataclass(frozen=True)
class Ended:
    """What a client saw of its request."""

    seconds: float
    status: int | None
    whole: bool


async def ended(
    client: httpx.AsyncClient, path: str = "/v1/chat/completions", **fields: object
) -> Ended:
    """Ask, and read the answer to its end or to where it breaks off."""
    begun = time.monotonic()
    body: dict[str, object] = {"messages": [], "model": MODEL, **fields}
    status, whole = None, False
    try:
        async with (
            asyncio.timeout(START_SECONDS),
            client.stream("POST", path, json=body) as reply,
        ):
            status = reply.status_code
            await reply.aread()
            whole = True
    except httpx.RemoteProtocolError:
        pass
    return Ended(time.monotonic() - begun, status, whole)


def cut(found: Ended) -> bool:
    """Whether it was broken off, and not before its time."""
    return not found.whole and found.seconds >= SECONDS


@MAKES
async def test_an_endless_answer_ends_and_one_that_may_last_goes_on(pod: Pod, make: Make) -> None:
    async with serving("one", "two") as (one, two), pod.client() as client, watching(pod):
        one.reply = two.reply = FOR_EVER
        await pod.route(
            make("one", one.port, timeouts=SHORT),
            make("two", two.port, model="patient"),
            breaker=FIRST_FAILURE,
        )
        patient = asyncio.create_task(ended(client, model="patient"))
        await until(lambda: len(two.seen) == 1)
        found = await ended(client)
        assert not patient.done()
        one.reply = says(upstream="one")
        after = await ask(client)
        patient.cancel()
        await asyncio.gather(patient, return_exceptions=True)
    assert cut(found)
    assert found.status == 200
    # It is no failure of the endpoint, and nobody asked it again.
    assert after.status_code == 200
    assert len(one.seen) == 2


@MAKES
async def test_a_request_without_an_answer_ends_and_is_not_sent_again(pod: Pod, make: Make) -> None:
    async with serving("one", "two") as (one, two), pod.client() as client, watching(pod):
        one.reply = two.reply = hangs()
        await pod.route(
            make("one", one.port, timeouts=SHORT), make("two", two.port, timeouts=SHORT)
        )
        found = await ended(client)
        await until(lambda: '"termination":"KC"' in pod.log().replace(" ", ""))
    assert cut(found)
    assert found.status is None
    assert len(one.seen) + len(two.seen) == 1
    (line,) = (json.loads(line) for line in pod.log().splitlines() if line.startswith("{"))
    assert (line["status"], line["retries"], line["termination"]) == (500, 0, "KC")


@MAKES
@REPLIES
async def test_the_next_tier_does_not_take_it_over(pod: Pod, make: Make, reply: Reply) -> None:
    async with serving("one", "backup") as (one, backup), pod.client() as client, watching(pod):
        one.reply = reply
        await pod.route(
            make("one", one.port, timeouts=SHORT),
            make("backup", backup.port, priority=1),
        )
        found = await ended(client)
    assert cut(found)
    assert (len(one.seen), len(backup.seen)) == (1, 0)


async def test_members_of_a_tier_keep_their_own_limits_above_another_tier(pod: Pod) -> None:
    async with (
        serving("one", "two", "backup") as (one, two, backup),
        pod.client() as client,
        watching(pod),
    ):
        one.reply = two.reply = FOR_EVER
        await pod.route(
            a_managed("one", one.port, timeouts=SHORT),
            a_managed("two", two.port),
            a_managed("backup", backup.port, priority=1),
        )
        asked = [asyncio.create_task(ended(client)) for _ in range(4)]
        await until(lambda: sum(task.done() for task in asked) == 2)
        assert all(cut(task.result()) for task in asked if task.done())
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    assert (len(one.seen), len(two.seen), len(backup.seen)) == (2, 2, 0)


@REPLIES
async def test_holds_through_the_lane(pod: Pod, reply: Reply) -> None:
    async with serving("one", "two") as (one, two), pod.client() as client, watching(pod):
        one.reply = two.reply = reply
        await pod.route(
            a_managed("one", one.port, timeouts=SHORT), a_managed("two", two.port, timeouts=SHORT)
        )
        found = await ended(client, filler=LARGE)
    assert found.seconds >= SECONDS
    # The lane's end of the way is an answer that did not come, as long as none has begun.
    assert (found.status, found.whole) == ((200, False) if reply is FOR_EVER else (502, True))
    assert len(one.seen) + len(two.seen) == 1


@MAKES
async def test_holds_inside_for_an_upstream_by_name(pod: Pod, make: Make) -> None:
    async with serving("one") as (one,), pod.internal() as inside, watching(pod):
        one.reply = FOR_EVER
        await pod.route(make("one", one.port, timeouts=SHORT))
        found = await ended(inside, path="/u/one/v1/chat/completions")
    assert cut(found)
    assert len(one.seen) == 1


@pytest.mark.parametrize("make", [a_managed, an_external])
@pytest.mark.parametrize("tiers", [1, 2])
async def test_websockets_stay_open(pod: Pod, make: Make, tiers: int) -> None:
    async with serving("one") as (one,), pod.client() as client, watching(pod):
        echo(one)
        lower = make("lower", one.port, priority=1, timeouts=SHORT)
        await pod.route(make("one", one.port, timeouts=SHORT), *[lower][: tiers - 1])
        ports = pod.where.ports
        async with (
            opened(ports.clients, REALTIME) as (_, reader, writer),
            opened(ports.internal, "/u/one/v1/realtime", INTERNAL_TOKEN) as (_, other, _),
        ):
            await reader.readexactly(3)
            await other.readexactly(3)
            one.reply = FOR_EVER
            # Begun later and cut, so the time of the WebSockets would be over, too.
            assert cut(await ended(client))
            writer.write(FRAME)
            assert await reader.readexactly(len(FRAME)) == FRAME
            assert not other.at_eof()


@MAKES
async def test_holds_in_a_worker_that_a_reload_left_behind(pod: Pod, make: Make) -> None:
    # It shall not be the old worker's own end that ends the answer.
    pod.where = replace(pod.where, drain_seconds=600)
    pod.new_agent()
    async with serving("one", "two") as (one, two), pod.client() as client, watching(pod):
        one.reply = FOR_EVER
        await pod.route(make("one", one.port, timeouts=SHORT))
        worker = await pod.worker()
        asked = asyncio.create_task(ended(client))
        await until(lambda: len(one.seen) == 1)
        await pod.route(make("two", two.port))
        assert await pod.worker() != worker
        assert not asked.done()
        found = await asked
    assert cut(found)
    assert len(one.seen) == 1


async def test_an_answer_within_its_limit_is_whole(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client, watching(pod):
        one.reply = streams(40, 0.1)
        limit = Timeouts(request_milliseconds=30_000)
        await pod.route(
            a_managed("one", one.port, timeouts=limit),
            a_managed("other", one.port, model="other", timeouts=SHORT),
        )
        found = await ended(client)
    assert found.whole
