"""What holds for every course that healing may take."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

import episodes
from autoglm_api.conditions import Reason
from autoglm_api.healingrun import HealingRun, Intent
from autoglm_operator.decisions import episode
from autoglm_operator.decisions.healing import (
    OtherRun,
    Outcome,
    OutcomeKind,
    Pauses,
    Plan,
    Sighting,
)
from autoglm_operator.reconcilers.ledger import RunLedger
from episodes import ACTIONS, NOW, a_pod, a_policy, a_run, a_sighting, seen

# A course of 25 moments costs 20 ms; the default of 100 courses would take too long in sum.
few = settings(max_examples=40, deadline=None)

GONE = Sighting()
SICK = a_sighting()
FINE = replace(a_sighting(a_pod()), pods=(a_pod(), a_pod("web-2")))
AFTERWARDS = replace(FINE, pod=None, pods=(a_pod("web-2"), a_pod("web-3", ready=False)))

OUTCOMES = [
    Outcome(OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED, "Done."),
    Outcome(OutcomeKind.RETRYABLE, Reason.DISRUPTION_BUDGET, "Budget."),
    Outcome(OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, "Lost."),
    Outcome(OutcomeKind.FAILED, Reason.ACTION_FAILED, "Refused."),
]


@dataclass(frozen=True)
class Moment:
    """What one look of one run may meet."""

    run: int
    seconds: int
    sighting: Sighting
    paused: bool
    outcome: Outcome
    dies_before_the_call: bool


MOMENTS = st.builds(
    Moment,
    run=st.integers(0, 2),
    seconds=st.integers(0, 400),
    sighting=st.sampled_from([SICK, SICK, FINE, AFTERWARDS, GONE]),
    paused=st.booleans(),
    outcome=st.sampled_from(OUTCOMES),
    dies_before_the_call=st.booleans(),
)


@dataclass
class World:
    """Three runs for one target, with the healer's own ledger between them."""

    runs: list[HealingRun] = field(
        default_factory=lambda: [a_run(name=f"crash-{index}") for index in range(3)]
    )
    ledger: RunLedger = field(default_factory=RunLedger)
    now: datetime = NOW
    calls: list[tuple[datetime, bool, Intent]] = field(
        default_factory=list[tuple[datetime, bool, Intent]]
    )

    def play(self, moment: Moment) -> None:
        self.now += timedelta(seconds=moment.seconds)
        run = self.runs[moment.run]
        view = seen(
            run,
            sighting=moment.sighting,
            policy=a_policy(paused=moment.paused),
            others=self.others(run),
        )
        plan = episode.decide(view, ACTIONS, self.now)
        self.store(moment.run, plan)
        if plan.call is None or moment.dies_before_the_call:
            return
        self.calls.append((self.now, moment.paused, plan.call))
        view = replace(view, run=self.runs[moment.run])
        self.store(moment.run, episode.after_call(plan, view, moment.outcome, self.now))

    def others(self, run: HealingRun) -> tuple[OtherRun, ...]:
        target = run.status.target
        return self.ledger.others(target.key if target else SICK.key, run.metadata.uid)

    def store(self, index: int, plan: Plan) -> None:
        self.runs[index] = self.runs[index].model_copy(update={"status": plan.status})
        self.ledger.note(self.runs[index])

    def active(self) -> list[str]:
        return [
            run.metadata.name
            for run in self.runs
            if run.status.finished_at is None and any(step.intent for step in run.status.steps)
        ]


@few
@given(st.lists(MOMENTS, max_size=25))
def test_at_most_one_run_acts_on_a_target(moments: list[Moment]) -> None:
    world = World()
    for moment in moments:
        world.play(moment)

        assert len(world.active()) <= 1


@few
@given(st.lists(MOMENTS, max_size=25))
def test_nothing_is_called_while_paused(moments: list[Moment]) -> None:
    world = World()
    for moment in moments:
        world.play(moment)

    assert not [intent for _, paused, intent in world.calls if paused]


@few
@given(st.lists(MOMENTS, max_size=25))
def test_an_ended_run_never_changes_again(moments: list[Moment]) -> None:
    world = World()
    for moment in moments:
        before = world.runs[moment.run].status
        world.play(moment)

        if before.finished_at is not None:
            assert world.runs[moment.run].status == before


@few
@given(st.lists(MOMENTS, max_size=25))
def test_a_run_has_no_more_steps_than_its_ladder(moments: list[Moment]) -> None:
    world = World()
    for moment in moments:
        world.play(moment)

    for run in world.runs:
        assert len(run.status.steps) <= len(run.spec.policy.ladder)


@few
@given(st.lists(MOMENTS, max_size=25))
def test_deciding_again_for_a_held_or_ended_run_changes_nothing(moments: list[Moment]) -> None:
    world = World()
    for moment in moments:
        world.play(moment)
        run = world.runs[moment.run]
        view = seen(run, pauses=Pauses(everywhere="Stopped."), others=world.others(run))
        first = episode.decide(view, ACTIONS, world.now)
        again = replace(view, run=run.model_copy(update={"status": first.status}))

        if first.status.finished_at is not None or first.status.phase == "Held":
            assert episode.decide(again, ACTIONS, world.now).status == first.status


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3))
def test_an_empty_selector_never_acts(labels: dict[str, str]) -> None:
    target: episodes.Object = {"kind": "Workload", "selector": {"matchLabels": {}}}
    workload = episodes.a_workload()
    workload["metadata"]["labels"] = labels
    view = seen(a_run(policy=a_policy(target=target)), sighting=a_sighting(workload=workload))

    plan = episode.decide(view, ACTIONS, NOW)

    assert plan.call is None
    assert plan.status.phase == "Skipped"
