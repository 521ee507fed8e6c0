"""What holds a run because of the time, of silences, or because nobody knows what is true."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from autoglm_api.conditions import Reason
from autoglm_api.healingrun import AlertSource, HealingRun, Intent
from autoglm_operator.decisions import episode, guards
from autoglm_operator.decisions.guards import Case, ending, holding
from autoglm_operator.decisions.healing import Denial, OutcomeKind, Pauses, Sighting
from autoglm_operator.decisions.surroundings import AlertNews, Load
from episodes import ACTIONS, NOW, a_policy, a_run, seen
from played_runs import LOST, STILL_SICK, Healer

NOTHING = Denial(Reason.TARGET_GONE, "Nothing to do.")
NIGHT = [{"schedule": "0 22 * * *", "duration": "2h"}]
NOON = [{"schedule": "0 12 * * *", "duration": "2h"}]


def a_case(**changes: Any) -> Case:  # noqa: ANN401 - any field of Seen
    view = replace(seen(), **changes)
    return Case(seen=view, target=NOTHING, intended=NOTHING, now=NOW)


def reason_of(denial: Denial | None) -> Reason | None:
    return None if denial is None else denial.reason


def test_waits_for_a_window() -> None:
    shut, open_ = (a_policy(guards={"windows": each}) for each in (NIGHT, NOON))
    denial = holding.outside_window(a_case(policy=shut))
    assert reason_of(denial) is Reason.OUTSIDE_WINDOW
    assert denial is not None
    assert '"0 22 * * *" UTC for 2h' in denial.message
    assert holding.outside_window(a_case(policy=open_)) is None
    assert holding.outside_window(a_case(policy=None)) is None


def test_waits_while_the_alert_is_silenced() -> None:
    by_jane = AlertNews(firing=True, silence="jane (upgrade)")
    denial = holding.silenced(a_case(news=by_jane))
    assert reason_of(denial) is Reason.SILENCED
    assert denial is not None
    assert "jane (upgrade)" in denial.message
    ignoring = a_policy(guards={"silences": "Ignore"})
    assert holding.silenced(a_case(news=by_jane, policy=ignoring)) is None
    assert holding.silenced(a_case(news=AlertNews(firing=True))) is None
    assert holding.silenced(a_case(news=by_jane, policy=None)) is None


def test_waits_while_nobody_knows_what_is_true() -> None:
    assert reason_of(holding.dead_man(a_case(dead_man="No Watchdog."))) is Reason.DEAD_MAN
    assert holding.dead_man(a_case()) is None


def test_waits_while_somebody_else_maintains_the_node() -> None:
    denial = holding.node_leased(a_case(node_lease="node-maintenance holds it."))
    assert denial == Denial(Reason.NODE_LEASED, "node-maintenance holds it.")
    assert holding.node_leased(a_case()) is None


def test_ends_when_the_alert_fires_no_more() -> None:
    assert reason_of(ending.alert_resolved(a_case(news=AlertNews(firing=False)))) is (
        Reason.ALERT_RESOLVED
    )
    for firing in (True, None):
        assert ending.alert_resolved(a_case(news=AlertNews(firing=firing))) is None


def test_an_event_does_not_end_because_alertmanager_never_heard_of_it() -> None:
    run = a_run()
    alert = run.spec.alert.model_copy(update={"source": AlertSource.EVENT})
    spec = run.spec.model_copy(update={"alert": alert})
    event = run.model_copy(update={"spec": spec})
    assert ending.alert_resolved(a_case(run=event, news=AlertNews(firing=False))) is None


def test_an_alert_that_an_eviction_resolved_does_not_end_the_ladder() -> None:
    healer = Healer().look().after(minutes=5).look(STILL_SICK)
    case = a_case(run=healer.run, news=AlertNews(firing=False))
    assert ending.alert_resolved(case) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"dead_man": "No Watchdog."},
        {"policy": a_policy(guards={"windows": NIGHT})},
        {"news": AlertNews(silence="jane")},
        {"policy": a_policy(mode="Approve")},
        {"policy_problem": Denial(Reason.SCHEDULE_INVALID, "No cron.")},
    ],
    ids=["dead-man", "window", "silence", "approval", "unusable"],
)
def test_a_call_that_was_perhaps_never_made_is_held(changes: dict[str, Any]) -> None:
    begun = replace(seen(), run=begun_run())
    plan = episode.decide(replace(begun, **changes), ACTIONS, NOW)
    assert plan.call is None
    assert plan.status.phase == "Held"
    assert episode.decide(begun, ACTIONS, NOW).call is not None


def test_a_call_that_goes_on_is_not_left_alone_by_a_window() -> None:
    healer = Healer(outcome=replace(LOST, kind=OutcomeKind.UNDER_WAY)).look()
    shut = a_policy(guards={"windows": NIGHT})
    plan = episode.decide(seen(healer.run, policy=shut), ACTIONS, NOW)
    assert plan.call is not None


def test_in_a_crowd_the_next_look_is_soon() -> None:
    for load, soon in (
        (Load(unhealthy=2, unresolved=1, matching=2), True),
        (Load(unhealthy=2), True),
        (Load(unhealthy=2, matching=2), False),
    ):
        plan = episode.decide(seen(load=load), ACTIONS, NOW)
        assert plan.status.phase == "Held"
        assert plan.requeue_after == (episode.CROWDED if soon else episode.HELD)


@pytest.mark.parametrize(
    ("intent", "text"),
    [
        ({"verb": "Scale", "replicas": 4}, "scaled to 4 replicas"),
        (
            {"verb": "RaiseBounds", "minReplicas": 2, "maxReplicas": 8},
            "given minReplicas 2 and maxReplicas 8",
        ),
        ({"verb": "RaiseBounds", "maxReplicas": 8}, "given maxReplicas 8"),
        ({"verb": "Drain"}, "drained"),
    ],
)
def test_a_dry_run_says_what_would_be_done(intent: dict[str, Any], text: str) -> None:
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u"}
    told = ending.would(Intent.model_validate({"object": web, **intent}))
    assert told == f"Deployment web would be {text}"


def test_everything_that_holds_is_asked_in_its_order() -> None:
    names = [guard.__name__ for guard in guards.HOLDING]
    assert names == [
        "admission_missing",
        "policy_unusable",
        "paused_everywhere",
        "paused_in_namespace",
        "paused_by_policy",
        "sicker_pod_first",
        "dead_man",
        "outside_window",
        "silenced",
        "cooldown_running",
        "policy_busy",
        "policy_spent",
        "cluster_busy",
        "cluster_spent",
        "nodes_busy",
        "storm",
        "node_leased",
        "approval_unproven",
        "approval_missing",
    ]


def begun_run() -> HealingRun:
    return a_run(episode.decide(seen(), ACTIONS, NOW - timedelta(seconds=5)).status)


def test_held_runs_are_looked_at_less_often_the_more_of_them_wait() -> None:
    paused = replace(seen(), pauses=Pauses(everywhere="Maintenance."))
    plan = episode.decide(paused, ACTIONS, NOW)

    pauses = [episode.spread(plan, held).requeue_after for held in (1, 300, 301, 10_000)]

    assert pauses == [timedelta(seconds=seconds) for seconds in (15, 15, 15.05, 500)]


def test_a_storm_delays_neither_a_call_nor_a_verification() -> None:
    calling, healer = Healer(outcome=LOST).look(), Healer().look()
    assert calling.plan.requeue_after == episode.UNCLEAR
    for plan in (calling.plan, healer.plan, healer.look(STILL_SICK).plan):
        assert plan.requeue_after is not None
        assert episode.spread(plan, 10_000) == plan


def test_nothing_is_put_off_that_has_ended() -> None:
    ended = episode.decide(seen(sighting=Sighting()), ACTIONS, NOW)

    assert ended.requeue_after is None
    assert episode.spread(ended, 10_000) == ended
