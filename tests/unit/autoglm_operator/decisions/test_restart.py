"""When a restart is refused, what it would do otherwise, and how its effect is recognised."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

import episodes
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import LadderStep
from autoglm_api.healingrun import HealingRunStatus, Intent, IntentVerb, StepRecord
from autoglm_api.labels import RESTARTED_AT
from autoglm_operator.decisions import restart, target
from autoglm_operator.decisions.healing import Denial, Seen, Sighting
from episodes import NOW, a_pod, a_policy, a_run, a_sighting, a_workload, seen, stamp

POD = LadderStep.model_validate(episodes.RESTART_POD)
WORKLOAD = LadderStep.model_validate(episodes.RESTART_WORKLOAD)


def waiting(reason: str) -> episodes.Object:
    pod = a_pod(ready=False)
    pod["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": reason}}
    return pod


def killed(restarts: int) -> episodes.Object:
    pod = a_pod(ready=False, restarts=restarts)
    pod["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"reason": "OOMKilled"}}
    return pod


def unscheduled() -> episodes.Object:
    pod = a_pod(ready=False)
    pod["status"] = {"conditions": [{"type": "PodScheduled", "status": "False"}]}
    return pod


def on(pod: episodes.Object) -> Callable[[], Seen]:
    return lambda: seen(sighting=a_sighting(pod))


def of(workload: episodes.Object, **more: Any) -> Callable[[], Seen]:  # noqa: ANN401
    return lambda: seen(sighting=a_sighting(workload=workload, **more))


def paused() -> episodes.Object:
    workload = a_workload()
    workload["spec"]["paused"] = True
    return workload


def on_delete() -> episodes.Object:
    workload = a_workload("StatefulSet")
    workload["spec"]["updateStrategy"] = {"type": "OnDelete"}
    return workload


def stamped(value: str) -> episodes.Object:
    workload = a_workload()
    workload["spec"]["template"]["metadata"]["annotations"] = {RESTARTED_AT: value}
    return workload


def alone(workload: episodes.Object, **spec: object) -> Callable[[], Seen]:
    """A look at the only pod of a workload, which is ready."""
    pod = a_pod()
    policy = episodes.a_policy(**spec)
    return lambda: seen(sighting=a_sighting(pod, workload=workload, pods=(pod,)), policy=policy)


def recreated() -> episodes.Object:
    workload = a_workload(replicas=1)
    workload["spec"]["strategy"] = {"type": "Recreate"}
    return workload


def often(count: int, *, hours: float) -> Callable[[], Seen]:
    """A look at a target that another run has restarted."""
    moments = (NOW - timedelta(hours=hours),) * count
    return lambda: seen(others=(episodes.another_run(restarted_at=moments),))


@dataclass(frozen=True)
class Refusal:
    step: LadderStep
    look: Callable[[], Seen]
    reason: Reason


JOB = episodes.an_object("batch/v1", "Job", "nightly")
NODE = episodes.an_object("v1", "Node", "node-1")
NEW_REVISION = episodes.a_replica_set(creationTimestamp=stamp(NOW))

REFUSALS = {
    "a step without a scope": Refusal(
        LadderStep.model_validate({"action": "Restart"}), seen, Reason.ACTION_REFUSED
    ),
    "a bare pod": Refusal(POD, on(a_pod(ownerReferences=[])), Reason.NOT_RESTARTABLE),
    "a pod whose owner is no controller": Refusal(
        POD,
        on(a_pod(ownerReferences=[{**episodes.owned_by(JOB)[0], "controller": False}])),
        Reason.NOT_RESTARTABLE,
    ),
    "a static pod": Refusal(
        POD, on(a_pod(annotations={restart.MIRROR: "x"})), Reason.NOT_RESTARTABLE
    ),
    "a pod of a node": Refusal(POD, on(a_pod(owner=NODE)), Reason.NOT_RESTARTABLE),
    "a pod of a Job": Refusal(POD, on(a_pod(owner=JOB)), Reason.NOT_RESTARTABLE),
    "an image that cannot be pulled": Refusal(
        POD, on(waiting("ImagePullBackOff")), Reason.RESTART_FUTILE
    ),
    "a missing configuration": Refusal(
        POD, on(waiting("CreateContainerConfigError")), Reason.RESTART_FUTILE
    ),
    "a pod that fits no node": Refusal(POD, on(unscheduled()), Reason.RESTART_FUTILE),
    "memory that runs out again and again": Refusal(POD, on(killed(3)), Reason.RESTART_FUTILE),
    "a workload whose pods are all ready": Refusal(
        POD,
        lambda: seen(sighting=replace(a_sighting(), pod=None, pods=(a_pod(),))),
        Reason.NO_UNHEALTHY_POD,
    ),
    "no workload": Refusal(WORKLOAD, lambda: seen(sighting=Sighting()), Reason.NOT_RESTARTABLE),
    "a workload that cannot be rolled out": Refusal(
        WORKLOAD,
        lambda: seen(sighting=target.sighted([a_pod(owner=JOB), JOB])),
        Reason.NOT_RESTARTABLE,
    ),
    "a paused rollout": Refusal(WORKLOAD, of(paused()), Reason.ROLLOUT_PAUSED),
    "a rollout that is not looked at": Refusal(
        WORKLOAD, of(a_workload(observedGeneration=0)), Reason.ROLLOUT_IN_PROGRESS
    ),
    "a rollout under way": Refusal(
        WORKLOAD, of(a_workload(updatedReplicas=1)), Reason.ROLLOUT_IN_PROGRESS
    ),
    "a rollout with old pods left": Refusal(
        WORKLOAD, of(a_workload(replicas=3, updatedReplicas=2)), Reason.ROLLOUT_IN_PROGRESS
    ),
    "a rollout of a DaemonSet": Refusal(
        WORKLOAD, of(a_workload("DaemonSet", updatedNumberScheduled=1)), Reason.ROLLOUT_IN_PROGRESS
    ),
    "a rollout newer than the alert": Refusal(
        WORKLOAD, of(a_workload(), revisions=(NEW_REVISION,)), Reason.ROLLOUT_NEWER
    ),
    "a pod of a rollout newer than the alert": Refusal(
        POD, of(a_workload(), revisions=(NEW_REVISION,)), Reason.ROLLOUT_NEWER
    ),
    "the only pod, which serves": Refusal(
        POD, alone(a_workload(replicas=1)), Reason.APPROVAL_NEEDED
    ),
    "a rollout that stops the only pod": Refusal(
        WORKLOAD, alone(a_workload("StatefulSet", replicas=1)), Reason.APPROVAL_NEEDED
    ),
    "a Deployment that recreates its only pod": Refusal(
        WORKLOAD, alone(recreated()), Reason.APPROVAL_NEEDED
    ),
    "a target that was restarted twice": Refusal(POD, often(2, hours=5), Reason.RESTARTED_OFTEN),
    "a workload that was restarted twice": Refusal(
        WORKLOAD, often(2, hours=5), Reason.RESTARTED_OFTEN
    ),
    "a workload whose image cannot be pulled": Refusal(
        WORKLOAD,
        of(a_workload(), pods=(waiting("ErrImagePull"),)),
        Reason.RESTART_FUTILE,
    ),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_refuses(case: Refusal) -> None:
    planned = restart.plan(case.step, case.look(), NOW)

    assert isinstance(planned, Denial)
    assert planned.reason is case.reason


@pytest.mark.parametrize(
    "pod", [a_pod(), killed(2), waiting("CrashLoopBackOff")], ids=["ready", "killed", "crashing"]
)
def test_evicts_the_pod_that_the_alert_names(pod: episodes.Object) -> None:
    planned = restart.plan(POD, seen(sighting=a_sighting(pod)), NOW)

    assert isinstance(planned, Intent)
    assert (planned.verb, planned.object.uid) == (IntentVerb.EVICT, "pod-web-1")


def test_evicts_the_oldest_unready_pod_when_the_alert_names_none() -> None:
    young = a_pod("web-3", ready=False, creationTimestamp=stamp(NOW))
    old = a_pod("web-4", ready=False)
    going = a_pod("web-0", ready=False, deletionTimestamp=stamp(NOW))
    look = replace(a_sighting(), pod=None, pods=(young, old, going, a_pod("web-5")))

    planned = restart.plan(POD, seen(sighting=look), NOW)

    assert isinstance(planned, Intent)
    assert planned.object.name == "web-4"


def test_a_second_step_evicts_another_unready_pod() -> None:
    first = Intent(verb=IntentVerb.EVICT, object=target.reference(a_pod()))
    step = StepRecord.model_validate({"action": "Restart", "intent": first, "startedAt": NOW})
    run = a_run(HealingRunStatus(steps=(step,)))
    look = a_sighting(pods=(a_pod("web-2", ready=False),))

    planned = restart.plan(POD, seen(run, sighting=look), NOW)

    assert isinstance(planned, Intent)
    assert planned.object.name == "web-2"


def test_a_policy_for_pods_never_evicts_a_pod_without_its_labels() -> None:
    policy = a_policy(target={"kind": "Pod", "selector": {"matchLabels": {"app": "web"}}})
    other = a_pod("web-2", ready=False, labels={"app": "db"})
    look = replace(a_sighting(), pod=None, pods=(other,))

    planned = restart.plan(POD, seen(a_run(policy=policy), sighting=look), NOW)

    assert isinstance(planned, Denial)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_rolls_a_workload_out_with_the_time_as_stamp(kind: str) -> None:
    look = a_sighting(workload=a_workload(kind))

    planned = restart.plan(WORKLOAD, seen(sighting=look), NOW + timedelta(milliseconds=5))

    assert isinstance(planned, Intent)
    assert planned.verb is IntentVerb.ROLL_OUT
    assert restart.stamp(planned) == "2026-03-01T12:00:00.005Z"


def test_rolls_out_a_workload_without_known_revisions() -> None:
    look = replace(a_sighting(), revisions=())

    assert isinstance(restart.plan(WORKLOAD, seen(sighting=look), NOW), Intent)


def test_evicts_instead_of_rolling_out_when_pods_are_replaced_on_delete() -> None:
    planned = restart.plan(WORKLOAD, seen(sighting=a_sighting(workload=on_delete())), NOW)

    assert isinstance(planned, Intent)
    assert planned.verb is IntentVerb.EVICT


def test_its_own_rollout_is_not_newer_than_the_alert() -> None:
    ours = Intent(verb=IntentVerb.ROLL_OUT, object=target.reference(a_workload()), restarted_at=NOW)
    step = StepRecord.model_validate({"action": "Restart", "intent": ours, "startedAt": NOW})
    workload = stamped(restart.stamp(ours))
    look = a_sighting(workload=workload, revisions=(NEW_REVISION,))

    planned = restart.plan(
        WORKLOAD, seen(a_run(HealingRunStatus(steps=(step,))), sighting=look), NOW
    )

    assert isinstance(planned, Intent)


EVICTION = Intent(verb=IntentVerb.EVICT, object=target.reference(a_pod()))
ROLL_OUT = Intent(verb=IntentVerb.ROLL_OUT, object=target.reference(a_workload()), restarted_at=NOW)

DONE = {
    "an eviction whose pod is still there": (EVICTION, a_sighting(), False),
    "an eviction whose pod is being deleted": (
        EVICTION,
        a_sighting(a_pod(deletionTimestamp=stamp(NOW))),
        True,
    ),
    "an eviction whose pod is only in the list": (
        EVICTION,
        replace(a_sighting(), pod=None, pods=(a_pod(),)),
        False,
    ),
    "an eviction whose pod has a namesake": (EVICTION, a_sighting(a_pod(uid="other")), True),
    "an eviction after which nothing is left": (EVICTION, Sighting(), True),
    "a rollout whose stamp is there": (
        ROLL_OUT,
        a_sighting(workload=stamped("2026-03-01T12:00:00.000Z")),
        True,
    ),
    "a rollout whose stamp is another": (
        ROLL_OUT,
        a_sighting(workload=stamped("2026-03-01T11:00:00.000Z")),
        False,
    ),
    "a rollout without a stamp": (ROLL_OUT, a_sighting(), False),
    "a rollout whose workload is gone": (ROLL_OUT, Sighting(), False),
}


@pytest.mark.parametrize(("intent", "sighting", "done"), DONE.values(), ids=DONE)
def test_knows_whether_it_is_done(intent: Intent, sighting: Sighting, done: bool) -> None:
    assert restart.is_done(intent, sighting) is done


def test_evicts_the_sick_pod_although_the_alert_named_a_healthy_one() -> None:
    sick = a_pod("web-2", ready=False, restarts=5)
    look = seen(sighting=a_sighting(a_pod("web-1"), pods=(a_pod("web-1"), sick)))

    planned = restart.plan(POD, look, NOW)

    assert isinstance(planned, Intent)
    assert planned.object.name == "web-2"


@pytest.mark.parametrize(
    "look",
    [
        often(1, hours=5),
        often(2, hours=6),
        alone(a_workload(replicas=2)),
        alone(a_workload(replicas=1), mode="Approve"),
        alone(a_workload("DaemonSet", replicas=1)),
    ],
    ids=["once", "long ago", "one of two", "asked for", "one per node"],
)
def test_restarts_a_pod_that(look: Callable[[], Seen]) -> None:
    assert isinstance(restart.plan(POD, look(), NOW), Intent)


@pytest.mark.parametrize(
    "look",
    [
        alone(a_workload(replicas=1)),
        alone(a_workload("StatefulSet", replicas=1, availableReplicas=0)),
    ],
    ids=["the new pod comes first", "nothing serves"],
)
def test_rolls_a_single_pod_out_where(look: Callable[[], Seen]) -> None:
    assert isinstance(restart.plan(WORKLOAD, look(), NOW), Intent)


def test_counts_its_own_restarts_too() -> None:
    step = StepRecord.model_validate(
        {
            "action": "Restart",
            "startedAt": stamp(NOW),
            "outcome": "Succeeded",
            "helped": False,
            "intent": {"verb": "Evict", "object": target.reference(a_pod())},
        }
    )
    run = a_run(HealingRunStatus(steps=(step, step)))

    planned = restart.plan(WORKLOAD, seen(run), NOW)

    assert isinstance(planned, Denial)
    assert planned.reason is Reason.RESTARTED_OFTEN


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        ([{"name": "main", "ready": False, "restartCount": 2}], ("web-1", "main", True)),
        ([{"name": "main", "ready": False}], ("web-1", "main", False)),
        (
            [
                {
                    "name": "main",
                    "ready": False,
                    "restartCount": 1,
                    "state": {"terminated": {"a": 1}},
                }
            ],
            ("web-1", "main", False),
        ),
        (
            [
                {"name": "main", "ready": False, "restartCount": 1},
                {"name": "side", "ready": False, "restartCount": 4},
                {"name": "fine", "ready": True, "restartCount": 9},
            ],
            ("web-1", "side", True),
        ),
        ([{"name": "main", "ready": True}], None),
    ],
    ids=["restarted", "never restarted", "just ended", "the worst of two", "all ready"],
)
def test_the_last_words_are_those_of_the_failing_container(
    statuses: list[episodes.Object], found: tuple[str, str, bool] | None
) -> None:
    pod = a_pod(ready=False)
    pod["status"]["containerStatuses"] = statuses

    assert restart.failing_container(a_run(), a_sighting(pod, pods=(pod,))) == found


def test_there_are_no_last_words_without_a_sick_pod() -> None:
    assert restart.failing_container(a_run(), replace(a_sighting(), pod=None, pods=())) is None
