"""Rules in CEL that the API server checks, written beside the fields they are about.

Python's own validators are invisible to the API server, so every cross-field rule is a `Rule`. It
only adds to the JSON schema; nothing here runs when an object is read.
"""

from dataclasses import dataclass
from typing import Final

from pydantic import ConfigDict, GetJsonSchemaHandler, JsonValue
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

VALIDATIONS: Final = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL expression over ``self``, and the sentence that a person reads when it is false.

    As metadata of a field's type it is about that field; in `rules` it is about a whole model.
    """

    expression: str
    message: str
    """Says what to write instead."""

    def as_json(self) -> dict[str, str]:
        """The form that a CustomResourceDefinition wants."""
        return {"rule": self.expression, "message": self.message}

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add this rule to the schema of the annotated type."""
        schema = handler(core_schema)
        return schema | {VALIDATIONS: [*schema.get(VALIDATIONS, ()), self.as_json()]}


@dataclass(frozen=True, slots=True)
class Extra:
    """Further schema keywords that pydantic has no words for, such as list types."""

    keywords: tuple[tuple[str, str | tuple[str, ...]], ...]
    """Pairs and tuples, because metadata of a type must be hashable."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the keywords to the schema of the annotated type."""
        return handler(core_schema) | {
            keyword: list(value) if isinstance(value, tuple) else value
            for keyword, value in self.keywords
        }


def list_map(*keys: str) -> Extra:
    """A list whose entries are known by these fields, so that appliers can own single entries."""
    return Extra((("x-kubernetes-list-type", "map"), ("x-kubernetes-list-map-keys", keys)))


ATOMIC: Final = Extra((("x-kubernetes-list-type", "atomic"),))
"""A list that is replaced as a whole."""
SET: Final = Extra((("x-kubernetes-list-type", "set"),))
"""A list of distinct values."""
ATOMIC_MAP: Final = Extra((("x-kubernetes-map-type", "atomic"),))
"""A map that is replaced as a whole, such as a selector."""


def rules(*of_model: Rule) -> ConfigDict:
    """The ``model_config`` of a model with cross-field rules."""
    validations: list[JsonValue] = [{**rule.as_json()} for rule in of_model]
    return ConfigDict(json_schema_extra={VALIDATIONS: validations})
