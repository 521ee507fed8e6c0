"""The key of a reconcile: which object, never what happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """Namespace and name of an object of the kind that a queue is about."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def key_of(obj: dict[str, Any]) -> ObjectKey:
    """The key of an object."""
    return ObjectKey(str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"]))
