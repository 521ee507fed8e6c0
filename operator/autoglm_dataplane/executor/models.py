"""Asks a model through the router's internal listener, with the plain OpenAI client.

Its own retries are few and only for what the router could not repeat itself: the client's retries
are off, or planner, client and router would multiply theirs. It never reads or writes the store.
"""

import asyncio
import random  # noqa: TID251  # the caller makes it
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, OpenAIError

from autoglm_dataplane.serving.tokens import TokenFile
from autoglm_dataplane.taskstore.journal import Problem, Usage
from autoglm_dataplane.taskstore.requests import Message

RETRIES: Final = 3
"""Source: the project's runtime design, "at most 3"."""
FIRST_PAUSE_SECONDS: Final = 0.5
"""Doubled every time, full jitter. Together about as long as a router pod needs to come back."""
AGAIN_STATUSES: Final = frozenset({429, 502, 503, 504})
"""Answers of the router that may be better a moment later."""
UPSTREAM_HEADER: Final = "x-autoglm-upstream"


class ModelError(Exception):
    """A model gave no answer; `problem` is what the client reads."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Said:
    """A model's answer."""

    content: str
    finish_reason: str
    upstream: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Ask:
    """A question for a model."""

    model: str
    messages: Sequence[Message]
    parameters: Mapping[str, Any]
    request_id: str
    retry: bool
    """Whether it may be asked twice."""


class Models:
    """The models behind one internal listener."""

    def __init__(self, internal_url: str, token: TokenFile, chance: random.Random) -> None:
        """Connects at the first question; `chance` spreads repeated ones."""
        self._token = token
        self._chance = chance
        self._client = AsyncOpenAI(
            base_url=f"{internal_url}/v1", api_key=token.current(), max_retries=0
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(self, question: Ask, *, timeout_seconds: float) -> Said:
        """Ask, and ask again as long as that may help and time is left.

        Raises:
            ModelError: there is no answer.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._ask_again(question)
        except TimeoutError as error:
            raise ModelError(timed_out()) from error

    async def _ask_again(self, question: Ask) -> Said:
        for pause in (FIRST_PAUSE_SECONDS * 2**n for n in range(RETRIES)):
            try:
                return await self._ask_once(question)
            except OpenAIError as error:
                if not question.retry or not _may_help(error):
                    raise ModelError(problem_of(error)) from error
            await asyncio.sleep(self._chance.uniform(0, pause))
        try:
            return await self._ask_once(question)
        except OpenAIError as error:
            raise ModelError(problem_of(error)) from error

    async def _ask_once(self, question: Ask) -> Said:
        client = self._client.with_options(api_key=self._token.current())
        raw = await client.chat.completions.with_raw_response.create(
            model=question.model,
            messages=cast("Any", list(question.messages)),
            stream=False,
            extra_headers={"x-request-id": question.request_id},
            extra_body=dict(question.parameters),
        )
        reply = raw.parse()
        if not reply.choices:
            raise ModelError(
                Problem(status=502, code="no_choice", message="The model said nothing.")
            )
        choice = reply.choices[0]
        usage = reply.usage
        return Said(
            content=choice.message.content or "",
            finish_reason=choice.finish_reason,
            upstream=str(raw.headers.get(UPSTREAM_HEADER, "")),
            usage=Usage(
                prompt_tokens=usage.prompt_tokens if usage else 0,
                completion_tokens=usage.completion_tokens if usage else 0,
            ),
        )


def timed_out() -> Problem:
    """The problem of a run whose time is over."""
    return Problem(status=504, code="timeout", message="The model did not answer in time.")


def problem_of(error: OpenAIError) -> Problem:
    """What the client reads about a failed call; texts of strangers stay out of it."""
    match error:
        case APITimeoutError():
            return timed_out()
        case APIConnectionError():
            return Problem(
                status=502, code="router_unreachable", message="The router did not answer."
            )
        case APIStatusError() if error.status_code in {401, 403}:
            return Problem(
                status=502, code="router_refused", message="The router refused the internal token."
            )
        case APIStatusError():
            message = f"The model answered {error.status_code}."
            return Problem(status=error.status_code, code="model_error", message=message)
        case _:
            return Problem(
                status=502, code="model_error", message="The model's answer cannot be read."
            )


def _may_help(error: OpenAIError) -> bool:
    if isinstance(error, APIStatusError):
        return error.status_code in AGAIN_STATUSES
    return isinstance(error, APIConnectionError)
