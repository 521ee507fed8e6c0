"""How a model is asked for a plan, by pydantic-ai's own test models."""

import json
from typing import Any

import pytest
from pydantic_ai import Agent, ModelRetry, PromptedOutput
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from autoglm_dataplane.planner import planning
from autoglm_dataplane.taskstore.plans import Plan
from taskobjects import a_node

GOOD = {"nodes": [{"id": "a", "instruction": "first"}]}
CIRCLE = {"nodes": [{"id": "a", "instruction": "first", "depends_on": ["a"]}]}


def test_a_bad_plan_goes_back_to_the_model_with_the_reason() -> None:
    with pytest.raises(ModelRetry, match="Break the circle"):
        planning.checked(Plan(nodes=(a_node("a", "a"),)))


async def test_the_model_is_told_why_and_may_repair_once() -> None:
    heard: list[str] = []

    def model(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        heard.append(str(messages[-1]))
        plan = CIRCLE if len(heard) == 1 else GOOD
        return ModelResponse(parts=[TextPart(json.dumps(plan))])

    agent = Agent(
        FunctionModel(model),
        output_type=PromptedOutput(Plan),
        retries={"output": planning.REPAIRS},
    )
    agent.output_validator(planning.checked)
    plan = (await agent.run("Which way to Rome?")).output
    assert [node.id for node in plan.nodes] == ["a"]
    assert "Break the circle of dependencies a -> a." in heard[1]


def test_a_conversation_becomes_one_text() -> None:
    parts = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "x"}}]
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": parts},
    ]
    assert planning.question(messages) == "system: Be kind.\n\nuser: Look [image_url]"


def test_an_undivided_plan_says_why() -> None:
    plan = planning.undivided("No time.")
    assert plan.reason == "No time."
    assert [node.id for node in plan.nodes] == ["answer"]
