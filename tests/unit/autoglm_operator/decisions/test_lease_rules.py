"""What a lease's end says to a person, and which numbers a scale-out starts from."""

from datetime import timedelta

import pytest

from autoglm_api import labels
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import LadderStep
from autoglm_api.healingrun import HealingRunStatus, Intent, LeaseRecord, LeaseState
from autoglm_operator.actions.scaleout import ScaleOut
from autoglm_operator.decisions import leases, scaleout, target
from autoglm_operator.decisions.healing import Denial, Pauses, Room, Seen, Sighting
from autoglm_operator.decisions.leases import Due, WayBack
from episodes import NOW, Object, a_pod, a_policy, a_run, a_workload, an_object, owned_by, seen

STEP = LadderStep.model_validate({"action": "ScaleOut", "scaleOut": {"maxReplicas": 10}})
POLICY = a_policy(ladder=[{"action": "ScaleOut", "scaleOut": {"maxReplicas": 10}}])
EXPIRES = NOW + timedelta(minutes=30)
RECORD = LeaseRecord(
    object=target.reference(a_workload()),
    field="spec.replicas",
    previous="2",
    value="6",
    expires=EXPIRES,
)


def a_journal(*steps: Object, finished: bool = True) -> HealingRunStatus:
    """Scale-outs that helped and hold a lease, and what the test says otherwise."""
    made = {"action": "ScaleOut", "startedAt": NOW, "outcome": "Succeeded", "helped": True}
    ended = {"finishedAt": NOW} if finished else {}
    return HealingRunStatus.model_validate(
        {"steps": [{**made, "lease": RECORD, **step} for step in steps], **ended}
    )


def marked(obj: Object, *, run: str = "crash-1") -> Object:
    """An object with the mark of a run's lease."""
    mark = leases.lease_of(a_run(name=run), RECORD).mark
    obj["metadata"]["annotations"] = {labels.LEASE: mark.text()}
    return obj


def test_only_held_leases_are_counted_and_by_their_step() -> None:
    gone = RECORD.model_copy(update={"state": LeaseState.LOST})

    assert leases.held(a_journal({"lease": gone}, {}, {"lease": None}, {})) == (1, 3)


def test_what_was_undone_blocks_nothing_and_what_helped_neither() -> None:
    gone = RECORD.model_copy(update={"state": LeaseState.REVERTED})

    assert not leases.blocks(a_journal({"helped": False, "lease": gone}, {}))
    assert leases.blocks(a_journal({}, {"helped": False}))
    assert not leases.blocks(a_journal({"helped": None}, finished=False))


def test_a_pause_also_holds_what_did_not_help_but_never_a_command() -> None:
    paused = Pauses(everywhere="Off.")
    look = seen(a_run(a_journal({"helped": False}), policy=POLICY), policy=POLICY, pauses=paused)
    step = look.run.status.steps[0]

    assert leases.due(look, step, ScaleOut(), EXPIRES) is None
    everything = Pauses(everywhere="Off.", namespace=True, reverting=True)
    commanded = leases.due(seen(look.run, policy=POLICY, pauses=everything), step, ScaleOut(), NOW)
    assert commanded == Due(at_once=True, why="the release is being uninstalled")


def test_what_did_not_help_is_undone_at_once_even_after_it_expired() -> None:
    look = seen(a_run(a_journal({"helped": False}), policy=POLICY), policy=POLICY)

    found = leases.due(look, look.run.status.steps[0], ScaleOut(), EXPIRES)

    assert found == Due(at_once=True, why="it did not help")


@pytest.mark.parametrize(
    ("live", "back"),
    [
        (
            None,
            WayBack(LeaseState.LOST, "6", "Deployment web does not exist any more."),
        ),
        (
            a_workload(replicas=2),
            WayBack(
                LeaseState.REVERTED,
                "2",
                "Deployment web has spec.replicas 2 again, because its time had passed.",
            ),
        ),
        (
            marked(a_workload(replicas=7)),
            WayBack(
                LeaseState.LOST,
                "6",
                "Deployment web has spec.replicas 7: somebody else changed it since, so it is"
                " left as it is.",
            ),
        ),
    ],
    ids=["gone", "undone", "changed"],
)
def test_the_end_says_what_is_there_and_why(live: Object | None, back: WayBack) -> None:
    due = Due(at_once=False, why="its time had passed")

    assert leases.way_back(leases.lease_of(a_run(), RECORD), live, ScaleOut(), due) == back


def test_the_mark_names_the_value_only_to_its_own_run() -> None:
    live = marked(a_workload(replicas=6))

    assert leases.marked_value(leases.lease_of(a_run(), RECORD), live) == "6"
    assert leases.marked_value(leases.lease_of(a_run(name="crash-2"), RECORD), live) is None


def a_scaler(spec: Object, status: Object | None = None) -> Object:
    built = an_object("autoscaling/v2", "HorizontalPodAutoscaler", "web")
    return {**built, "spec": spec, "status": status or {}}


def look_at(
    workload: Object,
    *above: Object,
    scaler: Object | None = None,
    pod: Object | None = None,
    room: Room | None = None,
) -> Seen:
    sighting = Sighting(
        workload=workload,
        chain=(workload, *above),
        pods=() if pod is None else (pod,),
        autoscalers=() if scaler is None else (scaler,),
        room=room,
    )
    return seen(sighting=sighting, policy=POLICY)


