"""The calls of a restart: made once, looked before, and every answer understood."""

from dataclasses import dataclass, field

import pytest

from autoglm_api.conditions import Reason
from autoglm_api.healingrun import Intent, IntentVerb
from autoglm_api.kinds import Kind
from autoglm_api.labels import HEALER, RESTARTED_AT
from autoglm_operator.actions.restart import Restart
from autoglm_operator.clients import errors
from autoglm_operator.decisions import target
from autoglm_operator.decisions.healing import OutcomeKind
from autoglm_operator.decisions.reading import Manifest
from episodes import NOW, a_pod, a_workload

EVICTION = Intent(verb=IntentVerb.EVICT, object=target.reference(a_pod()))
ROLL_OUT = Intent(verb=IntentVerb.ROLL_OUT, object=target.reference(a_workload()), restarted_at=NOW)
STAMP = "2026-03-01T12:00:00.000Z"


@dataclass
class FakeIO:
    """An API server with one object, or an error."""

    found: Manifest | None = None
    error: Exception | None = None
    calls: list[str] = field(default_factory=list[str])
    applied: list[Manifest] = field(default_factory=list[Manifest])

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        assert (namespace, bool(kind.plural), bool(name)) == ("team-a", True, True)
        return self.found

    async def apply(self, obj: Manifest, *, manager: str, force: bool) -> Manifest:
        assert (manager, force) == (HEALER, True)
        self.calls.append("apply")
        self.applied.append(obj)
        if self.error:
            raise self.error
        return obj

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        raise AssertionError((kind, namespace, labels))

    async def create(self, obj: Manifest, *, manager: str | None = None) -> Manifest:
        raise AssertionError((obj, manager))

    async def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: object,
        *,
        subresource: str | None = None,
        kind_of_patch: str = "merge",
    ) -> Manifest:
        raise AssertionError((kind, namespace, name, body, subresource, kind_of_patch))

    async def evict(
        self, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        grace = "" if grace_seconds is None else f" within {grace_seconds} s"
        self.calls.append(f"evict {namespace}/{name} {uid}{grace}")
        if self.error:
            raise self.error


async def test_evicts_exactly_the_journaled_pod() -> None:
    io = FakeIO(a_pod())

    outcome = await Restart().execute("team-a", EVICTION, io)

    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert io.calls == ["evict team-a/web-1 pod-web-1"]


async def test_the_kubelet_of_an_evicted_pod_has_the_last_word() -> None:
    pod = a_pod()
    pod["spec"] = {**pod.get("spec", {}), "terminationGracePeriodSeconds": 0}
    io = FakeIO(pod)

    await Restart().execute("team-a", EVICTION, io)

    assert io.calls == ["evict team-a/web-1 pod-web-1 within 1 s"]


@pytest.mark.parametrize(
    "found",
    [None, a_pod(uid="another"), a_pod(deletionTimestamp="2026-03-01T12:00:00Z")],
    ids=["gone", "made anew", "being deleted"],
)
async def test_does_not_evict_a_pod_that_is_going_anyway(found: Manifest | None) -> None:
    io = FakeIO(found)

    outcome = await Restart().execute("team-a", EVICTION, io)

    assert (outcome.kind, io.calls) == (OutcomeKind.SUCCEEDED, [])


ANSWERS = {
    "a budget": (
        errors.TooManyRequests(429, "TooManyRequests", "no"),
        OutcomeKind.RETRYABLE,
        Reason.DISRUPTION_BUDGET,
    ),
    "several budgets": (
        errors.Unavailable(500, "InternalError", "has more than one PodDisruptionBudget, which"),
        OutcomeKind.FAILED,
        Reason.DISRUPTION_BUDGET,
    ),
    "a lost reply": (
        errors.Unavailable(0, "Timeout", "no answer"),
        OutcomeKind.RETRYABLE,
        Reason.API_UNAVAILABLE,
    ),
    "another pod by now": (
        errors.Conflict(409, "Conflict", "uid"),
        OutcomeKind.RETRYABLE,
        Reason.TARGET_CHANGED,
    ),
    "a pod that is gone": (
        errors.NotFound(404, "NotFound", "no"),
        OutcomeKind.SUCCEEDED,
        Reason.ACTION_SUCCEEDED,
    ),
    "a missing right": (
        errors.Forbidden(403, "Forbidden", "no"),
        OutcomeKind.FAILED,
        Reason.ACTION_FAILED,
    ),
}


@pytest.mark.parametrize(("error", "kind", "reason"), ANSWERS.values(), ids=ANSWERS)
async def test_understands_the_answer(
    error: errors.ApiError, kind: OutcomeKind, reason: Reason
) -> None:
    outcome = await Restart().execute("team-a", EVICTION, FakeIO(a_pod(), error))

    assert (outcome.kind, outcome.reason) == (kind, reason)


async def test_sets_nothing_but_the_stamp_on_exactly_the_journaled_workload() -> None:
    io = FakeIO(a_workload())

    outcome = await Restart().execute("team-a", ROLL_OUT, io)

    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert io.applied == [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": "team-a", "name": "web", "uid": "deployment-web"},
            "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: STAMP}}}},
        }
    ]


async def test_a_workload_that_changed_meanwhile_is_looked_at_again() -> None:
    io = FakeIO(a_workload(), errors.Conflict(409, "Conflict", "it has been modified"))

    outcome = await Restart().execute("team-a", ROLL_OUT, io)

    assert (outcome.kind, outcome.reason) == (OutcomeKind.RETRYABLE, Reason.TARGET_CHANGED)


async def test_does_not_stamp_twice() -> None:
    workload = a_workload()
    workload["spec"]["template"]["metadata"]["annotations"] = {RESTARTED_AT: STAMP}
    io = FakeIO(workload)

    outcome = await Restart().execute("team-a", ROLL_OUT, io)

    assert (outcome.kind, io.calls) == (OutcomeKind.SUCCEEDED, [])


@pytest.mark.parametrize("kind", ["Deployment", "Stack"])
async def test_does_not_stamp_what_is_gone_or_unknown(kind: str) -> None:
    intent = ROLL_OUT.model_copy(
        update={"object": ROLL_OUT.object.model_copy(update={"kind": kind})}
    )

    outcome = await Restart().execute("team-a", intent, FakeIO())

    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.TARGET_GONE)
