"""Reads requests: chat completions for virtual models, and tasks.

What a run cannot honour is refused by name rather than dropped silently. Pure: it never accepts a
run.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autoglm_api import virtualmodels
from autoglm_api.autoglmcluster import CooperationStrategy
from autoglm_api.durations import Between, Duration
from autoglm_dataplane.planner.refusals import RefusalError
from autoglm_dataplane.planner.settings import PlannerSettings
from autoglm_dataplane.taskstore import timing
from autoglm_dataplane.taskstore.requests import Entrance, RunRequest

PARAMETERS: Final = frozenset(
    {
        *("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "user"),
        *("presence_penalty", "frequency_penalty", "response_format"),
    }
)
"""Passed on to the model that writes the answer."""
HARMLESS: Final = frozenset({"model", "messages", "stream", "stream_options", "n", "metadata"})
"""Read by us, or without effect on an answer."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[dict[str, Any]]


M = TypeVar("M", bound=BaseModel)
Messages = Annotated[list[_Message], Field(min_length=1, max_length=1000)]


class _StreamOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    include_usage: bool = False


class _Chat(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    model: Annotated[str, Field(min_length=1, max_length=256)]
    messages: Messages
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Literal[1] | None = None


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Annotated[str, Field(min_length=1)] | None = None
    messages: Messages | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "_Payload":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self

    def conversation(self) -> tuple[Mapping[str, Any], ...]:
        if self.messages is None:
            return ({"role": "user", "content": self.prompt},)
        return tuple(message.model_dump() for message in self.messages)


class _Meta(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: CooperationStrategy | None = None
    retry: bool = True
    timeout: Annotated[Duration, Between("1s", "1h")] | None = None


class _Task(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["chat"]
    payload: _Payload
    meta: _Meta = _Meta()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and how its reply travels."""

    request: RunRequest
    stream: bool = False
    include_usage: bool = False

    def fingerprint(self) -> str:
        """Tells a repeated request from another one with the same `Idempotency-Key`."""
        canonical = json.dumps(self.request.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


def chat(body: bytes, settings: PlannerSettings) -> Asked:
    """Read a chat completion.

    Raises:
        RefusalError: it cannot be taken.
    """
    asked = _validated(_Chat, body)
    strategy = virtualmodels.strategy_of(asked.model, settings.strategy)
    if strategy is None:
        known = ", ".join(virtualmodels.NAMES)
        message = f"The planner does not serve the model {asked.model!r}; use one of {known}."
        raise RefusalError(404, "model_not_found", message, "model")
    extra = {name: value for name, value in (asked.model_extra or {}).items() if value is not None}
    unknown = sorted(extra.keys() - PARAMETERS - HARMLESS)
    if unknown:
        message = f"Virtual models do not take {', '.join(unknown)}; leave it out."
        raise RefusalError(400, "unsupported_parameter", message, unknown[0])
    _check_model(settings)
    request = RunRequest(
        entrance=Entrance.CHAT,
        virtual_model=asked.model,
        strategy=strategy,
        model=settings.model,
        messages=tuple(message.model_dump() for message in asked.messages),
        parameters={name: value for name, value in extra.items() if name in PARAMETERS},
        timeout_milliseconds=timing.milliseconds(settings.run_timeout),
    )
    usage = asked.stream_options is not None and asked.stream_options.include_usage
    return Asked(request, stream=bool(asked.stream), include_usage=usage)


def task(body: bytes, settings: PlannerSettings) -> Asked:
    """Read a task.

    Raises:
        RefusalError: it cannot be taken.
    """
    asked = _validated(_Task, body)
    _check_model(settings)
    timeout = min(asked.meta.timeout or settings.run_timeout, settings.run_timeout)
    request = RunRequest(
        entrance=Entrance.TASKS,
        virtual_model=virtualmodels.DEFAULT,
        strategy=asked.meta.strategy or settings.strategy,
        model=settings.model,
        messages=asked.payload.conversation(),
        timeout_milliseconds=timing.milliseconds(timeout),
        retry=asked.meta.retry,
    )
    return Asked(request)


def last_event(text: str) -> int:
    """The version after which a client wants the events.

    Raises:
        RefusalError: it is no version.
    """
    if not text:
        return 0
    if not text.isascii() or not text.isdigit():
        message = "Last-Event-ID must be the id of an event of this run; leave it out for all."
        raise RefusalError(400, "invalid_event_id", message)
    return int(text)


def _check_model(settings: PlannerSettings) -> None:
    if not settings.model:
        message = "This cluster has no upstream that could work on tasks; see its conditions."
        raise RefusalError(503, "no_model", message)


def _validated(kind: type[M], body: bytes) -> M:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        message = f"{where or 'body'}: {what}."
        raise RefusalError(400, "invalid_request", message, where or None) from error
