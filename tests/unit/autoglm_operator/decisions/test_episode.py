"""A HealingRun from its first look to its end, transition by transition."""

from dataclasses import replace
from datetime import timedelta

from autoglm_api.conditions import ConditionType, Reason, find_condition
from autoglm_api.healingevidence import Evidence
from autoglm_api.healingrun import IntentVerb, StepOutcome
from autoglm_operator.decisions import episode
from autoglm_operator.decisions.healing import Pauses, Plan, Sighting
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
from played_runs import BUDGET, FAILURE, HEALED, LOST, STILL_SICK, SUCCESS, Healer


def test_heals() -> None:
    healer = Healer().look()
    assert (healer.phase, healer.calls) == ("Verifying", 1)

    healer.after(seconds=10).look(HEALED).after(seconds=60).look(HEALED)

    assert (healer.phase, healer.calls) == ("Succeeded", 1)
    assert healer.plan.requeue_after is None
    step = healer.run.status.steps[0]
    assert (step.outcome, step.helped) == (StepOutcome.SUCCEEDED, True)
    assert [_restarts(step.before), _restarts(step.after)] == [5, 0]


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


def test_only_looks_again_when_the_target_fell_sick_during_verification() -> None:
    healer = Healer().look().after(seconds=10).look(HEALED).after(seconds=5).look(STILL_SICK)

    assert healer.run.status.steps[0].healthy_since is None
    assert (healer.phase, healer.calls) == ("Verifying", 1)


def test_an_escalation_without_a_verification_names_the_last_failure() -> None:
    healer = Healer(run=a_run(policy=a_policy(ladder=[RESTART_POD])), outcome=FAILURE).look()

    healer.look()

    assert healer.phase == "Escalated"
    found = find_condition(healer.run.status.conditions, ConditionType.SUCCEEDED)
    assert found is not None
    assert found.message.endswith("Forbidden.")


def _restarts(evidence: Evidence | None) -> int | None:
    return evidence.workload.restarts if evidence and evidence.workload else None
