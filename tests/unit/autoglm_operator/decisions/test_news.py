"""What is told about a HealingRun, each transition once."""

from datetime import timedelta

import pytest

from autoglm_api.conditions import Reason
from autoglm_operator.decisions import episode, journal, news
from autoglm_operator.decisions.healing import Sighting
from episodes import (
    ACTIONS,
    NOW,
    a_policy,
    a_run,
    seen,
)
from played_runs import HEALED, STILL_SICK, Healer


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

    assert (told.reason, told.warning, told.minor) == (Reason.ACTION_STARTED, False, False)
    assert told.also[0]["kind"] == "Deployment"
    assert news.regarding(run)["metadata"]["uid"] == "run-crash-1"


def test_tells_only_the_run_when_there_is_no_target() -> None:
    healer = Healer().look(Sighting())

    (told,) = news.between(a_run().status, healer.run)

    assert (told.reason, told.warning, told.also) == (Reason.TARGET_GONE, True, ())
    assert told.minor


def test_whoever_has_to_approve_is_told_in_any_storm() -> None:
    asking = a_policy(mode="Approve")
    plan = episode.decide(seen(a_run(policy=asking), policy=asking), ACTIONS, NOW)

    (told,) = news.between(a_run().status, a_run(plan.status))

    assert (told.reason, told.minor) == (Reason.AWAITING_APPROVAL, False)


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
