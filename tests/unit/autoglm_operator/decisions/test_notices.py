"""What a notice says, for people and for programs."""

from datetime import timedelta

import pytest

from autoglm_api.conditions import ConditionType, Reason, set_condition
from autoglm_api.healingguards import NotifyTarget
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import HealingRun, HealingRunStatus, RunTarget, StepOutcome, StepRecord
from autoglm_operator.decisions import notices
from episodes import NOW, a_run

SLACK = NotifyTarget.model_validate(
    {"type": "Slack", "slack": {"urlSecretRef": {"name": "hook", "key": "url"}}}
)
WEBHOOK = NotifyTarget.model_validate(
    {"type": "Webhook", "webhook": {"urlSecretRef": {"name": "pager", "key": "url"}}}
)


def _run() -> HealingRun:
    restart = StepRecord(
        action=ActionName.RESTART,
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=1),
        outcome=StepOutcome.SUCCEEDED,
        message="Pod web-1 was <evicted>.",
    )
    notice = StepRecord(action=ActionName.NOTIFY, started_at=NOW)
    return a_run(
        HealingRunStatus(
            target=RunTarget(
                api_version="apps/v1", kind="Deployment", name="web", uid="u-1", key="u-1"
            ),
            steps=(restart, notice),
            conditions=set_condition(
                (),
                ConditionType.VERIFIED,
                status=False,
                reason=Reason.VERIFICATION_TIMED_OUT,
                message="Deployment web has 0 of 2 pods available.",
                generation=1,
                now=NOW,
            ),
        )
    )


def test_a_person_reads_what_is_wrong_what_was_tried_and_where_to_look() -> None:
    said = str(notices.body(SLACK, _run())["text"])
    assert said.splitlines() == [
        "Alert Crash about Deployment web needs a person."
        " Deployment web has 0 of 2 pods available.",
        "• Restart: Succeeded. Pod web-1 was &lt;evicted&gt;.",
        "HealingRun team-a/crash-1, policy crash.",
    ]


def test_a_program_reads_the_same_as_fields() -> None:
    document = notices.body(WEBHOOK, _run())
    assert document["version"] == notices.VERSION
    assert document["run"] == {"namespace": "team-a", "name": "crash-1"}
    assert document["target"] == {"kind": "Deployment", "name": "web"}
    assert document["message"] == "Deployment web has 0 of 2 pods available."
    assert [step["action"] for step in document["steps"]] == ["Restart"]


def test_a_run_that_found_nothing_can_be_told_as_well() -> None:
    run = a_run()
    assert notices.document(run)["target"] is None
    assert notices.text(run).startswith("Alert Crash about an unknown target needs a person.")


@pytest.mark.parametrize(("target", "secret"), [(SLACK, "hook"), (WEBHOOK, "pager")])
def test_each_type_has_its_own_url(target: NotifyTarget, secret: str) -> None:
    assert notices.url_of(target).url_secret_ref.name == secret


def test_a_place_without_its_block_is_an_error() -> None:
    with pytest.raises(ValueError, match="lacks its block"):
        notices.url_of(SLACK.model_copy(update={"slack": None}))


def test_every_secret_of_a_place_is_named_and_that_with_the_url_first() -> None:
    both = {
        "urlSecretRef": {"name": "desk", "key": "url"},
        "caSecretRef": {"name": "ca", "key": "c"},
    }
    named = notices.refs_of(NotifyTarget.model_validate({"type": "Webhook", "webhook": both}))
    assert [(ref.name, ref.key) for ref in named] == [("desk", "url"), ("ca", "c")]
    assert [ref.name for ref in notices.refs_of(SLACK)] == ["hook"]
