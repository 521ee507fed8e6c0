"""Whatever many runs of several policies meet: budgets hold, and one target has one healer."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_api.conditions import Reason
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import HealingRun
from autoglm_operator.decisions import episode, journal
from autoglm_operator.decisions.healing import Outcome, OutcomeKind, Plan, Seen, Sighting
from autoglm_operator.decisions.surroundings import AlertNews, Budget
from autoglm_operator.reconcilers.ledger import RunLedger
from episodes import ACTIONS, NOW, a_pod, a_policy, a_run, a_sighting, seen

# A course of 40 moments costs 60 ms.
few = settings(max_examples=25, deadline=None, derandomize=True)

BUDGET = Budget(max_concurrent=2, max_runs_per_hour=4)
LIMITS = {"p-1": (1, 2), "p-2": (2, 3), "p-3": (5, 9)}
"""Of each policy: runs at the same time, runs in an hour."""
HOUR = timedelta(hours=1)
RUNS = 8

SICK = a_sighting()
FINE = replace(a_sighting(a_pod()), pods=(a_pod(), a_pod("web-2")))
OUTCOMES = [
    Outcome(OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED, "Done."),
    Outcome(OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, "Lost."),
    Outcome(OutcomeKind.UNDER_WAY, Reason.ACTION_STARTED, "Goes on."),
    Outcome(OutcomeKind.FAILED, Reason.ACTION_FAILED, "Refused."),
]


@dataclass(frozen=True)
class Moment:
    """What one look of one run may meet."""

    run: int
    seconds: int
    sighting: Sighting
    frozen: bool
    resolved: bool
    outcome: Outcome
    dies_before_the_call: bool
    new_leader: bool


MOMENTS = st.lists(
    st.builds(
        Moment,
        run=st.integers(0, RUNS - 1),
        seconds=st.sampled_from([0, 0, 1, 30, 61, 400, 1500]),
        sighting=st.sampled_from([SICK, SICK, SICK, FINE]),
        frozen=st.sampled_from([False, False, False, True]),
        resolved=st.sampled_from([False, False, False, False, True]),
        outcome=st.sampled_from(OUTCOMES),
        dies_before_the_call=st.sampled_from([False, False, True]),
        new_leader=st.sampled_from([False, False, False, True]),
    ),
    max_size=40,
)


def policy(uid: str) -> HealingPolicy:
    concurrent, hourly = LIMITS[uid]
    guards = {
        "cooldown": "0s",
        "maxWait": "24h",
        "maxConcurrent": concurrent,
        "maxRunsPerHour": hourly,
        "storm": {"maxUnhealthy": "100%"},
    }
    built = a_policy(guards=guards)
    return built.model_copy(update={"metadata": built.metadata.model_copy(update={"uid": uid})})


def run(number: int) -> HealingRun:
    """Runs of three policies for six targets."""
    built = a_run(name=f"crash-{number}")
    copy = built.spec.policy.model_copy(update={"uid": f"p-{number % 3 + 1}"})
    return built.model_copy(update={"spec": built.spec.model_copy(update={"policy": copy})})


@dataclass
class World:
    """All runs, and the healer's own ledger between them."""

    runs: list[HealingRun] = field(default_factory=lambda: [run(each) for each in range(RUNS)])
    ledger: RunLedger = field(default_factory=RunLedger)
    now: datetime = NOW
    calls: list[Moment] = field(default_factory=list[Moment])

    def play(self, moment: Moment) -> None:
        self.now += timedelta(seconds=moment.seconds)
        if moment.new_leader:
            self.ledger = RunLedger()
            for each in self.runs:
                self.ledger.note(each)
        view = self.view(moment)
        plan = episode.decide(view, ACTIONS, self.now)
        self.store(moment.run, plan)
        if plan.call is None or moment.dies_before_the_call:
            return
        self.calls.append(moment)
        view = replace(view, run=self.runs[moment.run])
        self.store(moment.run, episode.after_call(plan, view, moment.outcome, self.now))

    def view(self, moment: Moment) -> Seen:
        looked_at = self.runs[moment.run]
        uid = looked_at.spec.policy.uid
        key = f"target-{moment.run % 6}"
        load = self.ledger.usage.load(looked_at.metadata.uid, key, uid, self.now)
        return seen(
            looked_at,
            sighting=replace(moment.sighting, key=key),
            policy=policy(uid),
            others=self.ledger.others(key, looked_at.metadata.uid),
            load=replace(load, matching=100),
            budget=BUDGET,
            dead_man="No Watchdog." if moment.frozen else None,
            news=AlertNews(firing=not moment.resolved),
        )

    def store(self, index: int, plan: Plan) -> None:
        self.runs[index] = self.runs[index].model_copy(update={"status": plan.status})
        self.ledger.note(self.runs[index])

    def acting(self) -> list[HealingRun]:
        return [each for each in self.runs if journal.is_acting(each.status)]

    def begun(self) -> list[tuple[str, datetime]]:
        """Policy and moment of the first call of every run that made one."""
        return [
            (each.spec.policy.uid, next(s.started_at for s in each.status.steps if s.intent))
            for each in self.runs
            if journal.has_begun(each.status)
        ]


