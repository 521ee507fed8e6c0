"""Carries out one task: read the run, ask the model, make a result.

A task that cannot be carried out ends in a result that says why, so that no client waits for it.
It never acknowledges anything.
"""

from typing import Final

from autoglm_dataplane.executor.models import Ask, ModelError, Models, timed_out
from autoglm_dataplane.taskstore.journal import Outcome, Problem, Result, Run
from autoglm_dataplane.taskstore.plans import Capability
from autoglm_dataplane.taskstore.prompts import messages_for, parameters_for
from autoglm_dataplane.taskstore.tasks import Task

CAPABILITIES: Final = (Capability.CHAT.value,)
"""What this executor can be asked to do."""


async def carry_out(task: Task, run: Run, models: Models, *, seconds_left: float) -> Result:
    """The result of a task."""
    node = run.node(task.node)
    if node is None or node.capability not in CAPABILITIES:
        return _failed(
            task,
            Problem(status=500, code="unknown_subtask", message="No executor knows this subtask."),
        )
    if seconds_left <= 0:
        return _failed(task, timed_out())
    question = Ask(
        model=run.request.model,
        messages=messages_for(run, node),
        parameters=parameters_for(run, node),
        request_id=f"{run.id}.{node.id}.{task.attempt}",
        retry=run.request.retry,
    )
    try:
        said = await models.ask(question, timeout_seconds=seconds_left)
    except ModelError as error:
        return _failed(task, error.problem)
    return Result(
        node=task.node,
        outcome=Outcome.SUCCEEDED,
        upstream=said.upstream,
        content=said.content,
        finish_reason=said.finish_reason,
        usage=said.usage,
    )


def missing(task: Task) -> Result:
    """The result of a task whose run is over; the store will not keep it."""
    problem = Problem(status=404, code="run_missing", message="The run is over.")
    return _failed(task, problem)


def _failed(task: Task, problem: Problem) -> Result:
    return Result(node=task.node, outcome=Outcome.FAILED, problem=problem)
