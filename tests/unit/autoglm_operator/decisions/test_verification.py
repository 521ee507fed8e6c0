"""When a target counts as healthy, and when an action as having helped."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

import episodes
from autoglm_api.healingevidence import Evidence, WorkloadEvidence
from autoglm_api.healingpolicy import Verification
from autoglm_api.healingrun import StepRecord
from autoglm_operator.decisions import verification
from autoglm_operator.decisions.healing import Health, Sighting
from episodes import NOW, a_pod, a_replica_set, a_sighting, a_workload

BOTH = (a_pod("web-1"), a_pod("web-2"))


def on_delete(workload: episodes.Object) -> episodes.Object:
    workload["spec"]["updateStrategy"] = {"type": "OnDelete"}
    return workload


def a_bare_replica_set() -> episodes.Object:
    middle = a_replica_set(ownerReferences=[])
    middle["status"] = {"observedGeneration": 1, "availableReplicas": 2}
    return middle


@dataclass(frozen=True)
class Scene:
    workload: episodes.Object
    healthy: bool
    pods: tuple[episodes.Object, ...] = BOTH


SCENES = {
    "a deployment as wanted": Scene(a_workload(), healthy=True),
    "a stateful set as wanted": Scene(a_workload("StatefulSet"), healthy=True),
    "a daemon set as wanted": Scene(a_workload("DaemonSet"), healthy=True),
    "a replica set as wanted": Scene(a_bare_replica_set(), healthy=True),
    "old pods that only go on delete": Scene(
        on_delete(a_workload("StatefulSet", updatedReplicas=0)), healthy=True
    ),
    "old pods of a daemon set that only go on delete": Scene(
        on_delete(a_workload("DaemonSet", updatedNumberScheduled=0)), healthy=True
    ),
    "a spec not looked at": Scene(a_workload(observedGeneration=0), healthy=False),
    "no pods wanted": Scene(a_workload(replicas=0), healthy=False, pods=()),
    "old pods": Scene(a_workload(updatedReplicas=1), healthy=False),
    "unavailable pods": Scene(a_workload(availableReplicas=1), healthy=False),
    "an unready pod": Scene(a_workload(), healthy=False, pods=(a_pod(), a_pod(ready=False))),
    "a pod being deleted": Scene(
        a_workload(), healthy=False, pods=(a_pod(), a_pod(deletionTimestamp="x"))
    ),
    "no pods at all": Scene(a_workload(), healthy=False, pods=()),
    "a status without numbers": Scene(
        a_workload(updatedReplicas=0, availableReplicas=0), healthy=False
    ),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_health(scene: Scene) -> None:
    sighting = Sighting(workload=scene.workload, pods=scene.pods)

    assert verification.workload_health(sighting).healthy is scene.healthy


def test_missing_data_is_no_health() -> None:
    job = episodes.an_object("batch/v1", "Job", "nightly")

    for sighting in (Sighting(), Sighting(workload=job)):
        health = verification.workload_health(sighting)
        assert (health.healthy, health.evidence) == (False, None)


def test_restarts_of_finished_pods_do_not_count() -> None:
    done = a_pod("web-3", restarts=7)
    done["status"]["phase"] = "Failed"

    health = verification.workload_health(
        a_sighting(pods=(a_pod(restarts=2), a_pod("web-2", restarts=1), done))
    )

    assert health.evidence == Evidence(
        workload=WorkloadEvidence(desired=2, updated=2, available=2, restarts=3)
    )


VERIFY = Verification.model_validate({"stabilization": "60s", "timeout": "5m"})


def a_step(healthy_after: float | None = None, restarts: int = 0) -> StepRecord:
    """A step that ended at NOW and has been healthy since some seconds after."""
    since = None if healthy_after is None else NOW + timedelta(seconds=healthy_after)
    return StepRecord.model_validate(
        {
            "action": "Restart",
            "startedAt": NOW,
            "finishedAt": NOW,
            "healthySince": since,
            "after": None if since is None else evidence(restarts),
        }
    )


def evidence(restarts: int = 0) -> Evidence:
    return Evidence(workload=WorkloadEvidence(desired=2, updated=2, available=2, restarts=restarts))


FINE = Health(healthy=True, message="Fine.", evidence=evidence())
SICK = Health(healthy=False, message="Sick.", evidence=evidence())
UNKNOWN = Health(healthy=True, message="Unknown.", evidence=None)
RESTARTED = Health(healthy=True, message="Fine.", evidence=evidence(1))

JUDGEMENTS = {
    "waits while it is sick": (a_step(), SICK, 10, None),
    "waits while it has just become healthy": (a_step(), FINE, 10, None),
    "waits while it is not yet healthy for long enough": (a_step(10), FINE, 69, None),
    "helped when it stayed healthy": (a_step(10), FINE, 70, True),
    "helped no sooner than a stabilization after the action": (a_step(-30), FINE, 59, None),
    "helped a stabilization after the action": (a_step(-30), FINE, 60, True),
    "did not help when it is still sick at the end": (a_step(), SICK, 300, False),
    "did not help when it became healthy too late": (a_step(260), FINE, 300, False),
    "waits when it fell sick again": (a_step(10), SICK, 90, None),
    "waits when a container restarted": (a_step(10), RESTARTED, 90, None),
    "waits when numbers are missing": (a_step(10), UNKNOWN, 90, None),
    "did not help when numbers stay missing": (a_step(10), UNKNOWN, 300, False),
}


@pytest.mark.parametrize(
    ("step", "health", "seconds", "helped"), JUDGEMENTS.values(), ids=JUDGEMENTS
)
def test_judgement(step: StepRecord, health: Health, seconds: int, helped: bool | None) -> None:
    judged = verification.judge(step, health, VERIFY, NOW + timedelta(seconds=seconds))

    assert judged.helped is helped


@pytest.mark.parametrize(
    ("step", "health", "seconds", "look_again"),
    [(a_step(), SICK, 0, 5), (a_step(), SICK, 298, 2), (a_step(10), FINE, 69, 1)],
    ids=["soon", "no later than the timeout", "no later than the end of the stabilization"],
)
def test_looks_again(step: StepRecord, health: Health, seconds: int, look_again: int) -> None:
    judged = verification.judge(step, health, VERIFY, NOW + timedelta(seconds=seconds))

    assert judged.look_again == timedelta(seconds=look_again)


def test_a_restart_begins_the_stabilization_anew() -> None:
    now = NOW + timedelta(seconds=90)

    judged = verification.judge(a_step(10), RESTARTED, VERIFY, now)

    assert judged.healthy_since == now
