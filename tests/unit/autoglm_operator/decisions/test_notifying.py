"""A notice as the last step: nothing holds it, it heals nothing, it is sent until it is taken."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import HealingRunStatus, Intent, IntentVerb, StepOutcome
from autoglm_operator.actions.notify import Notify
from autoglm_operator.clients.notices import Delivery
from autoglm_operator.decisions import episode
from autoglm_operator.decisions.healing import Outcome, OutcomeKind, Pauses, Plan, Seen
from episodes import ACTIONS, NOW, a_policy, a_run, seen

POLICY = a_policy(
    ladder=[{"action": "Notify"}],
    notify=[{"type": "Slack", "slack": {"urlSecretRef": {"name": "hook", "key": "url"}}}],
)
TOLD = Outcome(OutcomeKind.SUCCEEDED, Reason.NOTIFIED, "Told 1 of 1 places.")
AWAY = Outcome(OutcomeKind.RETRYABLE, Reason.NOTICE_NOT_DELIVERED, "Told 0 of 1 places.")


@dataclass
class NoPoster:
    async def post(
        self, url: str, body: dict[str, Any], *, namespace: str, key: str, ca: str | None = None
    ) -> Delivery:
        raise AssertionError((url, body, namespace, key, ca))


EVERYTHING = {**ACTIONS, ActionName.NOTIFY: Notify(NoPoster())}


def look(status: HealingRunStatus | None = None, **changes: Any) -> Seen:  # noqa: ANN401 - any field
    return seen(a_run(status, policy=POLICY), policy=POLICY, **changes)


def begun(**changes: Any) -> Plan:  # noqa: ANN401 - any field of Seen
    return episode.decide(look(**changes), EVERYTHING, NOW)


def test_a_notice_is_journaled_before_it_is_sent() -> None:
    plan = begun()
    assert plan.call is not None
    assert (plan.action, plan.call.verb) == (ActionName.NOTIFY, IntentVerb.NOTIFY)
    assert plan.status.steps[-1].outcome is None


def test_not_even_a_pause_holds_it() -> None:
    assert begun(pauses=Pauses(everywhere="All healing is paused.")).call is not None


def test_a_pause_does_not_hold_its_repetition_either() -> None:
    paused = look(begun().status, pauses=Pauses(everywhere="All healing is paused."))
    plan = episode.decide(paused, EVERYTHING, NOW + timedelta(seconds=20))
    assert isinstance(plan.call, Intent)


def test_a_notice_that_arrived_ends_the_run_for_a_person_to_go_on() -> None:
    told = episode.after_call(begun(), look(), TOLD, NOW)
    step = told.status.steps[-1]
    assert (step.outcome, step.helped) == (StepOutcome.SUCCEEDED, False)
    ended = episode.decide(look(told.status), EVERYTHING, NOW)
    assert (ended.status.phase, ended.call) == ("Escalated", None)


def test_a_notice_that_nobody_took_is_sent_again_a_little_later() -> None:
    later = episode.after_call(begun(), look(), AWAY, NOW)
    assert later.requeue_after == episode.HELD
    assert later.status.steps[-1].outcome is None
