"""Field types that all kinds share."""

from datetime import datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from autoglm_api.base import LocalRef, Quantity, SecretKeyRef, SpecModel, StatusModel, Timestamp


class Box(SpecModel):
    """A box."""

    max_size: Quantity = "1Gi"
    """Size of the box."""


class Seen(StatusModel):
    at: Timestamp


def test_fields_are_camel_case_outside() -> None:
    assert Box.model_validate({"maxSize": "2Gi"}).max_size == "2Gi"
    assert Box(max_size="2Gi").as_json() == {"maxSize": "2Gi"}


def test_descriptions_come_from_docstrings() -> None:
    assert Box.model_json_schema()["properties"]["maxSize"]["description"] == "Size of the box."


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert Box.model_validate({"color": "red"}) == Box()


def test_a_spec_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Box().max_size = "2Gi"  # type: ignore[misc]


@pytest.mark.parametrize("size", ["1", "1.5", ".5", "100m", "1Ki", "2E", "1e3", "+1"])
def test_takes_quantities_as_kubernetes_does(size: str) -> None:
    assert Box.model_validate({"maxSize": size}).max_size == size


def test_a_whole_number_is_a_quantity() -> None:
    assert Box.model_validate({"maxSize": 2}).max_size == "2"


@pytest.mark.parametrize("size", ["", "-1", "1 Gi", "Gi", "1gi", 1.5, None, True])
def test_refuses_what_is_no_amount(size: object) -> None:
    with pytest.raises(ValidationError):
        Box.model_validate({"maxSize": size})


@pytest.mark.parametrize("name", ["a", "a-b", "a" * 40])
def test_takes_names_of_dns_labels(name: str) -> None:
    assert LocalRef(name=name).name == name


@pytest.mark.parametrize("name", ["", "A", "1a", "a-", "a.b", "a" * 41, "a\n"])
def test_refuses_names_that_no_child_could_carry(name: str) -> None:
    with pytest.raises(ValidationError):
        LocalRef(name=name)


def test_a_secret_has_any_name_that_kubernetes_allows() -> None:
    ref = SecretKeyRef(name="vendor.key-1", key="ca.crt")
    assert ref.as_json() == {"name": "vendor.key-1", "key": "ca.crt"}


def test_a_moment_is_written_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    seen = Seen(at=datetime(2026, 1, 2, 1, 30, tzinfo=berlin))
    assert seen.as_json() == {"at": "2026-01-02T00:30:00Z"}
    assert Seen.model_validate(seen.as_json()) == seen
