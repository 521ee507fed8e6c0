from datetime import UTC, datetime, timedelta

import pytest

from autoglm_api import labels
from autoglm_api.leases import Mark
from autoglm_operator.decisions import marks
from operator_views import Object

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_mark(expires: datetime = NOW) -> Mark:
    return Mark(
        run="heal-1", run_uid="run-uid", field="spec.x", previous="2", value="4", expires=expires
    )


def a_run(uid: str = "run-uid", *finalizers: str) -> Object:
    return {"metadata": {"name": "heal-1", "uid": uid, "finalizers": list(finalizers)}}


OPEN = a_run("run-uid", labels.UNDO)


def test_a_mark_binds_while_its_run_has_something_to_undo() -> None:
    assert marks.binds(a_mark(), OPEN, NOW)
    assert not marks.binds(a_mark(), None, NOW)
    assert not marks.binds(a_mark(), a_run("another", labels.UNDO), NOW)
    assert not marks.binds(a_mark(), a_run("run-uid", "other/finalizer"), NOW)
    assert not marks.binds(a_mark(), {"metadata": {"uid": "run-uid"}}, NOW)


@pytest.mark.parametrize(
    ("ahead", "binds"),
    [
        (timedelta(hours=24), True),
        (timedelta(hours=24, seconds=1), False),
        (-timedelta(minutes=5), True),
        (-timedelta(minutes=5, seconds=1), False),
    ],
)
def test_a_mark_binds_neither_for_ever_nor_long_overdue(ahead: timedelta, binds: bool) -> None:
    assert marks.binds(a_mark(NOW + ahead), OPEN, NOW) is binds


def test_the_bounds_of_an_autoscaler_stay_and_all_else_is_applied() -> None:
    desired: Object = {
        "kind": "HorizontalPodAutoscaler",
        "spec": {"minReplicas": 1, "maxReplicas": 4, "behavior": {}},
    }
    live: Object = {"spec": {"minReplicas": 3, "maxReplicas": 9, "behavior": {"scaleUp": {}}}}
    assert marks.respecting(desired, live)["spec"] == {
        "minReplicas": 3,
        "maxReplicas": 9,
        "behavior": {},
    }
    assert desired["spec"]["maxReplicas"] == 4


def test_only_what_is_named_and_there_stays() -> None:
    replicas: Object = {"kind": "Deployment", "spec": {"replicas": 2}}
    assert marks.respecting(replicas, {"spec": {"replicas": 5}})["spec"] == {"replicas": 5}
    assert marks.respecting(replicas, {"spec": {}})["spec"] == {"replicas": 2}
    free: Object = {"kind": "Deployment", "spec": {}}
    assert marks.respecting(free, {"spec": {"replicas": 5}})["spec"] == {}
    service: Object = {"kind": "Service", "spec": {"replicas": 1}}
    assert marks.respecting(service, {"spec": {"replicas": 5}})["spec"] == {"replicas": 1}
