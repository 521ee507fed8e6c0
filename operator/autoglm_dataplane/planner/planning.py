"""Asks a model for a plan, typed and checked, with one repair.

A plan that cannot be had or carried out is no error: the request is then taken as one node, and
the journal says why. It never awards or runs anything.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from openai import AsyncOpenAI, OpenAIError
from pydantic_ai import Agent, ModelRetry, PromptedOutput
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from autoglm_dataplane.serving.tokens import TokenFile
from autoglm_dataplane.taskstore import plans
from autoglm_dataplane.taskstore.journal import PlanMade, Run, Usage
from autoglm_dataplane.taskstore.plans import Capability, Plan

logger = logging.getLogger(__name__)

REPAIRS: Final = 1
"""Source: the project's runtime design, "allow one repair, else one single call"."""
SHARE_OF_TIME: Final = 0.5
"""Of what is left, for planning. Arbitrary, because subtasks and the answer need the rest."""
CAPABILITIES: Final = tuple(capability.value for capability in Capability)
INSTRUCTIONS: Final = f"""\
Divide the request into subtasks that together answer it. Use as few as possible, at most \
{plans.MOST_NODES}; a simple request is one subtask. Let a subtask depend on another only if it \
needs the other's result: those that do not run at the same time. The known capabilities are: \
{", ".join(CAPABILITIES)}. Do not plan the final answer; it is made from the results afterwards."""


class PlanningClient:
    """Plans by the models behind one internal listener."""

    def __init__(self, internal_url: str, token: TokenFile) -> None:
        """Connects at the first plan."""
        self._token = token
        self._client = AsyncOpenAI(
            base_url=f"{internal_url}/v1", api_key=token.current(), max_retries=0
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def plan(self, run: Run, *, seconds_left: float) -> PlanMade:
        """The nodes to run for a request."""
        try:
            async with asyncio.timeout(seconds_left * SHARE_OF_TIME):
                return await self._ask(run)
        except TimeoutError:
            return undivided("The model did not plan in time.")
        except (AgentRunError, OpenAIError) as error:
            # The text of the error may hold the request; its type says enough.
            logger.warning("no plan", extra={"run": run.id, "error": type(error).__name__})
            return undivided(f"The model gave no usable plan ({type(error).__name__}).")

    async def _ask(self, run: Run) -> PlanMade:
        client = self._client.with_options(
            api_key=self._token.current(),
            default_headers={"x-request-id": f"{run.id}.plan"},
        )
        model = OpenAIChatModel(run.request.model, provider=OpenAIProvider(openai_client=client))
        # In the text, because of all ways to ask for a schema this is the one that every endpoint
        # knows; the schema itself is checked here anyway.
        agent = Agent(
            model,
            output_type=PromptedOutput(Plan),
            instructions=INSTRUCTIONS,
            retries={"output": REPAIRS},
        )
        agent.output_validator(checked)
        reply = await agent.run(question(run.request.messages))
        usage = Usage(
            prompt_tokens=reply.usage.input_tokens, completion_tokens=reply.usage.output_tokens
        )
        return PlanMade(nodes=plans.with_answer(reply.output), usage=usage)


def checked(plan: Plan) -> Plan:
    """A plan that can be carried out.

    Raises:
        ModelRetry: it cannot; the model is told why.
    """
    problem = plans.problem_of(plan, CAPABILITIES)
    if problem is not None:
        raise ModelRetry(problem)
    return plan


def undivided(reason: str = "") -> PlanMade:
    """The request as one node."""
    return PlanMade(nodes=plans.single(), reason=reason)


def question(messages: Sequence[Mapping[str, Any]]) -> str:
    """The conversation as one text; what is no text is only named."""
    return "\n\n".join(f"{message.get('role')}: {_text(message)}" for message in messages)


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = cast("Sequence[Mapping[str, Any]]", content or ())
    return " ".join(str(part.get("text") or f"[{part.get('type')}]") for part in parts)
