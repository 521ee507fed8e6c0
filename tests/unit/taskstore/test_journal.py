"""What follows from a journal."""

import pytest

from autoglm_dataplane.taskstore.journal import JournalError, Usage, fold
from taskobjects import (
    RUN_ID,
    a_failure,
    a_node,
    a_plan,
    a_result,
    a_run,
    an_answer,
    an_award,
    events,
)

PLAN = a_plan(a_node("a"), a_node("b"), a_node("c", "a", "b"))


def ready_of(*happened: object) -> list[str]:
    return [node.id for node in a_run(PLAN, *happened).ready()]  # type: ignore[arg-type]


def test_nodes_without_dependencies_are_ready_at_once() -> None:
    assert ready_of() == ["a", "b"]


def test_an_awarded_node_is_not_ready_again() -> None:
    assert ready_of(an_award("a")) == ["b"]


def test_a_node_waits_for_all_that_it_needs() -> None:
    assert ready_of(a_result("a")) == ["b"]
    assert ready_of(a_result("a"), a_result("b")) == ["c"]


def test_nothing_follows_a_failed_node() -> None:
    assert ready_of(a_result("a"), a_failure("b")) == []


def test_the_answer_comes_last() -> None:
    assert ready_of(a_result("a"), a_result("b"), a_result("c")) == ["answer"]


def test_the_last_claim_owns_the_run() -> None:
    assert a_run().owner == ""
    assert a_run("planner-0", "planner-1").owner == "planner-1"


def test_the_first_result_of_a_node_stays() -> None:
    run = a_run(PLAN, a_result("a", "first"), a_result("a", "second"))
    assert run.results["a"].content == "first"


def test_the_first_answer_stays() -> None:
    run = a_run(an_answer("first"), an_answer("second"))
    assert run.answer is not None
    assert run.answer.content == "first"


def test_the_last_award_of_a_node_counts() -> None:
    run = a_run(PLAN, an_award("a", "executor-0"), an_award("a", "executor-1", attempt=2))
    assert (run.awards["a"].executor, run.awards["a"].attempt) == ("executor-1", 2)


def test_a_version_is_an_events_place() -> None:
    assert a_run("planner-0", PLAN).version == 3


def test_usage_is_the_sum_of_plan_and_results() -> None:
    plan = PLAN.model_copy(update={"usage": Usage(prompt_tokens=1, completion_tokens=2)})
    usage = a_run(plan, a_result("a"), a_result("b")).usage
    assert usage == Usage(prompt_tokens=21, completion_tokens=12)


def test_a_journal_begins_with_an_accepted_request() -> None:
    with pytest.raises(JournalError):
        fold(RUN_ID, [])
    with pytest.raises(JournalError):
        fold(RUN_ID, events("planner-0")[1:])
