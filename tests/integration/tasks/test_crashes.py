"""Planner, executor and store are killed in the middle of a run: nothing is lost or done twice."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest
from openai import APIConnectionError, APIStatusError, AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from taskstack import Process, Stack, running

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Which way to Rome?"}]
SLOW = "1s"
"""Long enough for a model's answer that a test can kill who waits for it."""


async def test_a_killed_executor_loses_no_task_and_answers_once(valkey_root: Path) -> None:
    async with running(valkey_root, planners=2, executors=3) as stack, stack.client() as client:
        await stack.fault(latency=SLOW)
        asking = [asyncio.create_task(_ask(client, number)) for number in range(6)]
        victim = await _busy(stack.executors)
        await victim.kill()
        replies = await asyncio.gather(*asking)
        for reply in replies:
            await _assert_answered_once(stack, reply)
        moved = [award for reply in replies for award in await _second_awards(stack, reply)]
    assert moved
    assert victim.name not in {award["executor"] for award in moved}


async def test_a_task_that_must_not_run_twice_ends_unknown(valkey_root: Path) -> None:
    async with running(valkey_root, executors=2) as stack, stack.http() as http:
        await stack.fault(latency="5s")
        task = {
            "type": "chat",
            "payload": {"prompt": "Once only."},
            "meta": {"strategy": "Single", "retry": False},
        }
        accepted = (await http.post("/v1/tasks", json=task)).json()
        await _until_asked(stack)
        await (await _busy(stack.executors)).kill()
        await http.get(accepted["events"])  # ends with the run
        status = (await http.get(f"/v1/runs/{accepted['id']}")).json()
        asked = await stack.asked()
    assert status["status"] == "failed"
    assert status["error"]["code"] == "executor_lost"
    assert [node["status"] for node in status["nodes"]] == ["unknown"]
    assert list(asked.values()) == [1]


async def test_another_planner_completes_the_runs_of_a_killed_one(valkey_root: Path) -> None:
    async with (
        running(valkey_root, planners=2, executors=2) as stack,
        stack.client(0) as client,
        stack.client(1) as other,
        stack.http(1) as http,
    ):
        await stack.fault(latency=SLOW)
        # Several, because either planner may have taken any of them.
        asking = [asyncio.create_task(_ask(client, number)) for number in range(6)]
        await _busy(stack.executors)
        runs = await _runs(stack)
        await stack.planners[0].kill()
        lost = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(each, APIConnectionError) for each in lost)
        again = await _ask(other, 0)
        await asyncio.gather(*(http.get(f"/v1/runs/{run}/events") for run in runs))
        states = [(await http.get(f"/v1/runs/{run}")).json() for run in runs]
        journals = [await stack.journal(run) for run in runs]
    assert again.choices[0].message.content
    assert {state["status"] for state in states} == {"succeeded"}
    taken_over = 0
    for journal in journals:
        kinds = Counter(event["kind"] for event in journal)
        assert kinds["answer"] == 1
        assert kinds["result"] == len(_nodes(journal))
        taken_over += kinds["claimed"] > 1
    assert taken_over, "the killed planner had no run; this test shows nothing"


async def test_a_killed_store_loses_nothing_that_was_accepted(valkey_root: Path) -> None:
    async with (
        running(valkey_root, planners=2, executors=2) as stack,
        stack.client() as client,
        stack.http(1) as http,
    ):
        await stack.fault(latency=SLOW)
        accepted = [
            (await http.post("/v1/tasks", json=_task(number))).json()["id"] for number in range(4)
        ]
        asking = asyncio.create_task(_ask(client, 99))
        await _busy(stack.executors)
        await stack.valkey.kill()
        refused = await _refusal(client)
        not_ready = (await http.get("/readyz")).status_code
        await asyncio.sleep(2)
        await stack.started(["valkey"])
        waited = await asking
        await asyncio.gather(*(http.get(f"/v1/runs/{run}/events") for run in accepted))
        states = [(await http.get(f"/v1/runs/{run}")).json()["status"] for run in accepted]
        await _assert_answered_once(stack, waited)
        ready = (await http.get("/readyz")).status_code
    assert refused.status_code == 503
    assert refused.code == "store_unavailable"
    assert not_ready == 503
    assert set(states) == {"succeeded"}
    assert ready == 200


