import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_api.labels import APPLIED_HASH
from autoglm_operator.decisions import drift

DESIRED: dict[str, Any] = {
    "metadata": {"name": "a", "labels": {"x": "1"}, "ownerReferences": [{"uid": "u", "name": "o"}]},
    "spec": {
        "replicas": 2,
        "containers": [{"name": "c", "image": "i:1", "args": ["a", "b"], "env": []}],
    },
}

GONE = object()


def live(**changes: object) -> dict[str, Any]:
    return {**copy.deepcopy(DESIRED), **changes}


def test_defaults_of_the_api_server_are_no_drift() -> None:
    found = live(status={"x": 1})
    found["metadata"]["uid"] = "u"
    found["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    found["metadata"]["ownerReferences"].append({"uid": "other", "name": "p"})
    assert drift.differences(DESIRED, found) == {}


@pytest.mark.parametrize(
    ("where", "value", "path"),
    [
        (("spec", "replicas"), 3, "spec.replicas"),
        (("spec", "replicas"), GONE, "spec.replicas"),
        (("metadata", "labels", "x"), GONE, "metadata.labels.x"),
        (("metadata", "labels"), None, "metadata.labels"),
        (("spec", "containers"), "none", "spec.containers"),
        (("spec", "containers"), [], "spec.containers[c]"),
        (("spec", "containers", 0, "image"), "i:2", "spec.containers[c].image"),
        (("spec", "containers", 0, "args"), ["a"], "spec.containers[c].args"),
        (("spec", "containers", 0, "args"), ["a", "c"], "spec.containers[c].args[1]"),
    ],
)
def test_names_what_drifted(where: tuple[str | int, ...], value: object, path: str) -> None:
    found = live()
    part: Any = found
    for step in where[:-1]:
        part = part[step]
    if value is GONE:
        del part[where[-1]]
    else:
        part[where[-1]] = value
    assert list(drift.differences(DESIRED, found)) == [path]


@pytest.mark.parametrize(
    ("desired", "held"),
    [
        ({"limits": {"memory": "1024Mi", "nvidia.com/gpu": 1}}, {"memory": "1Gi"}),
        ({"requests": {"cpu": "1000m"}}, {"cpu": "1"}),
    ],
)
def test_a_quantity_in_the_spelling_of_the_api_server_is_no_drift(
    desired: dict[str, Any], held: dict[str, str]
) -> None:
    ((key, _),) = desired.items()
    found = {key: {"nvidia.com/gpu": "1", **held}}
    assert drift.differences({"resources": desired}, {"resources": found}) == {}


def test_the_size_of_a_volume_is_a_quantity_too() -> None:
    assert drift.differences({"sizeLimit": "2048Mi"}, {"sizeLimit": "2Gi"}) == {}
    assert drift.differences({"sizeLimit": "2048Mi"}, {"sizeLimit": "3Gi"}) != {}


@pytest.mark.parametrize(
    ("desired", "held"),
    [
        ({"limits": {"memory": "1024Mi"}}, {"limits": {"memory": "1000Mi"}}),
        ({"limits": {"memory": "1.2.3"}}, {"limits": {"memory": "1"}}),
        ({"args": "1024Mi"}, {"args": "1Gi"}),
    ],
    ids=["another amount", "no quantity", "another field"],
)
def test_everything_else_drifts_by_a_letter(desired: dict[str, Any], held: dict[str, Any]) -> None:
    assert drift.differences(desired, held) != {}


def test_additions_of_others_to_keyed_lists_are_theirs() -> None:
    found = live()
    found["spec"]["containers"].append({"name": "sidecar"})
    assert drift.differences(DESIRED, found) == {}


def test_the_stamp_follows_the_desired_state() -> None:
    one, again = drift.stamped(DESIRED), drift.stamped(copy.deepcopy(DESIRED))
    assert one == again
    changed = copy.deepcopy(DESIRED)
    changed["spec"]["replicas"] = 9
    hashes = {
        each["metadata"]["annotations"][APPLIED_HASH] for each in (one, drift.stamped(changed))
    }
    assert len(hashes) == 2
    assert "annotations" not in DESIRED["metadata"]


def test_only_the_controller_counts_as_owner() -> None:
    def owned(**reference: object) -> dict[str, Any]:
        return {"metadata": {"ownerReferences": [{"uid": "u", **reference}]}}

    assert drift.controlled_by(owned(controller=True), "u")
    assert not drift.controlled_by(owned(), "u")
    assert not drift.controlled_by(owned(controller=True), "other")
    assert not drift.controlled_by({"metadata": {}}, "u")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(JSON)
def test_what_was_applied_stands(value: object) -> None:
    assert drift.differences(value, copy.deepcopy(value)) == {}
