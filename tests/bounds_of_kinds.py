"""Makes, for every bound of a schema, an object that just keeps it and one that just breaks it.

Exists so that no bound can be forgotten: the cases come from the schema. Rules in CEL have a table
of their own in `rules_of_kinds`.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import crdschema
import customresources
from crdschema import Object

Step = str | int
Place = tuple[Step, ...]

_NEVER_FITS: Final = ("!", "-", "", "a b", "\u00e4")


@dataclass(frozen=True)
class BoundCase:
    """One bound of one field."""

    name: str
    refused: Object
    message: str
    """What the refusal must say."""
    kept: Object | None = None
    """An object at the bound; None where no single value is at it."""


def bound_cases() -> Iterator[BoundCase]:
    """Yield the cases of every kind, each bound once."""
    seen: set[str] = set()
    for obj in customresources.full():
        schema = crdschema.schema(obj["kind"])["properties"]["spec"]
        for place, node in _places(obj["spec"], schema, ("spec",)):
            for case in _of_node(obj, place, node):
                if case.name not in seen:
                    seen.add(case.name)
                    yield case


def _places(value: Any, schema: Object, place: Place) -> Iterator[tuple[Place, Object]]:  # noqa: ANN401
    yield place, schema
    if "properties" in schema:
        for name, child in schema["properties"].items():
            if name in value:
                yield from _places(value[name], child, (*place, name))
    elif isinstance(schema.get("additionalProperties"), dict):
        key = next(iter(value))
        yield from _places(value[key], schema["additionalProperties"], (*place, key))
    elif "items" in schema:
        for at, each in enumerate(value):
            yield from _places(each, schema["items"], (*place, at))


def _of_node(obj: Object, place: Place, node: Object) -> Iterator[BoundCase]:
    path = _path(place)
    for what, refused, message, kept in _broken(_at(obj, place), node, path):
        yield BoundCase(
            name=f"{obj['kind']}.{_anywhere(path)} {what}",
            refused=_with(obj, place, refused),
            message=message,
            kept=None if kept is None else _beside(_with(obj, place, kept), place, kept),
        )
    for name in node.get("required", ()):
        yield BoundCase(
            name=f"{obj['kind']}.{_anywhere(path)}.{name} required",
            refused=_without(obj, (*place, name)),
            message=f"{path}.{name}: Required value",
        )


def _beside(obj: Object, place: Place, kept: Any) -> Object:  # noqa: ANN401
    """The object with an autoscaler's other bound moved along, for the least is not the most."""
    pair = {"minReplicas": "maxReplicas", "maxReplicas": "minReplicas"}
    other = pair.get(str(place[-1])) if len(place) > 1 else None
    if other is None or other not in _at(obj, place[:-1]):
        return obj
    return _with(obj, (*place[:-1], other), kept)


def _broken(
    value: Any,  # noqa: ANN401
    node: Object,
    path: str,
) -> Iterator[tuple[str, Any, str, Any]]:
    """Yield name of the bound, a value beyond it, the message, and a value at it."""
    if "minimum" in node:
        least = node["minimum"]
        message = f"{path} in body should be greater than or equal to {_number(least)}"
        yield "minimum", least - 1, message, least
    if "maximum" in node:
        most = node["maximum"]
        message = f"{path} in body should be less than or equal to {_number(most)}"
        yield "maximum", most + 1, message, most
    if "enum" in node:
        known = ", ".join(f'"{each}"' for each in node["enum"])
        message = f'{path}: Unsupported value: "Nonsense": supported values: {known}'
        yield "enum", "Nonsense", message, None
    if "pattern" in node:
        bad = next(text for text in _NEVER_FITS if not re.search(node["pattern"], text))
        yield "pattern", bad, f"{path} in body should match '{node['pattern']}'", None
    yield from _broken_length(value, node, path)


def _broken_length(
    value: Any,  # noqa: ANN401
    node: Object,
    path: str,
) -> Iterator[tuple[str, Any, str, Any]]:
    if "maxLength" in node:
        most = node["maxLength"]
        message = f"{path}: Too long: may not be more than {most} bytes"
        yield "maxLength", "1" * (most + 1), message, None
    if "minLength" in node:
        least = node["minLength"]
        yield "minLength", "", f"{path} in body should be at least {least} chars long", None
    if "maxItems" in node:
        most = node["maxItems"]
        message = f"{path}: Too many: {most + 1}: must have at most {most} items"
        kept = value if len(value) == most else _copies(value, most)
        yield "maxItems", _copies(value, most + 1), message, kept
    if "minItems" in node:
        least = node["minItems"]
        yield "minItems", [], f"{path} in body should have at least {least} items", value[:least]
    if "maxProperties" in node:
        most = node["maxProperties"]
        entry = next(iter(value.values()))
        message = f"{path}: Too many: {most + 1}: must have at most {most} items"
        full = {f"key-{i}": entry for i in range(most)}
        yield "maxProperties", {**full, "more": entry}, message, full


def _copies(entries: list[Any], count: int) -> list[Any]:
    """As many entries; those of a list known by name get names of their own."""
    first = entries[0]
    if not isinstance(first, dict) or "endpointRef" not in first:
        return [first] * count
    return [{**first, "name": f"entry-{i}"} for i in range(count)]


def _number(bound: float) -> str:
    """A bound as Go writes it."""
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _anywhere(path: str) -> str:
    """The path with every place in a list the same, for each bound is tried once."""
    return re.sub(r"\[\d+\]", "[]", path)


def _path(place: Place) -> str:
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(parts).removeprefix(".")


def _at(obj: Object, place: Place) -> Any:  # noqa: ANN401
    value: Any = obj
    for step in place:
        value = value[step]
    return value


def _with(obj: Object, place: Place, value: object) -> Object:
    changed = copy.deepcopy(obj)
    _at(changed, place[:-1])[place[-1]] = value
    return changed


def _without(obj: Object, place: Place) -> Object:
    changed = copy.deepcopy(obj)
    del _at(changed, place[:-1])[place[-1]]
    return changed