def most_in_an_hour(moments: Iterable[datetime]) -> int:
    known = sorted(moments)
    return max((sum(start - HOUR < each <= start for each in known) for start in known), default=0)


@few
@given(MOMENTS)
def test_no_more_act_at_a_time_than_policies_and_the_cluster_allow(moments: list[Moment]) -> None:
    world = World()
    for moment in moments:
        world.play(moment)
        acting = [each.spec.policy.uid for each in world.acting()]
        assert len(acting) <= BUDGET.max_concurrent
        for uid, (concurrent, _) in LIMITS.items():
            assert acting.count(uid) <= concurrent


@few
@given(MOMENTS)
def test_no_more_begin_in_an_hour_than_policies_and_the_cluster_allow(
    moments: list[Moment],
) -> None:
    world = World()
    for moment in moments:
        world.play(moment)
    begun = world.begun()
    assert most_in_an_hour(at for _, at in begun) <= BUDGET.max_runs_per_hour
    for uid, (_, hourly) in LIMITS.items():
        assert most_in_an_hour(at for each, at in begun if each == uid) <= hourly


@few
@given(MOMENTS)
def test_a_target_has_one_healer_at_a_time(moments: list[Moment]) -> None:
    world = World()
    for moment in moments:
        world.play(moment)
        keys = [each.status.target.key for each in world.acting() if each.status.target]
        assert len(keys) == len(set(keys))


@few
@given(MOMENTS)
def test_nothing_is_called_while_alerting_is_dead(moments: list[Moment]) -> None:
    world = World()
    for moment in moments:
        world.play(moment)
    assert not [call for call in world.calls if call.frozen]


@few
@given(MOMENTS)
def test_a_run_that_never_acted_ends_when_its_alert_does(moments: list[Moment]) -> None:
    world = World()
    for moment in moments:
        before = world.runs[moment.run].status
        world.play(moment)
        after = world.runs[moment.run].status
        if moment.resolved and not journal.has_acted(before):
            assert after.finished_at is not None
            assert not journal.has_acted(after)


@few
@given(MOMENTS)
def test_deciding_again_after_the_end_plans_nothing(moments: list[Moment]) -> None:
    world = World()
    for moment in moments:
        world.play(moment)
    for number, ended in enumerate(world.runs):
        if ended.status.finished_at is not None:
            view = world.view(replace(moments[-1], run=number))
            assert episode.decide(view, ACTIONS, world.now) == Plan(status=ended.status)


@few
@given(MOMENTS)
def test_budgets_are_used_and_not_only_kept(moments: list[Moment]) -> None:
    """A run that nothing stands against acts, so the properties above are about something."""
    world = World()
    for moment in moments:
        idle = not world.acting() and not world.begun()
        fresh = not world.runs[moment.run].status.steps
        ended = world.runs[moment.run].status.finished_at is not None
        world.play(moment)
        stands_against = moment.frozen or moment.resolved or moment.sighting is FINE
        if idle and fresh and not ended and not stands_against:
            older = [
                each
                for each in world.runs[: moment.run]
                if each.status.finished_at is None and each.status.target is not None
            ]
            assert world.begun() or older
