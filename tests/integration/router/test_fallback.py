"""The next tier within the same request: no client sees the failures of the one above."""

import json
from collections import Counter
from collections.abc import Callable

import pytest

from autoglm_api.routing import ChatCompletionRetry, Retry, Upstream
from autoglm_api.routingpolicies import Limits, Sharing, Strategy
from fake_upstreams import Reply, drops, hangs, says, serving, streams
from router_pods import Pod, ask, ask_many
from routingtables import MODEL, a_managed, an_external

Make = Callable[..., Upstream]
MAKES = pytest.mark.parametrize("make", [a_managed, an_external])
PATH = "/v1/chat/completions"
SHORT = {"first_byte_milliseconds": 300}


@MAKES
@pytest.mark.parametrize(
    "reply",
    [says(500), says(503), says(429), drops(), hangs()],
    ids=["500", "503", "429", "cut", "frozen"],
)
async def test_no_request_fails_while_a_lower_tier_works(
    pod: Pod, make: Make, reply: Reply
) -> None:
    async with serving("one", "two", "backup") as (one, two, backup), pod.client() as client:
        one.reply = two.reply = reply
        await pod.route(
            make("one", one.port, timeouts=SHORT),
            make("two", two.port, timeouts=SHORT),
            make("backup", backup.port, priority=1),
        )
        replies = await ask_many(client, 12)
    assert Counter((each.status_code, each.text) for each in replies) == {
        (200, json.dumps({"upstream": "backup"})): 12
    }
    assert len(one.seen) + len(two.seen) <= 2 * 12


async def test_refused_connections_do_not_reach_the_client_either(pod: Pod) -> None:
    async with serving("one", "backup") as (one, backup), pod.client() as client:
        await pod.route(a_managed("one", one.port), a_managed("backup", backup.port, priority=1))
        await one.stop()
        replies = await ask_many(client, 12)
    assert {each.status_code for each in replies} == {200}


async def test_all_attempts_together_are_as_many_as_allowed(pod: Pod) -> None:
    async with serving("one", "backup", "last") as (one, backup, last):
        one.reply = backup.reply = last.reply = says(429)
        upstreams = (
            a_managed("one", one.port),
            a_managed("backup", backup.port, priority=1),
            a_managed("last", last.port, priority=2),
        )
        sent = dict[int, tuple[int, int, int]]()
        for attempts in (1, 2, 4):
            for each in (one, backup, last):
                each.seen.clear()
            await pod.route(*upstreams, retry=Retry(max_attempts=attempts))
            # A connection that was idle at the reload gets one more reply by the old table.
            async with pod.client() as client:
                assert (await ask(client)).status_code == 429
            sent[attempts] = (len(one.seen), len(backup.seen), len(last.seen))
    # A single server that says 429 is not asked twice.
    assert sent == {1: (1, 0, 0), 2: (1, 1, 0), 4: (1, 1, 0)}


async def test_a_tier_of_broken_servers_gets_all_attempts_but_one(pod: Pod) -> None:
    async with serving("one", "backup") as (one, backup), pod.client() as client:
        one.reply = backup.reply = says(502)
        await pod.route(
            a_managed("one", one.port),
            a_managed("backup", backup.port, priority=1),
            retry=Retry(max_attempts=4),
        )
        reply = await ask(client)
    assert reply.status_code == 502
    assert (len(one.seen), len(backup.seen)) == (3, 1)


async def test_what_must_not_be_repeated_is_not(pod: Pod) -> None:
    async with serving("one", "backup") as (one, backup), pod.client() as client:
        one.reply = says(500)
        upstreams = (a_managed("one", one.port), a_managed("backup", backup.port, priority=1))
        never = Retry(chat_completions=ChatCompletionRetry.NEVER)
        await pod.route(*upstreams, retry=never)
        refused = await ask(client)
        keyed = await ask(client, headers={"idempotency-key": "k"})
    assert (refused.status_code, keyed.status_code) == (500, 200)
    assert len(backup.seen) == 1


