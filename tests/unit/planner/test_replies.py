"""The forms that clients know."""

import json
from collections.abc import Iterable
from typing import Any

from autoglm_dataplane.planner import replies
from autoglm_dataplane.taskstore.journal import Answer, Problem, Usage
from taskobjects import (
    RUN_ID,
    a_node,
    a_plan,
    a_result,
    a_run,
    an_answer,
    an_award,
    events,
)

PLAN = a_plan(a_node("a"))
TEXT = "Take the train to Rome, it leaves every hour, and book a seat early in summer."


def chunks_of(*happened: Any, include_usage: bool = False) -> list[Any]:  # noqa: ANN401 - journal
    chunks = replies.Chunks(RUN_ID, "autoglm-plan", include_usage=include_usage)
    lines = [line for event in events(*happened) for line in chunks.of(event)]
    assert lines[-1] == replies.DONE
    return [json.loads(line.removeprefix(b"data: ")) for line in lines[:-1]]


def content_of(chunks: Iterable[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


def test_chunks_add_up_to_the_answer() -> None:
    chunks = chunks_of("planner-0", PLAN, an_answer(TEXT))
    assert content_of(chunks) == TEXT
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert {chunk["id"] for chunk in chunks} == {f"chatcmpl-{RUN_ID}"}


def test_chunks_tell_what_is_being_done() -> None:
    told = [
        chunk["autoglm"]["event"] for chunk in chunks_of(PLAN, an_answer()) if "autoglm" in chunk
    ]
    assert told == ["accepted", "plan"]


def test_usage_comes_last_and_only_when_asked_for() -> None:
    answer = Answer(content="x", usage=Usage(prompt_tokens=3, completion_tokens=4))
    last = chunks_of(answer, include_usage=True)[-1]
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 7
    assert all("usage" not in chunk for chunk in chunks_of(answer))


def test_a_failed_run_ends_its_stream_with_an_error() -> None:
    problem = Problem(status=504, code="run_timeout", message="Too late.")
    last = chunks_of(Answer(problem=problem))[-1]
    assert last["error"]["message"] == "Too late."
    assert last["error"]["code"] == "run_timeout"


def test_a_client_that_waited_too_long_is_told_where_to_look() -> None:
    error, done = replies.Chunks(RUN_ID, "autoglm", include_usage=False).too_late()
    assert f"GET /v1/runs/{RUN_ID}" in json.loads(error.removeprefix(b"data: "))["error"]["message"]
    assert done == replies.DONE


def test_a_completion_is_complete() -> None:
    answer = Answer(content=TEXT, finish_reason="length")
    whole: Any = replies.completion(a_run(PLAN, answer), answer)
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": TEXT}
    assert whole["choices"][0]["finish_reason"] == "length"
    assert whole["model"] == "autoglm-plan"


def test_status_follows_the_journal() -> None:
    assert replies.status(a_run())["status"] == "queued"
    assert replies.status(a_run("planner-0"))["status"] == "running"
    assert replies.status(a_run(an_answer()))["status"] == "succeeded"
    failed = Answer(problem=Problem(status=504, code="run_timeout", message="Too late."))
    assert replies.status(a_run(failed))["error"] == {
        "code": "run_timeout",
        "message": "Too late.",
    }


def test_status_shows_every_node() -> None:
    shown: Any = replies.status(a_run(PLAN, an_award("a", "executor-3"), a_result("a")))
    assert [(each["id"], each["status"], each["executor"]) for each in shown["nodes"]] == [
        ("a", "succeeded", "executor-3"),
        ("answer", "waiting", None),
    ]


def test_an_events_id_is_its_version() -> None:
    line = replies.event(events("planner-1")[1]).decode()
    assert line.startswith("id: 2\nevent: claimed\ndata: {")
    assert line.endswith("}\n\n")
