"""The line that every request leaves in HAProxy's log, and the identities it is found by."""

import asyncio
import hashlib
import json
import re
import socket
from typing import Any

import pytest

from autoglm_api.routing import Listener, Planner, Retry
from autoglm_api.routingpolicies import AccessLog
from fake_upstreams import hangs, says, serving
from router_pods import Pod, ask, until
from routingtables import CLIENT_KEY, INTERNAL_TOKEN, MODEL, a_managed, a_server, an_external

PATH = "/v1/chat/completions"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-00"
MADE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01")
SECRET = "only-the-endpoint-may-read-this"  # noqa: S105 - a text to look for


def lines(pod: Pod) -> list[dict[str, Any]]:
    """The access log; HAProxy's own messages are no JSON."""
    return [json.loads(line) for line in pod.log().splitlines() if line.startswith("{")]


async def line_of(pod: Pod, request_id: str) -> dict[str, Any]:
    """The only line of a request."""
    await until(lambda: any(line["request_id"] == request_id for line in lines(pod)))
    (found,) = (line for line in lines(pod) if line["request_id"] == request_id)
    return found


async def test_a_line_says_who_asked_what_and_who_answered(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(an_external("one", one.port, api_key="key-of-the-endpoint"))
        reply = await ask(
            client, path=f"{PATH}?api_key={SECRET}", headers={"traceparent": TRACEPARENT}, x=SECRET
        )
        line = await line_of(pod, reply.headers["x-request-id"])
    times = {name: line.pop(name) for name in [*line] if name.endswith("_ms")}
    sizes = {name: line.pop(name) for name in [*line] if name.endswith("_bytes")}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "logger": "access",
        "listener": "clients",
        "request_id": reply.headers["x-request-id"],
        "trace_id": TRACE,
        "client": "127.0.0.1",
        "caller": hashlib.sha256(CLIENT_KEY.encode()).hexdigest()[:8],
        "method": "POST",
        "path": PATH,
        "model": MODEL,
        "upstream": "one",
        "server": "one",
        "status": 200,
        "retries": 0,
        "termination": "--",
    }
    assert set(times) == {"queue_ms", "connect_ms", "first_byte_ms", "total_ms"}
    assert all(0 <= value < 30_000 for value in times.values())
    assert sizes["request_bytes"] > 100
    assert sizes["response_bytes"] > len(reply.content)


async def test_neither_keys_nor_bodies_are_logged(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client, pod.internal() as inside:
        one.reply = says(200, answer=SECRET)
        await pod.route(an_external("one", one.port, api_key="key-of-the-endpoint"))
        for sender in (client, inside):
            await ask(sender, filler=SECRET)
            await ask(sender, model=SECRET)
            await ask(sender, headers={"authorization": f"Bearer {SECRET}"})
            await ask(sender, filler=SECRET + "x" * 200_000)
            await sender.post(PATH, content=f"{{{SECRET}".encode())
        last = await ask(client)
        await line_of(pod, last.headers["x-request-id"])
    found = lines(pod)
    assert sorted(line["status"] for line in found) == [200] * 5 + [400] * 2 + [401] * 2 + [404] * 2
    for secret in (SECRET, CLIENT_KEY, INTERNAL_TOKEN, "key-of-the-endpoint"):
        assert secret not in pod.log()


@pytest.mark.parametrize("renamed", [None, "glm-own"])
async def test_a_body_from_the_lane_is_one_line_too(pod: Pod, renamed: str | None) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port, endpoint_model=renamed))
        reply = await ask(client, filler="x" * 200_000)
        line = await line_of(pod, reply.headers["x-request-id"])
        traced = one.seen[0].headers["traceparent"]
    assert reply.status_code == 200
    server = "one" if renamed else f"one.{one.port:08x}"
    assert (line["model"], line["upstream"], line["server"]) == (MODEL, "one", server)
    assert line["trace_id"] == traced.split("-")[1]
    assert not [name for name in reply.headers if "lane" in name]


async def test_a_failure_is_logged_with_what_ended_it(pod: Pod) -> None:
    async with serving("one", "two") as (one, two), pod.client() as client:
        one.reply = hangs()
        two.reply = says(500)
        short = {"first_byte_milliseconds": 200}
        await pod.route(
            a_managed("one", one.port, timeouts=short),
            a_managed("two", two.port, model="other"),
            retry=Retry(max_attempts=2),
        )
        frozen, broken = await ask(client), await ask(client, model="other")
        nobody = await ask(client, model="nobody")
        found = [
            await line_of(pod, each.headers["x-request-id"]) for each in (frozen, broken, nobody)
        ]
    assert [(line["status"], line["retries"], line["termination"]) for line in found] == [
        (504, 1, "sH"),
        (500, 1, "--"),
        (404, 0, "LR"),
    ]
    assert [line["upstream"] for line in found] == ["one", "two", ""]
    assert [line["model"] for line in found] == [MODEL, "other", ""]


