"""Reads the definitions in crds/: every field with its path, and defaults as a server fills them.

Exists so that tests of rules, bounds and descriptions cannot forget a field. Never looks at the
Python types.
"""

import copy
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import yaml
from pydantic import JsonValue

Object = dict[str, Any]

CRDS: Final = Path(__file__).parent.parent / "crds"
RULES: Final = "x-kubernetes-validations"


@dataclass(frozen=True)
class Node:
    """One place of a schema."""

    path: str
    """As in messages of the API server, with [] for entries of a list and * for those of a map."""
    schema: Object
    required: bool = False


@functools.cache
def definitions() -> tuple[Object, ...]:
    """Every definition, in the order of the files; read once, and nobody changes them."""
    files = sorted(CRDS.glob("*.yaml"))
    return tuple(cast("Object", yaml.safe_load(file.read_text())) for file in files)


def definition(kind: str) -> Object:
    """The definition of one kind."""
    return next(crd for crd in definitions() if crd["spec"]["names"]["kind"] == kind)


def version(crd: Object) -> Object:
    """The only version of a definition."""
    (only,) = crd["spec"]["versions"]
    return cast("Object", only)


def schema(kind: str) -> Object:
    """The schema of a kind's objects."""
    return cast("Object", version(definition(kind))["schema"]["openAPIV3Schema"])


def nodes(root: Object, path: str = "", *, required: bool = False) -> Iterator[Node]:
    """Yield every node below and including this one."""
    yield Node(path, root, required)
    needed = root.get("required", ())
    for name, child in root.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}".removeprefix("."), required=name in needed)
    if "items" in root:
        yield from nodes(root["items"], f"{path}[]")
    if isinstance(root.get("additionalProperties"), Mapping):
        yield from nodes(root["additionalProperties"], f"{path}.*")


def with_defaults(value: JsonValue, of: Object) -> JsonValue:
    """Return the value as the API server stores it: absent fields filled from the schema."""
    if isinstance(value, dict) and "properties" in of:
        filled = dict(value)
        for name, child in of["properties"].items():
            if name not in filled and "default" in child:
                filled[name] = copy.deepcopy(child["default"])
            if name in filled:
                filled[name] = with_defaults(filled[name], child)
        return filled
    if isinstance(value, list) and "items" in of:
        return [with_defaults(each, of["items"]) for each in value]
    return value


def with_empty_blocks(value: JsonValue, of: Object) -> JsonValue:
    """Return the value with absent blocks written as {}, so that their own defaults count."""
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, child in of.get("properties", {}).items():
        if "default" in child and child.get("type") == "object":
            filled.setdefault(name, {})
        if name in filled:
            filled[name] = with_empty_blocks(filled[name], child)
    return filled
