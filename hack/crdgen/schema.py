"""Turns pydantic's JSON schema into the structural schema that Kubernetes wants.

Kubernetes knows no references, no null type and no free unions, and prunes what it does not know.
What cannot be expressed is refused here, with the path of the field, rather than by an API server
later.
"""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from autoglm_api.durations import format_duration

INT_OR_STRING: Final = "x-kubernetes-int-or-string"
LIST_TYPE: Final = "x-kubernetes-list-type"
PRESERVE_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"

# Words that explain a schema to other tools; the API server refuses some and ignores the others.
_STRIPPED: Final = frozenset(
    {"title", "examples", "deprecated", "discriminator", "$defs", "$comment"}
)
_SUPPORTED: Final = frozenset(
    {
        "additionalProperties",
        "anyOf",
        "default",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "pattern",
        "properties",
        "required",
        "type",
    }
)
_INT32_MAX: Final = 2**31 - 1
_EXCLUSIVE: Final = (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1))


class NotStructural(Exception):  # noqa: N818  # named for what the type is
    """A type that no CustomResourceDefinition can describe; the text names the field."""


def _without_empty(block: Mapping[str, Any]) -> dict[str, Any]:
    filled = {
        key: _without_empty(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else value
        for key, value in block.items()
    }
    return {key: value for key, value in filled.items() if value not in ({}, [])}


class _Generator(GenerateJsonSchema):
    """Writes defaults as the API server would hold them."""

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401  # pydantic's signature
        if isinstance(dft, timedelta):
            return format_duration(dft)
        if isinstance(dft, BaseModel):
            # Written out in full: CEL sees a default as it stands, before defaults inside it.
            return _without_empty(dft.model_dump(mode="json", by_alias=True, exclude_none=True))
        return to_jsonable_python(dft)


def structural_schema(model: type[BaseModel], *, defaults: bool = True) -> dict[str, Any]:
    """The structural schema of a model; a status is written without defaults.

    Raises:
        NotStructural: a field's type has no counterpart.
    """
    generated = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    return _Converter(generated.get("$defs", {}), defaults=defaults).convert(
        generated, model.__name__
    )


class _Converter:
    def __init__(self, definitions: Mapping[str, Any], *, defaults: bool) -> None:
        self._definitions = definitions
        self._defaults = defaults
        self._open: list[str] = []

    def convert(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Convert one node and everything below it."""
        if "$ref" in schema:
            return self._inline(schema, path)
        node = {key: value for key, value in schema.items() if key not in _STRIPPED}
        if len(node.get("allOf", ())) == 1:
            (only,) = node.pop("allOf")
            return self.convert({**only, **node}, path)
        if "anyOf" in node and not node.get(INT_OR_STRING):
            return self._one_of_optional(node, path)
        _rename(node)
        self._descend(node, path)
        _check(node, path)
        return self._finish(node)

    def _inline(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name in self._open:
            message = f"{path}: {name} contains itself"
            raise NotStructural(message)
        self._open.append(name)
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        converted = self.convert({**self._definitions[name], **beside}, path)
        self._open.pop()
        return converted

    def _one_of_optional(self, node: dict[str, Any], path: str) -> dict[str, Any]:
        branches = [branch for branch in node.pop("anyOf") if branch.get("type") != "null"]
        if len(branches) != 1:
            message = f"{path}: a union must be a type field plus one optional block per type"
            raise NotStructural(message)
        if node.get("default", ...) is None:
            del node["default"]
        return self.convert({**branches[0], **node}, path)

    def _descend(self, node: dict[str, Any], path: str) -> None:
        if "properties" in node:
            node["properties"] = {
                name: self.convert(child, f"{path}.{name}")
                for name, child in node["properties"].items()
            }
            node.pop("additionalProperties", None)
        if isinstance(node.get("additionalProperties"), Mapping):
            node["additionalProperties"] = self.convert(node["additionalProperties"], f"{path}.*")
        if "items" in node:
            node["items"] = self.convert(node["items"], f"{path}[]")

    def _finish(self, node: dict[str, Any]) -> dict[str, Any]:
        # An empty list or map as default says nothing and clutters every object.
        says_nothing = node.get("default", ...) in ([], {}) and not any(
            "default" in child for child in node.get("properties", {}).values()
        )
        if says_nothing or not self._defaults:
            node.pop("default", None)
        if "description" in node:
            node["description"] = " ".join(node["description"].split())
        return node


def _rename(node: dict[str, Any]) -> None:
    """Replace words of JSON schema 2020-12 by those of Kubernetes."""
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if node.pop("uniqueItems", False):
        node[LIST_TYPE] = "set"
    if node.get("additionalProperties") is True:
        del node["additionalProperties"]
        node[PRESERVE_UNKNOWN] = True
    for exclusive, inclusive, step in _EXCLUSIVE:
        if exclusive in node and node.get("type") == "integer":
            node[inclusive] = node.pop(exclusive) + step
        elif exclusive in node:
            node[inclusive], node[exclusive] = node[exclusive], True
    if node.get("type") == "integer":
        node["format"] = "int32" if node.get("maximum", math.inf) <= _INT32_MAX else "int64"


def _check(node: Mapping[str, Any], path: str) -> None:
    unknown = sorted(
        key for key in node if key not in _SUPPORTED and not key.startswith("x-kubernetes-")
    )
    if unknown:
        message = f"{path}: no place in a structural schema for {', '.join(unknown)}"
        raise NotStructural(message)
    if not node.keys() & {"type", INT_OR_STRING, PRESERVE_UNKNOWN}:
        message = f"{path}: every field needs one type"
        raise NotStructural(message)
    if node.get("type") == "array" and LIST_TYPE not in node:
        message = f"{path}: say how the list merges: atomic, set or map"
        raise NotStructural(message)
