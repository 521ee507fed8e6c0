"""The calls of a scale-out: the journaled number, once, and only over the number that was there."""

import pytest

from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import LadderStep
from autoglm_api.leases import Mark
from autoglm_operator.actions.scaleout import ScaleOut
from autoglm_operator.clients import errors
from autoglm_operator.decisions import leases
from autoglm_operator.decisions.healing import (
    Denial,
    Outcome,
    OutcomeKind,
    ReversibleAction,
    Sighting,
)
from episodes import NOW, Object, a_policy, a_run, a_workload, an_object, seen
from fake_objects import LOST, FakeObjects

STEP = LadderStep.model_validate({"action": "ScaleOut", "scaleOut": {"maxReplicas": 10}})


def a_scaler() -> Object:
    built = an_object("autoscaling/v2", "HorizontalPodAutoscaler", "web")
    built["spec"] = {"minReplicas": 2, "maxReplicas": 8}
    return built


class Stage:
    """A workload that may have an autoscaler, and the plan for it."""

    def __init__(self, *, autoscaled: bool = False) -> None:
        self.server = FakeObjects()
        self.workload = self.server.put(a_workload())
        scalers = (self.server.put(a_scaler()),) if autoscaled else ()
        self.dialled = scalers[0] if scalers else self.workload
        sighting = Sighting(
            workload=self.workload, chain=(self.workload,), autoscalers=scalers, key="k"
        )
        look = seen(sighting=sighting, policy=a_policy())
        planned = ScaleOut().plan(STEP, look, NOW)
        assert not isinstance(planned, Denial)
        self.intent = planned
        record = ScaleOut().lease(STEP, planned, look, NOW)
        self.lease = leases.lease_of(a_run(), record)

    def mark(self) -> "Stage":
        self.dialled["metadata"]["annotations"] = {"autoglm.io/lease": self.lease.mark.text()}
        return self

    async def execute(self) -> Outcome:
        return await ScaleOut().execute("team-a", self.intent, self.server)


def test_is_an_action_whose_change_is_undone() -> None:
    assert isinstance(ScaleOut(), ReversibleAction)


@pytest.mark.parametrize("autoscaled", [False, True])
async def test_writes_the_journaled_number_once(*, autoscaled: bool) -> None:
    stage = Stage(autoscaled=autoscaled).mark()

    assert (await stage.execute()).kind is OutcomeKind.SUCCEEDED
    assert (await stage.execute()).kind is OutcomeKind.SUCCEEDED

    written = "apply HorizontalPodAutoscaler" if autoscaled else "scale Deployment"
    assert stage.server.writes == [written]
    field = "minReplicas" if autoscaled else "replicas"
    assert stage.dialled["spec"][field] == 3
    sighting = Sighting(chain=(stage.workload,), autoscalers=(stage.dialled,))
    assert ScaleOut().is_done(stage.intent, sighting)


async def test_leaves_an_unmarked_object_alone() -> None:
    stage = Stage()

    outcome = await stage.execute()

    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.TARGET_CHANGED)
    assert stage.server.writes == []


async def test_leaves_a_number_alone_that_somebody_changed() -> None:
    stage = Stage().mark()
    stage.workload["spec"]["replicas"] = 6

    outcome = await stage.execute()

    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.TARGET_CHANGED)
    assert "has spec.replicas 6" in outcome.message


@pytest.mark.parametrize("gone", ["deleted", "made anew"])
async def test_fails_on_what_is_gone(gone: str) -> None:
    stage = Stage().mark()
    if gone == "deleted":
        stage.server.objects.clear()
    else:
        stage.workload["metadata"]["uid"] = "another"

    outcome = await stage.execute()

    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.TARGET_GONE)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LOST, OutcomeKind.RETRYABLE),
        (errors.Conflict(409, "Conflict", "Changed."), OutcomeKind.RETRYABLE),
        (errors.TooManyRequests(429, "TooManyRequests", "Wait."), OutcomeKind.RETRYABLE),
        (errors.Forbidden(403, "Forbidden", "No."), OutcomeKind.FAILED),
    ],
)
async def test_understands_a_refusal(error: Exception, kind: OutcomeKind) -> None:
    stage = Stage().mark()
    stage.server.broken[1] = (error, False)

    assert (await stage.execute()).kind is kind


async def test_a_lost_reply_is_no_second_write() -> None:
    stage = Stage().mark()
    stage.server.broken[1] = (LOST, True)

    assert (await stage.execute()).kind is OutcomeKind.RETRYABLE
    assert (await stage.execute()).kind is OutcomeKind.SUCCEEDED

    assert stage.server.writes == ["scale Deployment"]


async def test_goes_back_on_the_version_that_was_looked_at() -> None:
    stage = Stage().mark()
    await stage.execute()
    live = await stage.server.get(kinds.DEPLOYMENT, "team-a", "web")
    assert live is not None
    back = stage.lease.record.model_copy(update={"value": "2"})
    stage.workload["metadata"]["resourceVersion"] = "99"

    with pytest.raises(errors.Conflict):
        await ScaleOut().undo("team-a", leases.lease_of(a_run(), back), live, stage.server)

    assert stage.workload["spec"]["replicas"] == 3


def test_marks_are_always_the_same_text() -> None:
    stage = Stage().mark()

    found = Mark.of(stage.workload)

    assert found is not None
    assert found.text() == stage.lease.mark.text()
