"""A HealingRun from its first look to its end, transition by transition."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from autoglm_api.conditions import ConditionType, Reason, find_condition
from autoglm_api.healingrun import HealingRun, IntentVerb, StepOutcome
from autoglm_operator.decisions import episode, journal, news
from autoglm_operator.decisions.healing import Outcome, OutcomeKind, Pauses, Plan, Seen, Sighting
from episodes import (
    ACTIONS,
    NOW,
    RESTART_POD,
    RESTART_WORKLOAD,
    a_pod,
    a_policy,
    a_run,
    a_sighting,
    another_run,
    seen,
)

SUCCESS = Outcome(OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED, "Evicted.")
BUDGET = Outcome(OutcomeKind.RETRYABLE, Reason.DISRUPTION_BUDGET, "No disruption allowed.")
LOST = Outcome(OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, "No answer.")
FAILURE = Outcome(OutcomeKind.FAILED, Reason.ACTION_FAILED, "Forbidden.")

HEALED = replace(a_sighting(a_pod("web-3")), pod=None, pods=(a_pod("web-2"), a_pod("web-3")))
STILL_SICK = replace(a_sighting(), pod=None, pods=(a_pod("web-2"), a_pod("web-3", ready=False)))


@dataclass
class Healer:
    """Plays one run against looks that the test makes up."""

    run: HealingRun = field(default_factory=a_run)
    now: datetime = NOW
    outcome: Outcome = SUCCESS
    plan: Plan = field(init=False)
    calls: int = 0

    def look(
        self,
        sighting: Sighting | None = None,
        **changes: Any,  # noqa: ANN401 - any field of Seen
    ) -> "Healer":
        view = seen(self.run, sighting=sighting, **changes)
        self.plan = episode.decide(view, ACTIONS, self.now)
        self.store(self.plan)
        if self.plan.call is not None:
            self.calls += 1
            self.plan = episode.after_call(self.plan, self.view(view), self.outcome, self.now)
            self.store(self.plan)
        return self

    def view(self, before: Seen) -> Seen:
        return replace(before, run=self.run)

    def store(self, plan: Plan) -> None:
        self.run = self.run.model_copy(update={"status": plan.status})

    def after(self, **passed: float) -> "Healer":
        self.now += timedelta(**passed)
        return self

    @property
    def phase(self) -> str | None:
        return self.run.status.phase

    def reason(self, about: ConditionType) -> str | None:
        found = find_condition(self.run.status.conditions, about)
        return found.reason if found else None


def test_heals() -> None:
    healer = Healer().look()
    assert (healer.phase, healer.calls) == ("Verifying", 1)

    healer.after(seconds=10).look(HEALED).after(seconds=60).look(HEALED)

    assert (healer.phase, healer.calls) == ("Succeeded", 1)
    assert healer.plan.requeue_after is None
    step = healer.run.status.steps[0]
    assert (step.outcome, step.helped) == (StepOutcome.SUCCEEDED, True)
    assert step.before is not None
    assert (step.before.restarts, step.after and step.after.restarts) == (5, 0)


def test_journals_the_intent_before_the_call() -> None:
    plan = episode.decide(seen(), ACTIONS, NOW)

    assert plan.call is not None
    assert plan.status.steps[0].intent == plan.call
    assert plan.status.steps[0].outcome is None
    assert plan.status.phase == "Running"
    assert plan.status.target is not None


def test_deciding_again_after_success_plans_nothing() -> None:
    healer = Healer().look().after(seconds=10).look(HEALED).after(seconds=60).look(HEALED)

    again = episode.decide(seen(healer.run), ACTIONS, healer.now + timedelta(days=1))

    assert again == Plan(status=healer.run.status)


def test_climbs_the_ladder_when_a_step_does_not_help() -> None:
    healer = Healer().look().after(minutes=5).look(STILL_SICK)
    assert (healer.phase, healer.plan.requeue_after) == ("Running", timedelta())
    assert healer.reason(ConditionType.VERIFIED) == Reason.VERIFICATION_TIMED_OUT

    healer.look(STILL_SICK)

    intent = healer.run.status.steps[1].intent
    assert intent is not None
    assert intent.verb is IntentVerb.ROLL_OUT


def test_escalates_when_the_ladder_ends() -> None:
    healer = Healer(run=a_run(policy=a_policy(ladder=[RESTART_POD]))).look()

    healer.after(minutes=5).look(STILL_SICK).look(STILL_SICK)

    assert healer.phase == "Escalated"
    assert healer.reason(ConditionType.SUCCEEDED) == Reason.ESCALATED
    assert healer.calls == 1


def test_skips_when_a_guard_ends_it() -> None:
    healer = Healer(run=a_run(policy=a_policy(mode="DryRun"))).look()

    assert (healer.phase, healer.calls) == ("Skipped", 0)
    assert healer.reason(ConditionType.ACCEPTED) == Reason.DRY_RUN
    assert healer.run.status.finished_at == NOW


def test_fails_when_a_guard_ends_it_after_an_action() -> None:
    healer = Healer().look().after(minutes=5).look(STILL_SICK)

    healer.look(Sighting())

    assert healer.phase == "Failed"
    assert healer.reason(ConditionType.SUCCEEDED) == Reason.TARGET_GONE


def test_waits_while_cooldown_runs_then_acts() -> None:
    others = (another_run(acted_at=NOW - timedelta(minutes=9)),)
    healer = Healer().look(others=others)
    assert (healer.phase, healer.calls) == ("Held", 0)
    assert healer.plan.requeue_after == timedelta(seconds=15)

    healer.after(minutes=1).look(others=others)

    assert (healer.phase, healer.calls) == ("Verifying", 1)


def test_a_held_run_that_says_nothing_new_is_not_written() -> None:
    pauses = Pauses(everywhere="Stopped.")
    healer = Healer().look(pauses=pauses)
    before = healer.run.status

    healer.after(seconds=15).look(pauses=pauses)

    assert healer.run.status == before


def test_ends_when_it_was_held_for_too_long() -> None:
    pauses = Pauses(everywhere="Stopped.")

    healer = Healer().look(pauses=pauses).after(hours=1).look(pauses=pauses)

    assert healer.phase == "Skipped"
    assert healer.reason(ConditionType.ACCEPTED) == Reason.MAX_WAIT_PASSED


def test_a_later_step_may_be_held_as_long_as_the_first() -> None:
    pauses = Pauses(everywhere="Stopped.")
    healer = Healer().look().after(minutes=59).look(STILL_SICK).after(minutes=2)

    healer.look(STILL_SICK, pauses=pauses)
    assert healer.phase == "Held"
    healer.after(hours=1).look(STILL_SICK, pauses=pauses)

    assert healer.phase == "Failed"
    assert healer.reason(ConditionType.SUCCEEDED) == Reason.MAX_WAIT_PASSED


def test_a_run_without_a_time_of_creation_is_held_from_now_on() -> None:
    run = a_run()
    bare = run.metadata.model_copy(update={"creation_timestamp": None})
    healer = Healer(run=run.model_copy(update={"metadata": bare}))

    assert healer.look(pauses=Pauses(namespace=True)).phase == "Held"


def test_goes_on_to_the_next_step_when_the_first_refuses() -> None:
    sighting = a_sighting(a_pod(ownerReferences=[]))
    run = a_run(policy=a_policy(ladder=[RESTART_POD, RESTART_WORKLOAD]))

    healer = Healer(run=run).look(replace(sighting, pods=(a_pod("web-2"),)))

    outcomes = [step.outcome for step in healer.run.status.steps]
    assert outcomes == [StepOutcome.REFUSED, StepOutcome.SUCCEEDED]
    assert healer.calls == 1


def test_skips_with_the_refusal_when_every_step_refuses() -> None:
    healer = Healer(run=a_run(policy=a_policy(ladder=[RESTART_POD, RESTART_POD])))

    healer.look(replace(a_sighting(a_pod(ownerReferences=[])), pods=()))

    assert (healer.phase, healer.calls) == ("Skipped", 0)
    assert healer.reason(ConditionType.ACCEPTED) == Reason.NO_UNHEALTHY_POD


def test_backs_off_while_a_budget_refuses() -> None:
    healer = Healer(outcome=BUDGET).look()
    assert (healer.phase, healer.plan.requeue_after) == ("Held", timedelta(seconds=15))

    healer.outcome = SUCCESS
    healer.after(seconds=15).look()

    assert (healer.phase, healer.calls) == ("Verifying", 2)


def test_gives_a_step_up_when_a_budget_refuses_for_too_long() -> None:
    healer = Healer(outcome=BUDGET).look().after(hours=1).look()

    assert healer.run.status.steps[0].outcome is StepOutcome.FAILED
    assert healer.run.status.steps[0].reason == Reason.DISRUPTION_BUDGET
    assert healer.plan.requeue_after == timedelta()


def test_looks_soon_when_a_reply_was_lost() -> None:
    healer = Healer(outcome=LOST).look()

    assert healer.plan.requeue_after == timedelta(seconds=2)


def test_does_not_call_again_when_the_lost_call_took_effect() -> None:
    healer = Healer(outcome=LOST).look()

    healer.after(seconds=2).look(STILL_SICK)

    assert (healer.phase, healer.calls) == ("Verifying", 1)


def test_goes_on_to_the_next_step_when_a_call_fails() -> None:
    healer = Healer(outcome=FAILURE).look()
    assert healer.run.status.steps[0].outcome is StepOutcome.FAILED

    healer.outcome = SUCCESS
    healer.look()

    assert [step.outcome for step in healer.run.status.steps] == [
        StepOutcome.FAILED,
        StepOutcome.SUCCEEDED,
    ]


def journaled() -> Healer:
    """A healer that died after it had journaled an intent and before it called."""
    healer = Healer()
    healer.store(episode.decide(seen(), ACTIONS, NOW))
    return healer


def test_makes_a_journaled_call_that_was_never_made() -> None:
    healer = journaled()
    before = healer.run.status.steps[0].intent

    healer.look()

    assert (healer.phase, healer.calls) == ("Verifying", 1)
    assert healer.run.status.steps[0].intent == before


def test_does_not_repeat_a_journaled_call_that_was_made() -> None:
    assert journaled().look(STILL_SICK).calls == 0


def test_holds_a_journaled_call_while_paused() -> None:
    healer = journaled().look(pauses=Pauses(everywhere="Stopped."))
    assert (healer.phase, healer.calls) == ("Held", 0)

    assert healer.look().calls == 1


@pytest.mark.parametrize(
    "change",
    [{"policy": a_policy(mode="DryRun")}, {"admission_proven": True, "policy": None}],
    ids=["a dry run by now", "a deleted policy"],
)
def test_gives_a_journaled_call_up_when_the_policy_no_longer_allows_it(
    change: dict[str, object],
) -> None:
    healer = journaled()
    view = replace(seen(healer.run), **change)  # type: ignore[arg-type]

    plan = episode.decide(view, ACTIONS, NOW)

    assert plan.call is None
    assert plan.status.steps[0].outcome is StepOutcome.FAILED
    last = episode.decide(
        replace(view, run=healer.run.model_copy(update={"status": plan.status})), ACTIONS, NOW
    )
    assert last.status.phase == "Failed"


def test_a_step_without_an_intent_fails() -> None:
    healer = journaled()
    lost = healer.run.status.steps[0].model_copy(update={"intent": None})
    status = healer.run.status.model_copy(update={"steps": (lost,)})
    healer.run = healer.run.model_copy(update={"status": status})

    healer.look()

    assert (healer.run.status.steps[0].outcome, healer.calls) == (StepOutcome.FAILED, 0)


def test_only_looks_again_when_the_target_fell_sick_during_verification() -> None:
    healer = Healer().look().after(seconds=10).look(HEALED).after(seconds=5).look(STILL_SICK)

    assert healer.run.status.steps[0].healthy_since is None
    assert (healer.phase, healer.calls) == ("Verifying", 1)


@pytest.mark.parametrize(
    ("sighting", "told"),
    [
        (HEALED, [Reason.VERIFICATION_PENDING, Reason.HEALED]),
        (STILL_SICK, [Reason.VERIFICATION_PENDING, Reason.NOT_HEALED]),
    ],
    ids=["healed", "not healed"],
)
def test_tells_each_transition_once(sighting: Sighting, told: list[Reason]) -> None:
    healer = Healer()
    said: list[Reason] = []
    for seconds in (0, 10, 100, 300):
        before = healer.run.status
        if before.finished_at is None and len(before.steps) < 2:
            healer.now = NOW + timedelta(seconds=seconds)
            healer.look(sighting if before.steps else None)
            said += [item.reason for item in news.between(before, healer.run)]

    assert said == told


def test_tells_the_target_that_an_action_began() -> None:
    plan = episode.decide(seen(), ACTIONS, NOW)
    run = a_run(plan.status)

    (told,) = news.between(a_run().status, run)

    assert (told.reason, told.warning) == (Reason.ACTION_STARTED, False)
    assert told.also[0]["kind"] == "Deployment"
    assert news.regarding(run)["metadata"]["uid"] == "run-crash-1"


def test_tells_only_the_run_when_there_is_no_target() -> None:
    healer = Healer().look(Sighting())

    (told,) = news.between(a_run().status, healer.run)

    assert (told.reason, told.warning, told.also) == (Reason.TARGET_GONE, True, ())


def test_an_ending_without_a_target_is_told_to_nobody_else() -> None:
    healer = Healer().look()
    status = healer.run.status.model_copy(update={"target": None})
    started = episode.decide(seen(), ACTIONS, NOW).status.model_copy(update={"target": None})

    assert news.between(a_run().status, a_run(started))[0].also == ()
    assert news.between(status, a_run(status)) == ()


def test_nothing_is_told_of_a_run_that_nobody_looked_at() -> None:
    assert news.between(a_run().status, a_run()) == ()


def test_a_run_that_nobody_looked_at_is_pending() -> None:
    assert journal.phase_of(()) == "Pending"


def test_a_step_that_was_journaled_without_an_intent_is_named_by_its_action() -> None:
    step = Healer().look().run.status.steps[0].model_copy(update={"intent": None})

    status = journal.started(seen(), step, NOW)

    assert status.conditions[1].message == "Restart: Restart nothing."


def test_an_escalation_without_a_verification_names_the_last_failure() -> None:
    healer = Healer(run=a_run(policy=a_policy(ladder=[RESTART_POD])), outcome=FAILURE).look()

    healer.look()

    assert healer.phase == "Escalated"
    found = find_condition(healer.run.status.conditions, ConditionType.SUCCEEDED)
    assert found is not None
    assert found.message.endswith("Forbidden.")