async def test_a_stream_that_began_is_not_begun_again(pod: Pod) -> None:
    async with serving("one", "backup") as (one, backup), pod.client() as client:
        one.reply = streams(3, 0.1)
        await pod.route(a_managed("one", one.port), a_managed("backup", backup.port, priority=1))
        reply = await ask(client, stream=True)
    assert reply.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert backup.seen == []


async def test_a_tier_without_a_usable_server_is_left_out(pod: Pod) -> None:
    async with serving("one", "backup", "last") as (one, backup, last), pod.client() as client:
        backup.reply = says(500)
        await pod.route(
            a_managed("one", one.port),
            a_managed("backup", backup.port, priority=1),
            a_managed("last", last.port, priority=2),
            retry=Retry(max_attempts=2),
        )
        one.reply = says(500)
        # Opens the circuits of both, one after the other.
        codes = [(await ask(client)).status_code for _ in range(5)]
        one.reply = says(500)
        later = await ask_many(client, 5)
    assert codes == [500] * 5
    assert [each.json()["upstream"] for each in later] == ["last"] * 5


async def test_inside_and_in_the_log_it_is_told_who_answered(pod: Pod) -> None:
    async with serving("one", "backup") as (one, backup), pod.internal() as inside:
        one.reply = says(500)
        await pod.route(a_managed("one", one.port), an_external("backup", backup.port, priority=1))
        reply = await ask(inside)
        large = await ask(inside, filler="x" * 100_000)
        async with pod.client() as client:
            outside = await ask(client)
    assert reply.headers["x-autoglm-upstream"] == large.headers["x-autoglm-upstream"] == "backup"
    assert not [name for name in outside.headers if "autoglm" in name]
    assert not [name for name in backup.seen[0].headers if "autoglm" in name]
    lines = [json.loads(line) for line in pod.log().splitlines() if line.startswith("{")]
    assert [(line["model"], line["upstream"], line["server"]) for line in lines] == [
        (MODEL, "backup", "backup")
    ] * 3


async def test_a_body_beyond_the_buffer_stays_where_it_was_sent(pod: Pod) -> None:
    async with serving("one", "backup") as (one, backup), pod.client() as client:
        one.reply = says(500)
        await pod.route(a_managed("one", one.port), a_managed("backup", backup.port, priority=1))
        small = await ask(client, filler="x" * 110_000)
        large = await ask(client, filler="x" * 300_000)
        one.reply = says(200, upstream="one")
        whole = await ask(client, filler="x" * 3_000_000)
    assert (small.status_code, large.status_code, whole.status_code) == (200, 500, 200)
    assert len(one.seen[-1].body) > 3_000_000


async def test_strategies_hold_on_the_way_through(pod: Pod) -> None:
    sharing = Sharing(strategy=Strategy.SOURCE_IP_HASH)
    async with serving("one", "two", "backup") as (one, two, backup), pod.client() as client:
        await pod.route(
            a_managed("one", one.port),
            a_managed("two", two.port),
            a_managed("backup", backup.port, priority=1),
            sharing=sharing,
        )
        await ask_many(client, 20)
        by_address = sorted(len(each.seen) for each in (one, two))
        await pod.route(
            a_managed("one", one.port, weight=3),
            a_managed("two", two.port),
            a_managed("backup", backup.port, priority=1),
        )
        one.seen.clear()
        two.seen.clear()
        await ask_many(client, 40)
    assert by_address == [0, 20]
    assert len(one.seen) + len(two.seen) == 40
    # The first request of a kept connection may still meet the old worker, and its strategy.
    assert len(one.seen) in (29, 30, 31)


async def test_a_limit_per_minute_leads_to_the_next_tier(pod: Pod) -> None:
    async with serving("one", "backup") as (one, backup), pod.client() as client:
        await pod.route(
            an_external("one", one.port, limits=Limits(requests_per_minute=3)),
            a_managed("backup", backup.port, priority=1),
        )
        replies = await ask_many(client, 6)
    # The router's own probe is a request, too, and is counted like one.
    taken = len(one.seen)
    assert taken + len(one.probes) == 3
    assert Counter(each.json()["upstream"] for each in replies) == {
        "one": taken,
        "backup": 6 - taken,
    }
