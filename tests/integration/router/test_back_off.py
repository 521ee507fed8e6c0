"""A request is repeated at an External endpoint after a pause, which doubles; elsewhere at once."""

import asyncio
import itertools

import pytest

from autoglm_api.routing import Breaker, Retry
from fake_upstreams import Reply, Request, says, serving
from router_pods import Pod, ask
from routingtables import an_external

LEAST_SECONDS = (0.075, 0.15, 0.3)
"""100 ms and its doubles, less what the jitter may take."""
PATIENT = Breaker(consecutive_failures=100)


def timed(reply: Reply, seen_at: list[float]) -> Reply:
    """The same reply, and when it was asked for."""

    async def noting(request: Request, writer: asyncio.StreamWriter) -> None:
        if not request.probe:
            seen_at.append(asyncio.get_running_loop().time())
        await reply(request, writer)

    return noting


@pytest.mark.parametrize("names", [("one",), ("one", "two")], ids=["alone", "in turn"])
async def test_the_pause_doubles(pod: Pod, names: tuple[str, ...]) -> None:
    """Whoever of the tier failed before."""
    seen_at: list[float] = []
    async with serving(*names) as upstreams, pod.client() as client:
        for upstream in upstreams:
            upstream.reply = timed(says(503), seen_at)
        table = (an_external(one.name, one.port) for one in upstreams)
        await pod.route(*table, retry=Retry(max_attempts=4), breaker=PATIENT)
        reply = await ask(client)
    assert reply.status_code == 503
    pauses = [after - before for before, after in itertools.pairwise(seen_at)]
    assert len(pauses) == 3
    assert all(pause >= least for pause, least in zip(pauses, LEAST_SECONDS, strict=True)), pauses


async def test_no_connection_is_a_failure_as_well(pod: Pod) -> None:
    seen_at: list[float] = []
    async with serving("gone", "good") as (gone, good), pod.client() as client:
        await gone.stop()
        good.reply = timed(says(upstream="good"), seen_at)
        await pod.route(
            an_external("gone", gone.port), an_external("good", good.port), breaker=PATIENT
        )
        took: list[float] = []
        for _ in range(4):
            began = asyncio.get_running_loop().time()
            assert (await ask(client)).status_code == 200
            took.append(seen_at[-1] - began)
    # Those whose turn began at the other one.
    assert max(took) >= LEAST_SECONDS[0], took


async def test_endpoints_never_see_what_counts_the_attempts(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        one.reply = says(upstream="one")
        await pod.route(an_external("one", one.port))
        await ask(client, headers={"x-autoglm-attempts": "mine"})
    assert "x-autoglm-attempts" not in one.seen[-1].headers
