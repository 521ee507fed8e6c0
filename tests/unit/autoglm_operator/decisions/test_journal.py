"""What a healer does about the journal of one that died."""

from dataclasses import replace

import pytest

from autoglm_api.healingrun import StepOutcome
from autoglm_operator.decisions import episode
from autoglm_operator.decisions.healing import Pauses
from episodes import (
    ACTIONS,
    NOW,
    a_policy,
    seen,
)
from played_runs import STILL_SICK, Healer


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
