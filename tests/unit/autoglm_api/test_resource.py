"""Objects are read leniently, and what cannot be read ends in a sentence."""

from datetime import timedelta
from typing import Annotated, ClassVar

import pytest
from pydantic import Field

from autoglm_api.base import SpecModel, StatusModel
from autoglm_api.resource import Resource, UnreadableObject, condition_column

Object = dict[str, object]


class ThingSpec(SpecModel):
    sizes: Annotated[tuple[Annotated[int, Field(le=5)], ...], Field(min_length=1)]


class ThingStatus(StatusModel):
    count: int = 0


class Thing(Resource[ThingSpec, ThingStatus]):
    pass


class Diary(Resource[ThingSpec, ThingStatus]):
    status_is_journal: ClassVar[bool] = True


def a_thing(**parts: object) -> Object:
    return {"metadata": {"name": "a", "uid": "u"}, "spec": {"sizes": [1]}, **parts}


def test_reads_what_the_api_server_gives() -> None:
    metadata: Object = {
        "name": "a",
        "namespace": "team-a",
        "uid": "u",
        "generation": 3,
        "resourceVersion": "17",
        "deletionTimestamp": "2026-01-02T03:04:05Z",
        "managedFields": [],
    }
    thing = Thing.read(a_thing(metadata=metadata, status={"count": 2}, kind="Thing"))
    assert thing.metadata.generation == 3
    assert thing.metadata.resource_version == "17"
    assert thing.metadata.deletion_timestamp
    assert thing.status.count == 2


def test_an_object_without_status_is_new() -> None:
    assert Thing.read(a_thing()).status == ThingStatus()


@pytest.mark.parametrize("status", [{"count": "many"}, None, 7])
def test_an_unreadable_status_is_written_anew(status: object) -> None:
    assert Thing.read(a_thing(status=status)).status == ThingStatus()


def test_an_unreadable_journal_is_an_error() -> None:
    with pytest.raises(UnreadableObject, match=r"^status\.count: input should be a valid integer"):
        Diary.read(a_thing(status={"count": "many"}))


def test_a_readable_journal_is_read() -> None:
    assert Diary.read(a_thing(status={"count": 1})).status.count == 1


def test_a_refusal_names_the_field() -> None:
    with pytest.raises(UnreadableObject) as refusal:
        Thing.read(a_thing(spec={"sizes": [1, 6]}))
    assert str(refusal.value) == "spec.sizes[1]: input should be less than or equal to 5"


def test_a_refusal_shows_few_problems_and_counts_the_others() -> None:
    with pytest.raises(UnreadableObject) as refusal:
        Thing.read(a_thing(spec={"sizes": [1, 6, 6, 6, 6, 6]}))
    assert str(refusal.value).count("spec.sizes[") == 3
    assert str(refusal.value).endswith("; and 2 more")


@pytest.mark.parametrize("obj", [{}, {"spec": None}, {"metadata": 7, "spec": []}])
def test_nonsense_never_crashes(obj: Object) -> None:
    with pytest.raises(UnreadableObject):
        Thing.read(obj)


def test_columns_of_conditions_read_one_part() -> None:
    status = condition_column("Ready")
    assert (status.name, status.wide) == ("Ready", False)
    assert status.path == '.status.conditions[?(@.type=="Ready")].status'
    message = condition_column("Ready", "message")
    assert (message.name, message.wide) == ("Message", True)
    assert condition_column("Degraded", name="Bad").name == "Bad"


def test_a_timedelta_is_no_surprise_in_a_refusal() -> None:
    with pytest.raises(UnreadableObject, match="valid integer"):
        Thing.read(a_thing(spec={"sizes": [timedelta(days=1)]}))
