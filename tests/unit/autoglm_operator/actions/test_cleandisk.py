"""The calls of a cleaning: one Job, looked for before it is made, never made anew once seen."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import pytest

from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingrun import Intent, IntentVerb
from autoglm_api.kinds import Kind
from autoglm_operator.actions.cleandisk import CleanDisk
from autoglm_operator.clients import errors
from autoglm_operator.decisions.healing import ActionIO, Denial, OutcomeKind, Sighting
from autoglm_operator.decisions.reading import Manifest
from autoglm_operator.decisions.target import reference
from autoglm_operator.manifests.cleaning import CleaningSite
from episodes import NOW, a_node, an_object, seen

if TYPE_CHECKING:
    from autoglm_operator.decisions.healing import Outcome

ACTION = CleanDisk(CleaningSite("jobs", "autoglm:1"))
INTENT = Intent(verb=IntentVerb.CLEAN, object=reference(a_node()), job="clean-1")


@dataclass
class FakeIO:
    """An API server with at most one Job, or an error."""

    job: Manifest | None = None
    error: Exception | None = None
    made: list[Manifest] = field(default_factory=list[Manifest])

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        assert (kind, namespace, name) == (kinds.JOB, "jobs", "clean-1")
        return self.job

    async def create(self, obj: Manifest, *, manager: str | None = None) -> Manifest:
        assert manager == "autoglm-healer"
        if self.error is not None:
            raise self.error
        self.made.append(obj)
        return obj | {"metadata": {**obj["metadata"], "uid": "j-1"}}

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        assert (kind, namespace) == (kinds.POD, "jobs")
        assert labels == "batch.kubernetes.io/job-name=clean-1"
        return []


async def executed(io: FakeIO, intent: Intent = INTENT, action: CleanDisk = ACTION) -> "Outcome":
    return await action.execute("team-a", intent, cast("ActionIO", io))


async def test_makes_the_journaled_job_on_the_journaled_node() -> None:
    io = FakeIO()

    outcome = await executed(io)

    assert outcome.kind is OutcomeKind.UNDER_WAY
    assert outcome.intent == INTENT.model_copy(update={"job_uid": "j-1"})
    (made,) = io.made
    assert made["metadata"]["name"] == "clean-1"
    assert made["spec"]["template"]["spec"]["nodeName"] == "node1"


async def test_a_job_that_is_there_is_not_made_again() -> None:
    io = FakeIO(job=an_object("batch/v1", "Job", "clean-1"))

    outcome = await executed(io)

    assert (outcome.kind, io.made) == (OutcomeKind.UNDER_WAY, [])


@pytest.mark.parametrize("job", [None, an_object("batch/v1", "Job", "clean-1")])
async def test_a_job_that_was_seen_and_is_gone_is_never_made_anew(job: Manifest | None) -> None:
    io = FakeIO(job=job)

    outcome = await executed(io, INTENT.model_copy(update={"job_uid": "another"}))

    assert (outcome.kind, outcome.reason, io.made) == (OutcomeKind.FAILED, Reason.JOB_FAILED, [])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.Conflict(409, "AlreadyExists", "taken"), OutcomeKind.RETRYABLE),
        (errors.TooManyRequests(429, "TooManyRequests", "wait"), OutcomeKind.RETRYABLE),
        (errors.Unavailable(0, "TimeoutError", "lost"), OutcomeKind.RETRYABLE),
        (errors.Forbidden(403, "Forbidden", "quota"), OutcomeKind.FAILED),
        (errors.NotFound(404, "NotFound", "no namespace"), OutcomeKind.FAILED),
    ],
)
async def test_every_answer_is_understood(error: errors.ApiError, kind: OutcomeKind) -> None:
    outcome = await executed(FakeIO(error=error))

    assert (outcome.kind, outcome.message) == (kind, error.message)


async def test_without_the_admins_word_nothing_is_planned_or_made() -> None:
    off, io = CleanDisk(), FakeIO()

    planned = off.plan(LadderStep(action=ActionName.CLEAN_DISK), seen(), NOW)
    outcome = await executed(io, action=off)

    assert isinstance(planned, Denial)
    assert planned.reason is Reason.NODE_HEALING_OFF
    assert "nodeHealing.enabled=true" in planned.message
    assert (outcome.kind, io.made) == (OutcomeKind.FAILED, [])


def test_plans_and_judges_by_the_pure_half() -> None:
    case = replace(seen(), sighting=Sighting(node=a_node()))

    assert isinstance(ACTION.plan(LadderStep(action=ActionName.CLEAN_DISK), case, NOW), Intent)
    assert ACTION.health(case, None).healthy is False
    assert ACTION.is_done(INTENT, Sighting()) is False
