"""Builds requests, runs and events for tests of planner, executor and task store.

Exists so that a test states only what it is about. Never talks to a store.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from autoglm_api.autoglmcluster import CooperationStrategy
from autoglm_dataplane.taskstore.journal import (
    Answer,
    Award,
    Event,
    EventKind,
    Outcome,
    PlanMade,
    Problem,
    Result,
    Run,
    Usage,
    fold,
)
from autoglm_dataplane.taskstore.plans import Node, Plan, with_answer
from autoglm_dataplane.taskstore.requests import Entrance, RunRequest
from autoglm_dataplane.taskstore.tasks import Ability, Bidder

RUN_ID = "run-1"
ACCEPTED_AT = 1_000_000
TIMEOUT_MILLISECONDS = 30_000


def a_request(**fields: object) -> RunRequest:
    """A request for a plan."""
    said: dict[str, object] = {
        "entrance": Entrance.CHAT,
        "virtual_model": "autoglm-plan",
        "strategy": CooperationStrategy.PLAN,
        "model": "glm",
        "messages": [{"role": "user", "content": "Which way to Rome?"}],
        "timeout_milliseconds": TIMEOUT_MILLISECONDS,
    }
    return RunRequest.model_validate(said | fields)


def a_node(name: str, *depends_on: str, capability: str = "chat") -> Node:
    """A subtask."""
    return Node(id=name, capability=capability, instruction=f"Do {name}.", depends_on=depends_on)


def a_plan(*nodes: Node) -> PlanMade:
    """A plan with its answer."""
    return PlanMade(nodes=with_answer(Plan(nodes=nodes)))


def a_result(node: str, content: str = "") -> Result:
    """A good result."""
    return Result(
        node=node,
        outcome=Outcome.SUCCEEDED,
        executor="executor-0",
        content=content or f"{node} done",
        usage=Usage(prompt_tokens=10, completion_tokens=5),
    )


def a_failure(node: str, status: int = 503) -> Result:
    """A result that says why there is none."""
    problem = Problem(status=status, code="model_error", message=f"The model answered {status}.")
    return Result(node=node, outcome=Outcome.FAILED, problem=problem)


def an_award(node: str, executor: str = "executor-0", attempt: int = 1) -> Award:
    """An award."""
    return Award(node=node, executor=executor, attempt=attempt)


def an_answer(content: str = "Take the train.") -> Answer:
    """The end of a run."""
    return Answer(content=content)


def a_bidder(name: str, *, tasks: int = 0, slots: int = 4) -> Bidder:
    """An executor that lives."""
    return Bidder(name, Ability(slots=slots, capabilities=("chat",)), tasks)


def a_run(*happened: BaseModel | str, request: RunRequest | None = None) -> Run:
    """A run to which these things have happened; a text is the planner that claimed it."""
    return fold(RUN_ID, events(*happened, request=request))


def events(*happened: BaseModel | str, request: RunRequest | None = None) -> list[Event]:
    """The journal of such a run."""
    journal = [_event(1, EventKind.ACCEPTED, request or a_request(), "planner-0")]
    for version, each in enumerate(happened, start=2):
        if isinstance(each, str):
            journal.append(_event(version, EventKind.CLAIMED, {}, each))
        else:
            journal.append(_event(version, _KINDS[type(each)], each, "planner-0"))
    return journal


_KINDS: dict[type[BaseModel], EventKind] = {
    PlanMade: EventKind.PLAN,
    Award: EventKind.AWARD,
    Result: EventKind.RESULT,
    Answer: EventKind.ANSWER,
}


def _event(
    version: int, kind: EventKind, data: BaseModel | Mapping[str, Any], writer: str
) -> Event:
    plain = json.loads(data.model_dump_json()) if isinstance(data, BaseModel) else data
    return Event(version, kind, ACCEPTED_AT + version, writer, plain)
