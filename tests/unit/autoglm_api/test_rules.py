"""Rules and further keywords reach the schema."""

from typing import Annotated

from autoglm_api.base import SpecModel
from autoglm_api.rules import ATOMIC, SET, Rule, list_map, rules

NOT_EMPTY = Rule("self != ''", "write something")
SHORT = Rule("size(self) < 5", "write less")


class Ruled(SpecModel):
    model_config = rules(Rule("has(self.name)", "name it"))

    name: Annotated[str, NOT_EMPTY, SHORT] | None = None
    entries: Annotated[tuple[str, ...], list_map("a", "b")] = ()
    values: Annotated[tuple[str, ...], SET] = ()
    others: Annotated[tuple[str, ...], ATOMIC] = ()


def test_rules_of_a_field_keep_their_order() -> None:
    named, _ = Ruled.model_json_schema()["properties"]["name"]["anyOf"]
    assert named["x-kubernetes-validations"] == [NOT_EMPTY.as_json(), SHORT.as_json()]


def test_rules_of_a_model_stand_beside_its_fields() -> None:
    (rule,) = Ruled.model_json_schema()["x-kubernetes-validations"]
    assert rule == {"rule": "has(self.name)", "message": "name it"}


def test_a_model_with_rules_is_still_a_spec() -> None:
    assert Ruled.model_validate({"foreign": 1}).as_json() == {
        "entries": [],
        "values": [],
        "others": [],
    }


def test_lists_say_how_they_merge() -> None:
    properties = Ruled.model_json_schema()["properties"]
    assert properties["entries"]["x-kubernetes-list-type"] == "map"
    assert properties["entries"]["x-kubernetes-list-map-keys"] == ["a", "b"]
    assert properties["values"]["x-kubernetes-list-type"] == "set"
    assert properties["others"]["x-kubernetes-list-type"] == "atomic"
