"""The shape of a rule's test case, and how to change one field of an object.

Exists so that the tables of rules read alike. Never says what a rule is.
"""

from dataclasses import dataclass

from customresources import Object


@dataclass(frozen=True)
class RuleCase:
    """A rule about one object."""

    message: str
    refused: Object
    taken: Object
    field: str
    """Path that the refusal names."""


@dataclass(frozen=True)
class ChangeCase:
    """A rule about a change."""

    message: str
    before: Object
    refused: Object
    taken: Object
    field: str


def with_field(obj: Object, path: str, value: object) -> Object:
    """A copy of the object whose field below spec has this value."""
    *parents, last = path.split(".")
    spec = dict(obj["spec"])
    block = spec
    for name in parents:
        block[name] = dict(block.get(name, {}))
        block = block[name]
    block[last] = value
    return {**obj, "spec": spec}
