"""Reads a chat request, as far as an answer depends on it.

Unknown fields are kept out of the way, as real servers do: clients differ. It never answers.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field

Part = Mapping[str, Any]


class Message(BaseModel):
    """One message of the conversation."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Annotated[str, Field(min_length=1, max_length=32)]
    content: str | tuple[Part, ...] | None = None

    @property
    def text(self) -> str:
        """The text parts; images and sounds have none."""
        if isinstance(self.content, str):
            return self.content
        return "".join(str(part.get("text", "")) for part in self.content or ())


class StreamOptions(BaseModel):
    """How to stream."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    include_usage: bool = False


class Question(BaseModel):
    """A chat completion request."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: Annotated[str, Field(min_length=1, max_length=256)]
    messages: Annotated[tuple[Message, ...], Field(min_length=1)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    response_format: Mapping[str, Any] | None = None

    @property
    def token_limit(self) -> int | None:
        """The most tokens that the answer may have."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def prompt(self) -> str:
        """What the person asked last."""
        asked = [message.text for message in self.messages if message.role == "user"]
        return asked[-1] if asked else self.messages[-1].text

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the token counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def plan_tool(self) -> str | None:
        """Name of the function whose arguments are a plan, if one is offered."""
        for tool in self.tools:
            function = cast("Mapping[str, Any]", tool.get("function") or {})
            if _is_plan(function.get("parameters")):
                return str(function.get("name"))
        return None

    @property
    def wants_plan(self) -> bool:
        """Whether the format or the instructions ask for a plan in the text."""
        asked_by_format = _is_plan(self.response_format)
        return asked_by_format or any(_is_plan(text) for text in self._instructions())

    def _instructions(self) -> Iterator[str]:
        for message in self.messages:
            if message.role in {"system", "developer"}:
                yield message.text


def _is_plan(schema: object) -> bool:
    """Recognise the schema of a plan, as an object or as text in a prompt, by its two fields."""
    written = str(schema)
    return "depends_on" in written and "nodes" in written
