"""What a kind of ours is: metadata, spec, status, and how kubectl shows it.

An object is read leniently: unknown fields are ignored, and one that cannot be read ends in a
sentence for a condition, never in a crash loop. This module never decides what an object means.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Generic, Self, TypeVar

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator

from autoglm_api.base import SpecModel, StatusModel
from autoglm_api.kinds import Kind
from autoglm_api.rules import Rule

PROBLEMS_SHOWN: Final = 3
"""Arbitrary, because a person mends one at a time and a message has room for few."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of ``kubectl get``."""

    name: str
    path: str
    """JSONPath inside the object."""
    description: str
    type: str = "string"
    wide: bool = False
    """Shown only with ``-o wide``."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the scale subresource finds its numbers; JSONPaths without filters."""

    spec_replicas: str
    status_replicas: str
    selector: str


@dataclass(frozen=True, slots=True)
class Definition:
    """What a CustomResourceDefinition says beyond its schema."""

    kind: Kind
    short_name: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    """Rules over the whole object; only these see ``metadata.name``."""
    scale: Scale | None = None
    selectable: tuple[str, ...] = ()
    """JSONPaths that field selectors accept."""


def condition_column(condition: str, part: str = "status", *, name: str = "") -> Column:
    """A column that shows one part of a condition."""
    title = name or (condition if part == "status" else part.capitalize())
    return Column(
        name=title,
        path=f'.status.conditions[?(@.type=="{condition}")].{part}',
        description=f"The {part} of the condition {condition}.",
        wide=part == "message",
    )


AGE: Final = Column(
    "Age", ".metadata.creationTimestamp", "Time since the object was created.", type="date"
)


class UnreadableObject(ValueError):  # noqa: N818  # named for what it is, callers report it
    """An object that this version cannot read; the text is one sentence for a condition."""


class Metadata(SpecModel):
    """The part of an object's metadata that decisions read."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


SpecT = TypeVar("SpecT", bound=SpecModel)
StatusT = TypeVar("StatusT", bound=StatusModel)


class Resource(SpecModel, Generic[SpecT, StatusT]):
    """An object of one of our kinds."""

    definition: ClassVar[Definition]
    status_is_journal: ClassVar[bool] = False
    """Whether the status holds what exists nowhere else. If so, an unreadable one is an error; if
    not, it is taken as empty and written anew."""

    metadata: Metadata
    spec: SpecT
    status: StatusT

    @classmethod
    def read(cls, obj: Mapping[str, object]) -> Self:
        """Read an object as the API server gives it.

        Raises:
            UnreadableObject: it does not fit this version's types.
        """
        try:
            return cls.model_validate({"status": {}, **obj})
        except ValidationError as error:
            raise UnreadableObject(_sentence(error)) from error

    @field_validator("status", mode="wrap")
    @classmethod
    def _forgive_status(cls, value: object, handler: ValidatorFunctionWrapHandler) -> object:
        try:
            return handler(value)
        except ValidationError:
            if cls.status_is_journal:
                raise
            return handler({})


def _sentence(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [f"{_path(each['loc'])}: {_plain(each['msg'])}" for each in problems[:PROBLEMS_SHOWN]]
    more = len(problems) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _path(location: tuple[int | str, ...]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".")


def _plain(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
