"""A request for a virtual model, from the client to the model and back, on real processes."""

import json
from typing import Any

import httpx
import pytest
from openai import APIStatusError, AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from taskstack import Stack

QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "Compare two ways to travel to Rome."}
]
CIRCLE = json.dumps(
    {
        "nodes": [
            {"id": "a", "instruction": "first", "depends_on": ["b"]},
            {"id": "b", "instruction": "second", "depends_on": ["a"]},
        ]
    }
)


async def test_a_planned_task_is_streamed_from_end_to_end(stack: Stack) -> None:
    async with stack.client() as client:
        chunks = [
            chunk
            async for chunk in await client.chat.completions.create(
                model="autoglm-plan",
                messages=QUESTION,
                stream=True,
                stream_options={"include_usage": True},
            )
        ]
        run_id = chunks[0].id.removeprefix("chatcmpl-")
        journal = await stack.journal(run_id)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        stored = json.loads(journal[-1]["data"])["content"]
    kinds = [event["kind"] for event in journal]
    assert kinds[:3] == ["accepted", "claimed", "plan"]
    assert kinds.count("answer") == 1
    assert kinds[-1] == "answer"
    nodes = [json.loads(event["data"])["node"] for event in journal if event["kind"] == "result"]
    assert len(nodes) == kinds.count("award") >= 4
    assert nodes[-2:] == ["compare", "answer"]
    assert text == stored != ""
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0


async def test_a_single_task_asks_the_model_once_with_the_clients_parameters(stack: Stack) -> None:
    async with stack.client() as client:
        reply = await client.chat.completions.create(
            model="autoglm-single",
            messages=QUESTION,
            max_tokens=3,
        )
        asked = await stack.asked()
    assert reply.model == "autoglm-single"
    assert len((reply.choices[0].message.content or "").split()) == 3
    assert reply.choices[0].finish_reason == "length"
    assert list(asked.values()) == [1]


async def test_a_plan_that_runs_in_a_circle_is_repaired_once(stack: Stack) -> None:
    async with stack.client() as client:
        await stack.script("Divide the request", CIRCLE, times=1)
        reply = await _plan(client)
        plan = await _plan_of(stack, reply.id)
    assert plan["reason"] == ""
    assert len(plan["nodes"]) > 1


async def test_a_plan_that_stays_bad_becomes_a_single_task(stack: Stack) -> None:
    async with stack.client() as client:
        await stack.script("Divide the request", CIRCLE)
        reply = await _plan(client)
        plan = await _plan_of(stack, reply.id)
    assert [node["id"] for node in plan["nodes"]] == ["answer"]
    assert plan["reason"] == "The model gave no usable plan (UnexpectedModelBehavior)."
    assert reply.choices[0].message.content


async def test_a_failing_model_is_reported_in_openais_form(stack: Stack) -> None:
    async with stack.client() as client:
        await stack.fault(status=400)
        with pytest.raises(APIStatusError) as failure:
            await _plan(client)
    assert failure.value.status_code == 400
    assert failure.value.code == "model_error"


async def test_a_task_is_accepted_and_its_events_are_resumed(stack: Stack) -> None:
    async with stack.http(0) as one:
        task = {"type": "chat", "payload": {"prompt": "Plan a day in Rome."}}
        accepted = await one.post("/v1/tasks", json=task)
        run = accepted.headers["location"]
        whole = _events_in(await one.get(f"{run}/events"))
        async with stack.http(1) as other:
            rest = await other.get(f"{run}/events", headers={"last-event-id": "3"})
            nothing = await other.get(f"{run}/events", headers={"last-event-id": "9999"})
            status = (await other.get(run)).json()
    assert accepted.status_code == 202
    assert len(whole) > 4
    assert _events_in(rest) == whole[3:]
    assert _events_in(nothing) == []
    assert status["status"] == "succeeded"
    assert {node["status"] for node in status["nodes"]} == {"succeeded"}
    assert status["answer"]


async def test_a_repeated_request_with_the_same_key_is_answered_once(stack: Stack) -> None:
    async with stack.http(0) as one:
        body = {"model": "autoglm-single", "messages": QUESTION}
        key = {"idempotency-key": "order-7"}
        first = await one.post("/v1/chat/completions", json=body, headers=key)
        async with stack.http(1) as other:
            second = await other.post("/v1/chat/completions", json=body, headers=key)
            another = await other.post(
                "/v1/chat/completions", json={**body, "model": "autoglm-plan"}, headers=key
            )
        asked = await stack.asked()
    assert first.json() == second.json()
    assert list(asked.values()) == [1]
    assert another.status_code == 422
    assert another.json()["error"]["code"] == "idempotency_key_reused"


CHAT = "/v1/chat/completions"
TASKS = "/v1/tasks"
BAD_REQUESTS: list[tuple[str, dict[str, Any], int, str]] = [
    (CHAT, {"model": "nobody", "messages": QUESTION}, 404, "model_not_found"),
    (CHAT, {"model": "autoglm"}, 400, "invalid_request"),
    (CHAT, {"model": "autoglm", "messages": QUESTION, "n": 2}, 400, "invalid_request"),
    (CHAT, {"model": "autoglm", "messages": QUESTION, "tools": []}, 400, "unsupported_parameter"),
    (TASKS, {"type": "dance", "payload": {"prompt": "x"}}, 400, "invalid_request"),
    (TASKS, {"type": "chat", "payload": {}}, 400, "invalid_request"),
    (TASKS, {"type": "chat", "payload": {"prompt": "x" * 9000}}, 413, "request_too_large"),
]


@pytest.mark.parametrize(("path", "body", "status", "code"), BAD_REQUESTS)
async def test_bad_requests_are_refused_with_a_sentence(
    stack: Stack, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    async with stack.http() as client:
        reply = await client.post(path, json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (status, code)
    assert error["message"].endswith(".")


async def test_a_run_that_never_was_is_not_found(stack: Stack) -> None:
    async with stack.http() as client:
        for path in ("/v1/runs/nothing", "/v1/runs/nothing/events"):
            reply = await client.get(path)
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "run_not_found")


async def test_strangers_are_refused(stack: Stack) -> None:
    async with stack.http() as client:
        reply = await client.get("/v1/models", headers={"authorization": "Bearer guess"})
    assert reply.status_code == 401


def _events_in(feed: httpx.Response) -> list[str]:
    """The events of a feed without the comments that keep it alive."""
    return [part for part in feed.text.split("\n\n") if part.startswith("id: ")]


async def _plan(client: AsyncOpenAI) -> ChatCompletion:
    return await client.chat.completions.create(
        model="autoglm-plan",
        messages=QUESTION,
    )


async def _plan_of(stack: Stack, completion_id: str) -> dict[str, Any]:
    journal = await stack.journal(completion_id.removeprefix("chatcmpl-"))
    plan: dict[str, Any] = json.loads(
        next(each["data"] for each in journal if each["kind"] == "plan")
    )
    return plan
