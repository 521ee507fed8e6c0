"""What the simulator says follows from its seed and the question."""

import json

import pytest

from autoglm_dataplane.simulator.answers import Answer, answer
from autoglm_dataplane.simulator.questions import Question
from autoglm_dataplane.taskstore.plans import Capability, Plan, problem_of

SCHEMA = json.dumps(Plan.model_json_schema())


def a_question(prompt: str = "Which way to Rome?", **fields: object) -> Question:
    said = {"model": "double", "messages": [{"role": "user", "content": prompt}]}
    return Question.model_validate(said | fields)


def a_planning_question(prompt: str) -> Question:
    messages = [
        {"role": "system", "content": f"Answer with {SCHEMA}"},
        {"role": "user", "content": prompt},
    ]
    return a_question(messages=messages)


def test_the_same_seed_says_the_same() -> None:
    assert answer(a_question(), seed=1) == answer(a_question(), seed=1)


def test_another_seed_or_question_says_something_else() -> None:
    said = {answer(a_question(text), seed=seed).content for text in "ab" for seed in (1, 2)}
    assert len(said) == 4


@pytest.mark.parametrize("seed", range(40))
def test_every_plan_can_be_carried_out(seed: int) -> None:
    plan = Plan.model_validate_json(answer(a_planning_question("Go!"), seed=seed).content)
    assert problem_of(plan, tuple(Capability)) is None
    assert len(plan.nodes) >= 3


def test_a_plan_is_given_as_a_function_call_where_one_is_offered() -> None:
    function = {"name": "final_result", "parameters": Plan.model_json_schema()}
    said = answer(a_question(tools=[{"type": "function", "function": function}]), seed=0)
    assert (said.tool, said.finish_reason) == ("final_result", "tool_calls")
    Plan.model_validate_json(said.content)


def test_a_plan_is_given_where_the_format_asks_for_one() -> None:
    wanted = {"type": "json_schema", "json_schema": {"schema": Plan.model_json_schema()}}
    Plan.model_validate_json(answer(a_question(response_format=wanted), seed=0).content)


def test_an_ordinary_question_gets_no_plan() -> None:
    said = answer(a_question(), seed=0)
    assert "You asked: Which way to Rome?" in said.content
    assert said.finish_reason == "stop"


def test_the_token_limit_is_kept() -> None:
    said = answer(a_question(max_tokens=3), seed=0)
    assert len(said.content.split(" ")) == said.completion_tokens == 3
    assert said.finish_reason == "length"


@pytest.mark.parametrize("content", ["", "one", "two words", " odd  spaces "])
def test_chunks_add_up_to_the_content(content: str) -> None:
    said = Answer(content, None, 1, 1, "stop")
    assert "".join(said.chunks()) == content


def test_images_have_no_text() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "Tap"}]
    assert a_question(messages=[{"role": "user", "content": parts}]).prompt == "Tap"
