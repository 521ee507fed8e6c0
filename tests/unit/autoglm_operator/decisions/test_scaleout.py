"""How far a target is scaled out, where the number is written, and when it is refused."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from autoglm_api.conditions import Reason
from autoglm_api.healingevidence import WorkloadEvidence
from autoglm_api.healingladder import LadderStep
from autoglm_api.healingrun import (
    Intent,
    IntentVerb,
    StepRecord,
)
from autoglm_api.leases import Mark
from autoglm_operator.actions.scaleout import ScaleOut
from autoglm_operator.decisions import scaleout, target
from autoglm_operator.decisions.healing import Denial, Room, Seen, Sighting
from episodes import NOW, Object, a_pod, a_policy, a_workload, an_object, owned_by, seen


def a_step(**options: object) -> LadderStep:
    return LadderStep.model_validate(
        {"action": "ScaleOut", "scaleOut": {"maxReplicas": 10, **options}}
    )


STEP = a_step()


def a_scaler(low: int = 2, high: int = 8, now: int = 2, **meta: object) -> Object:
    built = an_object("autoscaling/v2", "HorizontalPodAutoscaler", "web", **meta)
    built["spec"] = {"minReplicas": low, "maxReplicas": high}
    built["status"] = {"currentReplicas": now, "desiredReplicas": now}
    return built


def on(
    workload: Object | None = None,
    *above: Object,
    pods: tuple[Object, ...] = (),
    scalers: tuple[Object, ...] = (),
    room: Room | None = None,
    **spec: object,
) -> Callable[[], Seen]:
    """A look at a workload, the resources that own it, and who else scales it."""
    found = workload or a_workload()
    chain = (found, *above)
    sighting = Sighting(
        workload=found, chain=chain, key="k", pods=pods, autoscalers=scalers, room=room
    )
    return lambda: seen(sighting=sighting, policy=a_policy(**spec))


def owned(kind: str, name: str, spec: Object, role: str = "executor") -> tuple[Object, Object]:
    """A Deployment of a resource of ours, and that resource."""
    owner = an_object("autoglm.io/v1alpha1", kind, name)
    owner["spec"] = spec
    workload = a_workload()
    workload["metadata"] |= {
        "ownerReferences": owned_by(owner),
        "labels": {"app": "web", "autoglm.io/role": role},
    }
    return workload, owner


def owned_by_another() -> Object:
    workload = a_workload()
    workload["metadata"]["ownerReferences"] = owned_by(an_object("acme.io/v1", "App", "shop"))
    return workload


def managed_by(manager: str, *, scaler: bool = False) -> Object:
    """A field whose owner in managedFields is another tool."""
    built = a_scaler() if scaler else a_workload()
    field = "f:minReplicas" if scaler else "f:replicas"
    built["metadata"]["managedFields"] = [
        {"manager": "kubectl", "fieldsV1": {"f:metadata": {}}},
        {"manager": manager, "fieldsV1": {"f:spec": {field: {}}}},
    ]
    return built


def marked(obj: Object, run_uid: str) -> Object:
    mark = Mark.model_validate(
        {
            "run": "crash-9",
            "runUID": run_uid,
            "field": "spec.replicas",
            "previous": "1",
            "value": "2",
            "expires": NOW,
        }
    )
    obj["metadata"]["annotations"] = {"autoglm.io/lease": mark.text()}
    return obj


def a_pod_that(**status: object) -> Object:
    pod = a_pod(ready=False)
    pod["status"] |= status
    return pod


@dataclass(frozen=True)
class Choice:
    look: Callable[[], Seen]
    field: str
    number: int
    step: LadderStep = STEP


CHOICES = {
    "a quarter more": Choice(on(a_workload(replicas=8)), "spec.replicas", 10),
    "at least one more": Choice(on(), "spec.replicas", 3),
    "a share is rounded up": Choice(on(a_workload(replicas=5)), "spec.replicas", 7),
    "a count": Choice(on(), "spec.replicas", 5, a_step(step=3)),
    "never above the ceiling": Choice(on(), "spec.replicas", 4, a_step(step=9, maxReplicas=4)),
    "as many as there is room for": Choice(
        on(room=Room(2, "the nodes")), "spec.replicas", 4, a_step(step=9)
    ),
    "executors at their cluster": Choice(
        on(*owned("AutoGLMCluster", "demo", {"executor": {"replicas": 2}})),
        "spec.executor.replicas",
        3,
    ),
    "executors whose number is a default": Choice(
        on(*owned("AutoGLMCluster", "demo", {})), "spec.executor.replicas", 3
    ),
    "model servers at their endpoint": Choice(
        on(*owned("ModelEndpoint", "local", {"managed": {"replicas": 1}})),
        "spec.managed.replicas",
        2,
    ),
    "a StatefulSet that may": Choice(
        on(a_workload("StatefulSet")), "spec.replicas", 3, a_step(allowStatefulSet=True)
    ),
    "the lower bound": Choice(on(scalers=(a_scaler(now=4),)), "spec.minReplicas", 5),
    "a lower bound within the upper one": Choice(
        on(scalers=(a_scaler(now=7),)), "spec.minReplicas", 8, a_step(step=5)
    ),
    "the upper bound of one that came up against it": Choice(
        on(scalers=(a_scaler(now=8),)), "spec.maxReplicas", 10
    ),
    "a step for whoever approves it": Choice(
        on(managed_by("argocd-controller"), mode="Approve"), "spec.replicas", 3
    ),
    "what this very run has marked": Choice(
        on(marked(a_workload(), "run-crash-1")), "spec.replicas", 3
    ),
}


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_chooses(choice: Choice) -> None:
    planned = scaleout.plan(choice.step, choice.look())

    assert isinstance(planned, Intent)
    assert (scaleout.field_of(planned), scaleout.wanted(planned)) == (choice.field, choice.number)


@dataclass(frozen=True)
class Refusal:
    look: Callable[[], Seen]
    reason: Reason
    step: LadderStep = STEP
    holds: bool = False


UNSCHEDULED = [{"type": "PodScheduled", "status": "False"}]
CRASHING = [{"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
KEDA = a_scaler(ownerReferences=owned_by(an_object("keda.sh/v1alpha1", "ScaledObject", "web")))

REFUSALS = {
    "a step without a ceiling": Refusal(
        on(), Reason.ACTION_REFUSED, LadderStep.model_validate({"action": "ScaleOut"})
    ),
    "no workload": Refusal(lambda: seen(sighting=Sighting()), Reason.NOT_SCALABLE),
    "a router": Refusal(
        on(*owned("AutoGLMCluster", "demo", {}, role="router")), Reason.NOT_SCALABLE
    ),
    "a planner": Refusal(
        on(*owned("AutoGLMCluster", "demo", {}, role="planner")), Reason.NOT_SCALABLE
    ),
    "an endpoint elsewhere": Refusal(
        on(*owned("ModelEndpoint", "vendor", {"external": {}})), Reason.NOT_SCALABLE
    ),
    "what another operator owns": Refusal(on(owned_by_another()), Reason.NOT_SCALABLE),
    "a DaemonSet": Refusal(on(a_workload("DaemonSet")), Reason.NOT_SCALABLE),
    "a StatefulSet that was not asked for": Refusal(
        on(a_workload("StatefulSet")), Reason.NOT_SCALABLE
    ),
    "two autoscalers": Refusal(on(scalers=(a_scaler(), a_scaler())), Reason.AUTOSCALED_ELSEWHERE),
    "an autoscaler of KEDA": Refusal(on(scalers=(KEDA,)), Reason.AUTOSCALED_ELSEWHERE),
    "what sleeps": Refusal(on(a_workload(replicas=0)), Reason.NOT_SCALABLE),
    "a pod that finds no node": Refusal(
        on(pods=(a_pod_that(conditions=UNSCHEDULED),)), Reason.NO_CAPACITY
    ),
    "a pod that has not started": Refusal(
        on(pods=(a_pod_that(phase="Pending"),)), Reason.NO_CAPACITY
    ),
    "a crashing pod": Refusal(
        on(pods=(a_pod_that(containerStatuses=CRASHING),)), Reason.NOT_SCALABLE
    ),
    "a pod that was restarted often": Refusal(
        on(pods=(a_pod(ready=False, restarts=3),)), Reason.NOT_SCALABLE
    ),
    "full nodes": Refusal(on(room=Room(0, "the nodes")), Reason.NO_CAPACITY),
    "a rollout under way": Refusal(
        on(a_workload(updatedReplicas=1)), Reason.ROLLOUT_IN_PROGRESS, holds=True
    ),
    "what nobody has looked at": Refusal(
        on(a_workload(observedGeneration=0)), Reason.ROLLOUT_IN_PROGRESS, holds=True
    ),
    "what another run has raised": Refusal(
        on(marked(a_workload(), "run-9")), Reason.LEASE_HELD, holds=True
    ),
    "a workload at the ceiling": Refusal(on(), Reason.AT_CEILING, a_step(maxReplicas=2)),
    "bounds at the ceiling": Refusal(
        on(scalers=(a_scaler(now=8),)), Reason.AT_CEILING, a_step(maxReplicas=8)
    ),
    "a lower bound at the ceiling": Refusal(
        on(scalers=(a_scaler(low=4, now=4),)), Reason.AT_CEILING, a_step(maxReplicas=4)
    ),
    "replicas of a tool that writes them again and again": Refusal(
        on(managed_by("argocd-controller")), Reason.APPROVAL_NEEDED
    ),
    "bounds of such a tool": Refusal(
        on(scalers=(managed_by("kustomize-controller", scaler=True),)), Reason.APPROVAL_NEEDED
    ),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_refuses(case: Refusal) -> None:
    planned = scaleout.plan(case.step, case.look())

    assert isinstance(planned, Denial)
    assert (planned.reason, planned.holds) == (case.reason, case.holds)
    assert planned.message.endswith(".")


@pytest.mark.parametrize(
    "pod",
    [a_pod_that(), a_pod(ready=False, deletionTimestamp="x", restarts=9), a_pod(restarts=9)],
    ids=["just starting", "going", "ready again"],
)
def test_pods_that_are_no_sign_of_trouble_do_not_matter(pod: Object) -> None:
    assert isinstance(scaleout.plan(a_step(), on(pods=(pod,))()), Intent)


def an_intent(obj: Object, **numbers: int) -> Intent:
    verb = IntentVerb.SCALE if "replicas" in numbers else IntentVerb.RAISE_BOUNDS
    fields = {"verb": verb, "object": target.reference(obj), **numbers}
    return Intent.model_validate(fields)


@pytest.mark.parametrize(
    ("intent", "done"),
    [
        (an_intent(a_workload(), replicas=2), True),
        (an_intent(a_workload(), replicas=3), False),
        (an_intent(a_scaler(), minReplicas=2), True),
        (an_intent(a_scaler(), maxReplicas=9), False),
        (an_intent(a_workload("StatefulSet"), replicas=2), False),
    ],
)
def test_knows_what_is_done(intent: Intent, *, done: bool) -> None:
    assert scaleout.is_done(intent, on(scalers=(a_scaler(),))().sighting) is done


def test_the_lease_says_what_was_and_what_will_be() -> None:
    record = scaleout.lease(
        a_step(revertAfter="5m"),
        an_intent(a_scaler(), maxReplicas=9),
        on(scalers=(a_scaler(),))(),
        NOW,
    )

    assert (record.field, record.previous, record.value) == ("spec.maxReplicas", "8", "9")
    assert record.expires == NOW + timedelta(minutes=5)


def test_there_is_no_lease_without_options() -> None:
    with pytest.raises(LookupError):
        scaleout.lease(
            LadderStep.model_validate({"action": "ScaleOut"}),
            an_intent(a_workload(), replicas=3),
            on()(),
            NOW,
        )


@pytest.mark.parametrize(("now", "then"), [(4, 3), (10, 7), (3, 2), (2, 2)])
def test_goes_back_step_by_step(now: int, then: int) -> None:
    record = scaleout.lease(a_step(), an_intent(a_workload(), replicas=10), on()(), NOW)

    assert ScaleOut().step_back(record, str(now)) == str(then)


def test_only_the_expiry_ends_it() -> None:
    record = scaleout.lease(a_step(), an_intent(a_workload(), replicas=10), on()(), NOW)

    assert ScaleOut().returns_at(a_step(), record, on()()) is None


@pytest.mark.parametrize(
    ("intent", "before", "wanted", "healthy"),
    [
        (None, None, 2, True),
        (an_intent(a_workload(), replicas=3), 2, 2, False),
        (an_intent(a_workload(), replicas=3), 2, 3, True),
        (an_intent(a_scaler(), minReplicas=3), 2, 2, False),
        (an_intent(a_scaler(), minReplicas=3), 2, 4, True),
        (an_intent(a_scaler(), maxReplicas=9), 8, 8, False),
        (an_intent(a_scaler(), maxReplicas=9), 8, 9, True),
        (an_intent(a_scaler(), maxReplicas=9), None, 1, True),
    ],
)
def test_helps_only_with_new_pods(
    intent: Intent | None, before: int | None, wanted: int, *, healthy: bool
) -> None:
    pods = tuple(a_pod(f"web-{number}") for number in range(wanted))

    found = scaleout.health(on(a_workload(replicas=wanted), pods=pods)(), intent, before)

    assert found.healthy is healthy


@pytest.mark.parametrize("look", [on(), on(a_workload("Unknown"))], ids=["no pods", "no numbers"])
def test_what_is_not_well_is_not_well_with_more_pods(look: Callable[[], Seen]) -> None:
    intent = an_intent(a_workload(), replicas=2)

    assert not scaleout.health(look(), intent, 2).healthy


def test_the_step_s_evidence_says_what_was_before() -> None:
    record = {
        "action": "ScaleOut",
        "startedAt": NOW,
        "intent": an_intent(a_scaler(), maxReplicas=9),
        "before": {"workload": WorkloadEvidence(desired=8, updated=8, available=8, restarts=0)},
    }
    pods = tuple(a_pod(f"web-{number}") for number in range(8))
    look = on(a_workload(replicas=8), pods=pods)()
    made = StepRecord.model_validate(record)

    assert not ScaleOut().health(look, made).healthy
    assert ScaleOut().health(look, None).healthy
    bare = made.model_copy(update={"before": None})
    assert ScaleOut().health(look, bare).healthy


def test_an_unknown_kind_has_no_number() -> None:
    intent = Intent.model_validate(
        {
            "verb": "Scale",
            "object": {"apiVersion": "acme.io/v1", "kind": "App", "name": "shop", "uid": "u"},
            "replicas": 2,
        }
    )
    with pytest.raises(LookupError):
        scaleout.field_of(intent)


def test_a_workload_without_a_chain_decides_itself() -> None:
    sighting = replace(on()().sighting, chain=())

    assert scaleout.scaled_object(sighting) == a_workload()
