"""What a run needs next: decided from its journal alone.

Whoever takes over a run decides the same, so nothing is done twice and nothing is left out. Pure:
it never reads a clock or the store.
"""

from dataclasses import dataclass

from autoglm_api.autoglmcluster import CooperationStrategy
from autoglm_dataplane.taskstore.journal import Answer, Outcome, Problem, Run
from autoglm_dataplane.taskstore.plans import Node


@dataclass(frozen=True, slots=True)
class Done:
    """The run has its answer."""


@dataclass(frozen=True, slots=True)
class AnswerWith:
    """Store the answer."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class MakePlan:
    """Divide the request."""


@dataclass(frozen=True, slots=True)
class DoNotDivide:
    """Take the request as one node."""


@dataclass(frozen=True, slots=True)
class AwardNodes:
    """Give these nodes to executors."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Results are outstanding."""


Step = Done | AnswerWith | MakePlan | DoNotDivide | AwardNodes | Wait


def decide(run: Run, *, seconds_left: float) -> Step:
    """The next step of a run."""
    if run.answer is not None:
        return Done()
    final = run.final()
    if final is not None and final.outcome is Outcome.SUCCEEDED:
        return AnswerWith(
            Answer(content=final.content, finish_reason=final.finish_reason, usage=run.usage)
        )
    failed = run.failed()
    if failed is not None:
        return AnswerWith(Answer(problem=failed.problem or _unexplained(), usage=run.usage))
    if seconds_left <= 0:
        return AnswerWith(Answer(problem=_too_late(run), usage=run.usage))
    return _work(run)


def _work(run: Run) -> Step:
    if run.plan is None:
        divided = run.request.strategy is CooperationStrategy.PLAN
        return MakePlan() if divided else DoNotDivide()
    ready = run.ready()
    return AwardNodes(ready) if ready else Wait()


def _too_late(run: Run) -> Problem:
    seconds = run.request.timeout_milliseconds / 1000
    waiting = "no executor took its subtasks" if run.ready() else "its subtasks took too long"
    return Problem(
        status=504,
        code="run_timeout",
        message=f"The run was not done within {seconds:g} s, because {waiting}; try again later.",
    )


def _unexplained() -> Problem:
    return Problem(status=502, code="subtask_failed", message="A subtask failed.")