async def test_an_executor_that_is_told_to_stop_finishes_what_it_began(valkey_root: Path) -> None:
    async with running(valkey_root, executors=1) as stack, stack.client() as client:
        await stack.fault(latency="2s")
        asking = asyncio.create_task(_ask(client, 0, model="autoglm-single"))
        executor = await _busy(stack.executors)
        code = await executor.stop()
        reply = await asking
        asked = await stack.asked()
    assert code == 0
    assert reply.choices[0].message.content
    assert list(asked.values()) == [1]


async def test_a_planner_that_is_told_to_stop_answers_first(valkey_root: Path) -> None:
    async with running(valkey_root) as stack, stack.client() as client:
        await stack.fault(latency="2s")
        asking = asyncio.create_task(_ask(client, 0, model="autoglm-single"))
        await _busy(stack.executors)
        code = await stack.planners[0].stop()
        reply = await asking
    assert code == 0
    assert reply.choices[0].message.content


async def test_a_run_without_an_executor_ends_with_a_reason(valkey_root: Path) -> None:
    async with (
        running(valkey_root, executors=0, AUTOGLM_RUN_TIMEOUT="2s") as stack,
        stack.client() as client,
    ):
        with pytest.raises(APIStatusError) as failure:
            await _ask(client, 0, model="autoglm-single")
    assert failure.value.status_code == 504
    assert "no executor took its subtasks" in failure.value.message


async def _ask(client: AsyncOpenAI, number: int, model: str = "autoglm-plan") -> ChatCompletion:
    messages: list[ChatCompletionMessageParam] = [
        *QUESTION,
        {"role": "user", "content": f"Question {number}"},
    ]
    return await client.chat.completions.create(model=model, messages=messages)


def _task(number: int) -> dict[str, object]:
    return {"type": "chat", "payload": {"prompt": f"Task {number}"}}


async def _refusal(client: AsyncOpenAI) -> APIStatusError:
    with pytest.raises(APIStatusError) as refusal:
        await _ask(client, 0)
    return refusal.value


async def _busy(executors: list[Process]) -> Process:
    """Wait until an executor has begun more than it has ended."""
    async with asyncio.timeout(30):
        while True:
            for executor in executors:
                if executor.log().count("task begun") > executor.log().count("task ended"):
                    return executor
            await asyncio.sleep(0.05)


async def _until_asked(stack: Stack) -> None:
    """Wait until a question has reached the model."""
    async with asyncio.timeout(30):
        while True:
            if await stack.asked():
                return
            await asyncio.sleep(0.05)


async def _runs(stack: Stack) -> list[str]:
    """The runs that are not answered yet."""
    async with stack.store() as store:
        return [entry.fields["run"] for entry in await store.entries("autoglm:runs")]


async def _assert_answered_once(stack: Stack, reply: ChatCompletion) -> None:
    journal = await stack.journal(reply.id.removeprefix("chatcmpl-"))
    kinds = Counter(event["kind"] for event in journal)
    assert kinds["answer"] == 1
    assert journal[-1]["kind"] == "answer"
    assert json.loads(journal[-1]["data"])["content"] == reply.choices[0].message.content
    results = [json.loads(each["data"])["node"] for each in journal if each["kind"] == "result"]
    assert sorted(results) == sorted(_nodes(journal))


def _nodes(journal: list[dict[str, str]]) -> list[str]:
    plan = next(json.loads(each["data"]) for each in journal if each["kind"] == "plan")
    return [node["id"] for node in plan["nodes"]]


async def _second_awards(stack: Stack, reply: ChatCompletion) -> list[dict[str, object]]:
    journal = await stack.journal(reply.id.removeprefix("chatcmpl-"))
    awards = [json.loads(event["data"]) for event in journal if event["kind"] == "award"]
    return [award for award in awards if award["attempt"] > 1]
