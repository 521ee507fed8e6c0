"""The table of kinds."""

import pytest

from autoglm_api import kinds


def test_a_kind_is_found_by_what_a_manifest_says() -> None:
    assert kinds.kind_of({"apiVersion": "v1", "kind": "Pod"}) is kinds.POD
    assert kinds.kind_of({"apiVersion": "autoglm.io/v1alpha1", "kind": "HealingRun"}) is (
        kinds.HEALING_RUN
    )


def test_a_foreign_kind_is_no_key() -> None:
    with pytest.raises(KeyError):
        kinds.kind_of({"apiVersion": "example.com/v1", "kind": "Pod"})
    assert kinds.find("example.com/v1", "Pod") is None


def test_an_owner_reference_leads_to_its_kind() -> None:
    assert kinds.find("apps/v1", "ReplicaSet") is kinds.REPLICA_SET


def test_every_kind_stands_in_the_table_once() -> None:
    named = {value for value in vars(kinds).values() if isinstance(value, kinds.Kind)}
    assert set(kinds.ALL) == named
    assert len(kinds.ALL) == len(named)


def test_the_core_group_has_no_slash() -> None:
    assert kinds.SECRET.api_version == "v1"
    assert kinds.DEPLOYMENT.api_version == "apps/v1"
