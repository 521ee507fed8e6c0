"""What a client asked for, as the journal keeps it.

Whoever takes over a run knows no more than this. It never says how to answer.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from autoglm_api.autoglmcluster import CooperationStrategy

Message = Mapping[str, Any]
"""One chat message in OpenAI's form, passed on as it came."""


class Entrance(StrEnum):
    """The API by which a run was asked for."""

    CHAT = "chat"
    TASKS = "tasks"


class RunRequest(BaseModel):
    """One request that planner and executors work on together."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    entrance: Entrance
    """The API that it came by."""
    virtual_model: str
    """The model that the client named."""
    strategy: CooperationStrategy
    """How it is worked on."""
    model: str
    """The real model that subtasks are sent to."""
    messages: Annotated[tuple[Message, ...], Field(min_length=1)]
    """The conversation."""
    parameters: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    """Sampling parameters of the client; they shape the answer, not the subtasks."""
    timeout_milliseconds: Annotated[int, Field(ge=1)]
    """From acceptance to the answer."""
    retry: bool = True
    """Whether a subtask may run again when its executor was lost. Asking a model only costs
    tokens; a client that cannot afford that says no."""
