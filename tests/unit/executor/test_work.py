"""How a task becomes a result."""

from dataclasses import dataclass, field
from typing import cast

import httpx2
import pytest
from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

from autoglm_dataplane.executor.models import Ask, ModelError, Models, Said, problem_of
from autoglm_dataplane.executor.work import carry_out
from autoglm_dataplane.taskstore.journal import Outcome, Problem, Usage
from autoglm_dataplane.taskstore.tasks import Task
from taskobjects import a_node, a_plan, a_request, a_run

REQUEST = httpx2.Request("POST", "http://router/v1/chat/completions")


@dataclass
class FakeModels:
    """Says one thing, or fails."""

    error: ModelError | None = None
    asked: list[Ask] = field(default_factory=list[Ask])

    async def ask(self, question: Ask, *, timeout_seconds: float) -> Said:
        assert timeout_seconds > 0
        self.asked.append(question)
        if self.error:
            raise self.error
        return Said("By train.", "stop", "local", Usage(prompt_tokens=1, completion_tokens=2))

    def as_models(self) -> Models:
        return cast("Models", self)


def a_task(node: str = "a") -> Task:
    return Task("1-0", "run-1", node, 1)


def status_error(status: int) -> APIStatusError:
    response = httpx2.Response(status, request=REQUEST)
    return APIStatusError("no", response=response, body=None)


async def test_a_result_says_what_who_and_what_it_cost() -> None:
    models = FakeModels()
    run = a_run(a_plan(a_node("a")), request=a_request(retry=False))
    result = await carry_out(a_task(), run, models.as_models(), seconds_left=5)
    assert (result.outcome, result.content, result.upstream) == ("succeeded", "By train.", "local")
    assert result.usage == Usage(prompt_tokens=1, completion_tokens=2)
    assert models.asked[0].request_id == "run-1.a.1"
    assert not models.asked[0].retry


async def test_a_failed_model_is_a_failed_result() -> None:
    problem = Problem(status=429, code="model_error", message="The model answered 429.")
    models = FakeModels(ModelError(problem))
    run = a_run(a_plan(a_node("a")))
    result = await carry_out(a_task(), run, models.as_models(), seconds_left=5)
    assert (result.outcome, result.problem) == (Outcome.FAILED, problem)


async def test_a_task_whose_time_is_over_asks_nobody() -> None:
    models = FakeModels()
    run = a_run(a_plan(a_node("a")))
    result = await carry_out(a_task(), run, models.as_models(), seconds_left=0)
    assert result.problem is not None
    assert result.problem.status == 504
    assert models.asked == []


@pytest.mark.parametrize("node", [a_node("a", capability="fly"), a_node("b")])
async def test_a_task_that_nobody_can_do_says_so(node: object) -> None:
    run = a_run(a_plan(node))  # type: ignore[arg-type]
    result = await carry_out(a_task("a"), run, FakeModels().as_models(), seconds_left=5)
    assert result.problem is not None
    assert result.problem.code == "unknown_subtask"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (APITimeoutError(REQUEST), 504, "timeout"),
        (APIConnectionError(request=REQUEST), 502, "router_unreachable"),
        (status_error(401), 502, "router_refused"),
        (status_error(429), 429, "model_error"),
        (OpenAIError("odd"), 502, "model_error"),
    ],
)
def test_every_failure_has_a_status_and_a_sentence(
    error: OpenAIError, status: int, code: str
) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)
    assert problem.message.endswith(".")
