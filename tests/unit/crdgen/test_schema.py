"""Pydantic's schema becomes a structural one, or is refused with the path of the field."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from autoglm_api.base import Quantity, SpecModel
from autoglm_api.durations import Duration
from autoglm_api.rules import ATOMIC
from crdgen.schema import NotStructural, structural_schema


class Color(StrEnum):
    """A color."""

    RED = "Red"
    BLUE = "Blue"


class Inner(SpecModel):
    """What is inside."""

    size: Annotated[int, Field(gt=0, lt=10)] = 3
    tags: Annotated[tuple[str, ...], ATOMIC] = ()


class Outer(SpecModel):
    """What is outside,
    on two lines.
    """

    wait: Duration = timedelta(seconds=90)
    color: Color = Color.RED
    one: Literal["One"] = "One"
    maybe: Inner | None = None
    inner: Annotated[Inner, Field(description="Said here.")] = Inner(size=4)
    free: dict[str, Any] = Field(default={})
    amount: Quantity | None = None
    ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    labels: dict[str, Color] = Field(default={})
    unique: Annotated[frozenset[str], Field(max_length=3)] = frozenset()


def node(name: str) -> dict[str, Any]:
    """The schema of one field of Outer."""
    found: dict[str, Any] = structural_schema(Outer)["properties"][name]
    return found


def test_durations_are_strings_with_string_defaults() -> None:
    assert node("wait")["type"] == "string"
    assert node("wait")["default"] == "1m30s"


def test_references_are_inlined_and_the_nearer_text_wins() -> None:
    assert node("color") == {
        "default": "Red",
        "description": "A color.",
        "enum": ["Red", "Blue"],
        "type": "string",
    }
    assert node("inner")["description"] == "Said here."
    assert node("maybe")["description"] == "What is inside."


def test_text_is_one_line() -> None:
    assert structural_schema(Outer)["description"] == "What is outside, on two lines."


def test_an_optional_field_is_neither_nullable_nor_defaulted() -> None:
    assert node("maybe").keys() == {"description", "properties", "type"}


def test_the_default_of_a_block_is_written_in_full() -> None:
    assert node("inner")["default"] == {"size": 4}
    assert node("inner")["properties"]["size"]["default"] == 3


def test_a_status_gets_no_defaults() -> None:
    inner = structural_schema(Outer, defaults=False)["properties"]["inner"]
    assert "default" not in inner
    assert "default" not in inner["properties"]["size"]


def test_an_empty_default_is_left_out() -> None:
    assert "default" not in node("free")
    assert "default" not in node("inner")["properties"]["tags"]


def test_a_constant_is_an_enumeration_of_one() -> None:
    assert node("one")["enum"] == ["One"]


def test_exclusive_bounds_of_integers_move_by_one() -> None:
    size = node("inner")["properties"]["size"]
    assert (size["minimum"], size["maximum"], size["format"]) == (1, 9, "int32")


def test_exclusive_bounds_of_numbers_are_flags() -> None:
    assert node("ratio")["minimum"] == 0
    assert node("ratio")["exclusiveMinimum"] is True


def test_a_free_map_keeps_what_it_holds() -> None:
    assert node("free")["x-kubernetes-preserve-unknown-fields"] is True
    assert "additionalProperties" not in node("free")


def test_a_map_of_models_is_inlined() -> None:
    assert node("labels")["additionalProperties"]["enum"] == ["Red", "Blue"]


def test_a_quantity_is_an_integer_or_a_string() -> None:
    assert node("amount")["x-kubernetes-int-or-string"] is True
    assert "type" not in node("amount")


def test_distinct_values_are_a_set() -> None:
    assert node("unique")["x-kubernetes-list-type"] == "set"
    assert "uniqueItems" not in node("unique")


class Tree(SpecModel):
    children: Annotated[tuple["Tree", ...], ATOMIC] = ()


class Either(SpecModel):
    value: Annotated[int, Field(ge=0)] | Inner


class Pair(SpecModel):
    pair: Annotated[tuple[int, str], ATOMIC]


class Listed(SpecModel):
    entries: tuple[str, ...] = ()


class Anything(SpecModel):
    value: Any


class Mixed(SpecModel):
    value: Literal[1, "one"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Tree, r"Tree\.children\[\]: Tree contains itself"),
        (Either, r"Either\.value: a union must be a type field plus one optional block per type"),
        (Pair, r"Pair\.pair: no place in a structural schema for prefixItems"),
        (Listed, r"Listed\.entries: say how the list merges: atomic, set or map"),
        (Anything, r"Anything\.value: every field needs one type"),
        (Mixed, r"Mixed\.value: every field needs one type"),
    ],
)
def test_what_kubernetes_cannot_express_is_refused(model: type[SpecModel], message: str) -> None:
    with pytest.raises(NotStructural, match=message):
        structural_schema(model)
