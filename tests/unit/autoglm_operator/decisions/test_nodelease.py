"""The lease by which those who maintain nodes keep out of each other's way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autoglm_operator.decisions import nodelease
from episodes import NOW, a_node

MINUTE = timedelta(minutes=1)


def a_lease(holder: str | None = "node-maintenance", **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "metadata": {"name": "node-node1", "uid": "l-1", "resourceVersion": "5"},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": 60,
            "renewTime": NOW.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            **spec,
        },
    }


def test_is_called_as_the_medik8s_operators_call_it() -> None:
    assert nodelease.name("Worker-1") == "node-worker-1"


HELD = {
    "while it lasts": (a_lease(), NOW + MINUTE, "node-maintenance"),
    "by nobody when its time has passed": (a_lease(), NOW + 2 * MINUTE, None),
    "by nobody before it began": (a_lease(), NOW - MINUTE, None),
    "by nobody if it was never renewed": (a_lease(renewTime=None), NOW, None),
    "by nobody if it does not last": (a_lease(leaseDurationSeconds=None), NOW, None),
    "by nobody if there is none": (None, NOW, None),
    "by somebody without a name": (a_lease(None), NOW, nodelease.NOBODY),
}


@pytest.mark.parametrize(("lease", "now", "holder"), HELD.values(), ids=HELD)
def test_is_held(lease: dict[str, Any] | None, now: datetime, holder: str | None) -> None:
    assert nodelease.holder(lease, now) == holder


def test_a_new_one_belongs_to_its_node_and_to_us() -> None:
    made = nodelease.new(a_node(), "us", NOW, MINUTE)

    assert made["metadata"] == {
        "name": "node-node1",
        "namespace": "medik8s-leases",
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "node1", "uid": "node-node1"}
        ],
    }
    assert nodelease.holder(made, NOW + MINUTE) == "us"
    assert made["spec"]["acquireTime"] == NOW.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_free_one_is_taken_and_given_up_at_the_version_that_was_read() -> None:
    lease = a_lease()
    version = {"uid": "l-1", "resourceVersion": "5"}

    taken = nodelease.taken(lease, "us", NOW, timedelta())
    given_up = nodelease.given_up(lease)

    assert taken["metadata"] == given_up["metadata"] == version
    assert taken["spec"]["leaseDurationSeconds"] == 1
    assert nodelease.holder({**lease, **given_up}, NOW) is None