def chosen(look: Seen) -> tuple[str, int]:
    """Field and number of a scale-out that is not refused."""
    planned = scaleout.plan(STEP, look)
    assert isinstance(planned, Intent)
    return scaleout.field_of(planned), scaleout.wanted(planned)


BOUNDS: Object = {"minReplicas": 2, "maxReplicas": 8}


@pytest.mark.parametrize(
    ("spec", "status", "field", "number"),
    [
        (BOUNDS, {"currentReplicas": 4, "desiredReplicas": 2}, "spec.minReplicas", 5),
        (BOUNDS, {"currentReplicas": 2, "desiredReplicas": 4}, "spec.minReplicas", 5),
        (BOUNDS, {}, "spec.minReplicas", 3),
        ({"maxReplicas": 8}, {}, "spec.minReplicas", 2),
        (BOUNDS, {"currentReplicas": 3, "desiredReplicas": 8}, "spec.maxReplicas", 10),
    ],
    ids=["present", "wanted", "the lower bound", "an absent lower bound", "wants all it may"],
)
def test_an_autoscaler_starts_from_the_largest_of_its_numbers(
    spec: Object, status: Object, field: str, number: int
) -> None:
    look = look_at(a_workload(), scaler=a_scaler(spec, status))

    assert chosen(look) == (field, number)


def test_room_limits_pods_and_not_the_bounds_of_an_autoscaler() -> None:
    one = Room(1, "the nodes")
    scaler = a_scaler(BOUNDS, {"currentReplicas": 7, "desiredReplicas": 7})

    assert chosen(look_at(a_workload(replicas=8), room=one)) == ("spec.replicas", 9)
    assert chosen(look_at(a_workload(replicas=7), scaler=scaler, room=one)) == (
        "spec.minReplicas",
        8,
    )


@pytest.mark.parametrize(
    ("kind", "spec", "number"),
    [("AutoGLMCluster", {}, 2), ("ModelEndpoint", {"managed": {"model": "m"}}, 1)],
)
def test_an_absent_number_is_journaled_as_its_default(kind: str, spec: Object, number: int) -> None:
    owner = {**an_object("autoglm.io/v1alpha1", kind, "demo"), "spec": spec}
    workload = a_workload()
    workload["metadata"] |= {
        "ownerReferences": owned_by(owner),
        "labels": {labels.ROLE: labels.Role.EXECUTOR},
    }
    look = look_at(workload, owner)
    planned = scaleout.plan(STEP, look)
    assert isinstance(planned, Intent)

    record = scaleout.lease(STEP, planned, look, NOW)

    assert record.object == target.reference(owner)
    assert (record.previous, record.value) == (str(number), str(number + 1))
    assert record.expires == EXPIRES


@pytest.mark.parametrize(
    ("manager", "owned"),
    [("argocd-controller", {"f:template": {}}), ("kubectl-edit", {"f:replicas": {}})],
    ids=["another field", "a person"],
)
def test_who_does_not_write_the_number_again_and_again_is_not_asked(
    manager: str, owned: Object
) -> None:
    workload = a_workload()
    workload["metadata"]["managedFields"] = [{"manager": manager, "fieldsV1": {"f:spec": owned}}]

    assert chosen(look_at(workload)) == ("spec.replicas", 3)


def test_the_mark_counts_on_the_object_that_is_written() -> None:
    scaler = a_scaler(BOUNDS)

    assert chosen(look_at(marked(a_workload(), run="crash-9"), scaler=scaler))[1] == 3
    denied = scaleout.plan(STEP, look_at(a_workload(), scaler=marked(scaler, run="crash-9")))
    assert denied == Denial(
        Reason.LEASE_HELD,
        "HorizontalPodAutoscaler web is still raised by HealingRun crash-9.",
        holds=True,
    )


def test_a_pod_crashes_from_its_third_restart_on() -> None:
    twice, thrice = (a_pod(ready=False, restarts=number) for number in (2, 3))

    assert chosen(look_at(a_workload(), pod=twice)) == ("spec.replicas", 3)
    denied = scaleout.plan(STEP, look_at(a_workload(), pod=thrice))
    assert denied == Denial(
        Reason.NOT_SCALABLE, "Pod web-1 keeps crashing, and so would more of its kind."
    )


def test_a_stuck_pod_is_named_before_the_rollout_that_it_holds_up() -> None:
    pod = a_pod(ready=False)
    pod["status"]["phase"] = "Pending"

    denied = scaleout.plan(STEP, look_at(a_workload(updatedReplicas=1), pod=pod))

    assert isinstance(denied, Denial)
    assert denied.reason is Reason.NO_CAPACITY
    assert not denied.holds


def test_too_few_pods_are_told_with_the_numbers() -> None:
    pods = tuple(a_pod(f"web-{number}") for number in range(2))
    look = seen(sighting=Sighting(workload=a_workload(), pods=pods))
    intent = Intent.model_validate(
        {"verb": "Scale", "object": target.reference(a_workload()), "replicas": 4}
    )

    found = scaleout.health(look, intent, 2)

    assert found.message == "Deployment web wants 2 pods, and has not been given 4 yet."
    assert found.evidence is not None
