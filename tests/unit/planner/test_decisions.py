"""What a run needs next."""

import pytest

from autoglm_api.autoglmcluster import CooperationStrategy
from autoglm_dataplane.planner.decisions import (
    AnswerWith,
    AwardNodes,
    Done,
    DoNotDivide,
    MakePlan,
    Step,
    Wait,
    decide,
)
from autoglm_dataplane.taskstore.journal import Outcome, PlanMade, Result, Run
from autoglm_dataplane.taskstore.plans import single
from taskobjects import (
    a_failure,
    a_node,
    a_plan,
    a_request,
    a_result,
    a_run,
    an_answer,
    an_award,
)

PLAN = a_plan(a_node("a"), a_node("b"))
SINGLE = PlanMade(nodes=single())


def step(run: Run, seconds_left: float = 10.0) -> Step:
    return decide(run, seconds_left=seconds_left)


def test_a_new_run_is_divided() -> None:
    assert step(a_run("planner-0")) == MakePlan()


def test_a_run_that_wants_one_call_is_not_divided() -> None:
    request = a_request(strategy=CooperationStrategy.SINGLE)
    assert step(a_run("planner-0", request=request)) == DoNotDivide()


def test_all_ready_nodes_are_awarded_at_once() -> None:
    decided = step(a_run(PLAN))
    assert isinstance(decided, AwardNodes)
    assert [node.id for node in decided.nodes] == ["a", "b"]


def test_waits_while_results_are_outstanding() -> None:
    assert step(a_run(PLAN, an_award("a"), an_award("b"))) == Wait()


def test_the_last_result_is_the_answer() -> None:
    decided = step(a_run(SINGLE, a_result("answer", "Take the train.")))
    assert isinstance(decided, AnswerWith)
    assert decided.answer.content == "Take the train."
    assert decided.answer.usage.prompt_tokens == 10


def test_a_failed_node_ends_the_run_with_its_problem() -> None:
    decided = step(a_run(PLAN, a_failure("a", 429)))
    assert isinstance(decided, AnswerWith)
    assert decided.answer.problem is not None
    assert decided.answer.problem.status == 429


def test_an_unknown_result_ends_the_run() -> None:
    decided = step(a_run(PLAN, Result(node="a", outcome=Outcome.UNKNOWN)))
    assert isinstance(decided, AnswerWith)
    assert decided.answer.problem is not None


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (a_run(PLAN), "no executor took its subtasks"),
        (a_run(PLAN, an_award("a"), an_award("b")), "its subtasks took too long"),
    ],
)
def test_a_run_that_takes_too_long_ends_with_the_reason(run: Run, why: str) -> None:
    decided = step(run, seconds_left=0)
    assert isinstance(decided, AnswerWith)
    assert decided.answer.problem is not None
    assert decided.answer.problem.status == 504
    assert why in decided.answer.problem.message


def test_a_late_answer_is_better_than_none() -> None:
    decided = step(a_run(SINGLE, a_result("answer")), seconds_left=-1)
    assert isinstance(decided, AnswerWith)
    assert decided.answer.problem is None


def test_nothing_follows_an_answer() -> None:
    assert step(a_run(PLAN, an_answer(), a_failure("a")), seconds_left=-1) == Done()


def test_deciding_again_after_an_award_awards_nothing() -> None:
    decided = step(a_run(PLAN))
    assert isinstance(decided, AwardNodes)
    assert step(a_run(PLAN, *(an_award(node.id) for node in decided.nodes))) == Wait()