async def test_tasks_and_chosen_upstreams_are_logged(pod: Pod) -> None:
    async with serving("one", "planner") as (one, planner), pod.internal() as inside:
        await pod.route(
            a_managed("one", one.port),
            planner=Planner(models=("autoglm",), servers=(a_server(planner.port),)),
        )
        async with pod.client() as client:
            task = await client.post("/v1/tasks", json={"type": "question"})
        chosen = await ask(inside, path=f"/u/one{PATH}")
        lines_of = [await line_of(pod, each.headers["x-request-id"]) for each in (task, chosen)]
    assert [(line["listener"], line["upstream"], line["model"]) for line in lines_of] == [
        ("clients", "planner", ""),
        ("internal", "one", MODEL),
    ]


async def test_what_is_no_request_is_logged_as_json_too(pod: Pod) -> None:
    await pod.route()

    def speak() -> bytes:
        with socket.create_connection(("127.0.0.1", pod.where.ports.clients)) as one:
            one.sendall(b"NO HTTP\r\n\r\n")
            return one.recv(1000)

    answer = await asyncio.to_thread(speak)
    assert answer.startswith(b"HTTP/1.1 400")
    await until(lambda: [line["status"] for line in lines(pod)] == [400])


async def test_only_failures_or_nothing_where_that_is_asked_for(pod: Pod) -> None:
    async with serving("one", "bad") as (one, bad):
        bad.reply = says(500)
        upstreams = (a_managed("one", one.port), a_managed("bad", bad.port, model="other"))
        logged = dict[AccessLog, list[int]]()
        for choice in (AccessLog.NONE, AccessLog.FAILURES, AccessLog.ALL):
            before = len(lines(pod))
            await pod.route(*upstreams, listener=Listener(access_log=choice))
            # A connection that was idle at the reload gets one more reply by the old table.
            async with pod.client() as client:
                await ask(client)
                await ask(client, model="other")
            if choice is not AccessLog.NONE:
                await until(lambda: lines(pod)[-1:] != [] and lines(pod)[-1]["status"] == 500)
            logged[choice] = [line["status"] for line in lines(pod)[before:]]
    assert logged == {
        AccessLog.NONE: [],
        AccessLog.FAILURES: [500],
        AccessLog.ALL: [200, 500],
    }


async def test_a_trace_is_kept_or_made_and_returned(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port))
        state = {"tracestate": "vendor=1"}
        kept = await ask(client, headers={"traceparent": TRACEPARENT, **state})
        made = [
            await ask(client, headers={**state, **({"traceparent": bad} if bad else {})})
            for bad in (
                None,
                "garbage",
                TRACEPARENT.upper(),
                f"00-{'0' * 32}-00f067aa0ba902b7-01",
                f"ff{TRACEPARENT[2:]}",
            )
        ]
        refused = await client.get("/nothing", headers={"traceparent": TRACEPARENT})
    assert kept.headers["traceparent"] == refused.headers["traceparent"] == TRACEPARENT
    assert one.seen[0].headers["traceparent"] == TRACEPARENT
    assert one.seen[0].headers["tracestate"] == "vendor=1"
    for reply, seen in zip(made, one.seen[1:], strict=True):
        assert MADE.fullmatch(reply.headers["traceparent"])
        assert seen.headers["traceparent"] == reply.headers["traceparent"]
        assert "tracestate" not in seen.headers
    assert len({reply.headers["traceparent"] for reply in made}) == len(made)


async def test_metrics_have_labels_of_the_table_only(pod: Pod) -> None:
    async with serving("one") as (one,), pod.client() as client:
        await pod.route(a_managed("one", one.port), models=(MODEL, "without-upstream"))
        text = await metrics(pod)
        before = set(re.findall(r"\{([^}]*)\}", text))
        for number in range(30):
            headers = {"x-request-id": f"request-{number:04}", "traceparent": TRACEPARENT}
            await ask(client, model=f"made-up-{number}", headers=headers)
            await ask(client, path=f"/made/up/{number}")
            await ask(client, headers=headers)
        text = await metrics(pod)
    assert set(re.findall(r"\{([^}]*)\}", text)) == before
    labels = rf'proxy="tier\.0\.[^"]*",desc="{MODEL}",code="2xx"'
    answered = re.search(rf"haproxy_backend_http_responses_total\{{{labels}\}} (\d+)", text)
    assert answered is not None
    assert int(answered[1]) == 30


async def metrics(pod: Pod) -> str:
    """What Prometheus reads."""
    async with pod.client() as client:
        reply = await client.get(f"http://127.0.0.1:{pod.where.ports.metrics}/metrics")
    return reply.text
