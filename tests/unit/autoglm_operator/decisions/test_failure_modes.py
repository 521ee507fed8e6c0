"""Failure modes that other healers were seen to have, where pure decisions rule them out.

Each test carries the name of its mode; those that take processes and an API server are in
tests/integration/healing/test_failure_modes.py; tests/failure_modes.py lists all twenty.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from autoglm_api import labels
from autoglm_api.conditions import ConditionType, Reason
from autoglm_api.healingguards import Window
from autoglm_api.healingpolicy import HealingTarget, LabelSelector, TargetKind, ThresholdRange
from autoglm_api.healingrun import (
    HealingRun,
    HealingRunStatus,
    LeaseState,
    StepOutcome,
    StepRecord,
)
from autoglm_operator.actions.isolatenode import IsolateNode
from autoglm_operator.actions.scaleout import ScaleOut
from autoglm_operator.decisions import (
    deadman,
    episode,
    isolation,
    journal,
    leases,
    metricchecks,
    target,
    windows,
)
from autoglm_operator.decisions.deadman import Pulse
from autoglm_operator.decisions.healing import Denial, Pauses, Sighting
from autoglm_operator.decisions.surroundings import AlertNews, Load
from autoglm_operator.reconcilers.ledger import RunLedger
from episodes import (
    ACTIONS,
    NOW,
    Object,
    a_pod,
    a_policy,
    a_run,
    a_sighting,
    seen,
    stamp,
)
from isolations import a_look, a_record, a_step, a_worker, an_intent, isolated
from played_runs import FAILURE, HEALED, LOST, STILL_SICK, Healer

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def after(healer: Healer, run: HealingRun, **policy: object) -> Healer:
    """Another run for the same target, after what another one did."""
    ledger = RunLedger()
    ledger.note(healer.run)
    view = seen(run, policy=a_policy(**policy))
    key = target.resolve(run, view.sighting)
    assert not isinstance(key, Denial)
    load = ledger.usage.load(run.metadata.uid, key.key, "p-1", healer.now)
    others = ledger.others(key.key, run.metadata.uid)
    later = Healer(run=run, now=healer.now)
    return later.look(others=others, load=replace(load, matching=100), policy=a_policy(**policy))


def test_05_changed_labels_are_still_the_same_target() -> None:
    """Healing changes the pod's name; the next alert finds the workload all the same."""
    first = Healer().look()
    newer = a_pod("web-3", ready=False, restarts=2)
    run = a_run(name="crash-2", labels={"namespace": "team-a", "pod": "web-3"})
    ledger = RunLedger()
    ledger.note(first.run)
    sighting = a_sighting(newer)
    plan = episode.decide(
        seen(run, sighting=sighting, others=ledger.others(sighting.key, run.metadata.uid)),
        ACTIONS,
        NOW + timedelta(minutes=1),
    )
    assert plan.call is None
    assert plan.status.conditions[-1].reason == Reason.DUPLICATE


@pytest.mark.parametrize("how", ["inconclusive", "failed", "lost"])
def test_06_an_inconclusive_outcome_bypasses_no_brake(how: str) -> None:
    """Whatever came of an action, it counts for cooldown and budget."""
    outcome = {"inconclusive": None, "failed": FAILURE, "lost": LOST}[how]
    healer = Healer() if outcome is None else Healer(outcome=outcome)
    healer.look()
    if outcome is None:
        healer.after(minutes=5).look(STILL_SICK)
    run = a_run(name="crash-2")

    ended = healer.run.status.model_copy(update={"finished_at": healer.now})
    healer.run = healer.run.model_copy(update={"status": ended})

    cooled = after(healer, run)
    assert (cooled.phase, cooled.calls) == ("Held", 0)
    assert cooled.reason(ConditionType.PROGRESSING) == Reason.COOLDOWN_RUNNING
    counted = after(healer, run, guards={"cooldown": "0s", "maxRunsPerHour": 1})
    assert (counted.phase, counted.calls) == ("Held", 0)
    assert counted.reason(ConditionType.PROGRESSING) == Reason.BUDGET_EXHAUSTED


def test_06_a_benign_outcome_does_not_loop() -> None:
    """A run that ended plans nothing, however often it is looked at."""
    healer = Healer().look().after(seconds=10).look(HEALED).after(seconds=60).look(HEALED)
    for _ in range(5):
        healer.after(minutes=10).look(STILL_SICK)
    assert (healer.phase, healer.calls) == ("Succeeded", 1)


@pytest.mark.parametrize("firing", [True, False, None])
def test_07_verification_does_not_wait_for_the_alert_to_decay(firing: bool | None) -> None:
    """Health is judged by state: an alert that lingers fails nothing, a gone one heals nothing."""
    news = AlertNews(firing=firing)
    healed = Healer().look().after(seconds=10).look(HEALED, news=news)
    assert healed.after(seconds=60).look(HEALED, news=news).phase == "Succeeded"
    sick = Healer().look().after(minutes=4).look(STILL_SICK, news=news)
    assert sick.phase == "Verifying"
    assert sick.after(minutes=1).look(STILL_SICK, news=news).phase == "Running"


def test_08_after_a_storm_nothing_is_repaired_from_old_news() -> None:
    """What waited through a storm looks at its target and its alert anew before it acts."""
    storm = Load(unhealthy=9, matching=10)
    fresh, gone = AlertNews(), AlertNews(firing=False)
    leaving = a_sighting(a_pod(deletionTimestamp=stamp(NOW)))
    for sighting, news in ((None, gone), (Sighting(), fresh), (leaving, fresh)):
        healer = Healer().look(load=storm)
        assert healer.reason(ConditionType.PROGRESSING) == Reason.STORM
        healer.after(minutes=5).look(sighting, news=news)
        assert (healer.phase, healer.calls) == ("Skipped", 0)


def test_09_a_gate_admits_no_batch_at_once() -> None:
    """Twenty runs pass a gate with room for one: one of them does."""
    ledger, calls = RunLedger(), 0
    policy = a_policy(guards={"storm": {"maxUnhealthy": "100%"}})
    for number in range(20):
        run = a_run(name=f"crash-{number}")
        key = f"target-{number}"
        load = ledger.usage.load(run.metadata.uid, key, "p-1", NOW)
        view = seen(
            run,
            policy=policy,
            sighting=replace(a_sighting(), key=key),
            load=replace(load, matching=100),
        )
        plan = episode.decide(view, ACTIONS, NOW)
        ledger.note(run.model_copy(update={"status": plan.status}))
        calls += plan.call is not None
    assert calls == 1


@pytest.mark.parametrize(
    ("changes", "passed", "ready"),
    [
        ({"policy": None}, timedelta(), False),
        ({"pauses": Pauses(reverting=True)}, timedelta(), False),
        ({}, DAY, False),
        ({"news": AlertNews(firing=False)}, HOUR, True),
    ],
    ids=["policy deleted", "release uninstalled", "expired", "node well again"],
)
def test_10_no_cordon_and_taint_is_left_behind(
    changes: dict[str, Any], passed: timedelta, *, ready: bool
) -> None:
    """Whoever marked the node may be gone: whoever heals now takes the mark away."""
    action = IsolateNode(lambda: NOW, enabled=True)
    intent = an_intent()
    step = a_record(intent, outcome=StepOutcome.SUCCEEDED, helped=True, finished_at=NOW)
    step = step.model_copy(update={"lease": isolation.lease(a_step(), intent, NOW)})
    node = isolated(a_worker(ready=ready))
    node["status"]["conditions"][0]["lastTransitionTime"] = stamp(NOW)
    view = a_look(node)
    run = view.run.model_copy(
        update={"status": HealingRunStatus(steps=(step,), finished_at=NOW)},
    )
    assert leases.needs_care(run)
    assert leases.due(replace(view, run=run), step, action, NOW) is None, "it stands for now"

    due = leases.due(replace(view, run=run, **changes), step, action, NOW + passed)

    assert due is not None
    assert step.lease is not None
    lease = leases.lease_of(run, step.lease)
    node["metadata"]["annotations"] = {labels.LEASE: lease.mark.text()}
    back = leases.way_back(lease, node, action, due)
    assert (back.ended, back.value) == (None, "")


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(ready=False, creationTimestamp=stamp(NOW)),
        a_pod(ready=False, deletionTimestamp=stamp(NOW)),
    ],
    ids=["a successor of the same name", "on its way out"],
)
def test_11_stale_state_is_not_acted_on(pod: Object) -> None:
    """What the alert was about is there no more, though something of its name is."""
    for held in (False, True):
        healer = Healer()
        if held:
            healer.look(dead_man="No Watchdog.").after(minutes=5)
        healer.look(a_sighting(pod))
        assert (healer.phase, healer.calls) == ("Skipped", 0)
        assert healer.reason(ConditionType.PROGRESSING) == Reason.TARGET_CHANGED


def test_12_an_empty_selector_means_nothing_and_not_everything() -> None:
    others: list[Object] = [{"labels": {"app": "web"}}, {"labels": {}}, {}]
    for empty in ({}, {"app": ""}):
        healing = HealingTarget.model_construct(
            kind=TargetKind.WORKLOAD, selector=LabelSelector.model_construct(match_labels=empty)
        )
        for other in others:
            assert not target.is_selected(healing, {"metadata": other})
    with pytest.raises(ValidationError):
        LabelSelector.model_validate({})


def test_13_a_lost_resolved_does_not_fire_forever() -> None:
    """Whether or not somebody said that the alert is over, a run that waits ends."""
    told = Healer().look(dead_man="No Watchdog.").after(seconds=15)
    assert told.look(news=AlertNews(firing=False)).phase == "Skipped"
    untold = Healer().look(dead_man="No Watchdog.").after(hours=1).look(dead_man="No Watchdog.")
    assert untold.phase == "Skipped"
    assert untold.reason(ConditionType.PROGRESSING) == Reason.MAX_WAIT_PASSED


def test_16_missing_monitoring_data_is_no_recovery() -> None:
    metrics = [{"name": "error-ratio", "thresholdRange": {"max": 0.05}}]
    policy = a_policy(verify={"stabilization": "60s", "timeout": "5m", "metrics": metrics})
    healer = Healer(run=a_run(policy=policy)).look(policy=policy)
    healer.after(minutes=2).look(HEALED, policy=policy)
    healer.after(minutes=3).look(HEALED, policy=policy)
    assert healer.phase == "Running"
    assert healer.run.status.steps[0].helped is False


@pytest.mark.parametrize("samples", [None, []], ids=["no answer", "an empty answer"])
def test_16_missing_monitoring_data_is_no_good_reading(samples: list[float] | None) -> None:
    """A Prometheus that was asked and knows nothing does not vouch for the target."""
    metrics = [{"name": "error-ratio", "thresholdRange": {"max": 0.05}}]
    policy = a_policy(verify={"stabilization": "60s", "timeout": "5m", "metrics": metrics})
    query = metricchecks.Query("error-ratio", "", ThresholdRange(max=0.05))
    for known, phase in ((samples, "Running"), ([0.01], "Succeeded")):
        readings = (metricchecks.reading(query, known),)
        healer = Healer(run=a_run(policy=policy)).look(policy=policy)
        healer.after(minutes=2).look(HEALED, policy=policy, readings=readings)
        healer.after(minutes=3).look(HEALED, policy=policy, readings=readings)
        assert healer.phase == phase


def test_16_no_answer_of_alertmanager_is_no_end_of_an_alert() -> None:
    healer = Healer().look(news=AlertNews(firing=None))
    assert healer.calls == 1


def test_17_a_skewed_clock_neither_freezes_nor_frees() -> None:
    """Ages are measured on our own monotonic clock; what claims to be of the future counts."""
    ahead = deadman.heard(Pulse(), NOW + HOUR, answered=True, now=NOW, moment=0.0)
    late = deadman.heard(ahead, NOW + HOUR, answered=True, now=NOW + HOUR, moment=181.0)
    three = timedelta(minutes=3)
    assert deadman.frozen(ahead, alert="Watchdog", timeout=three, moment=0.0) is None
    assert deadman.frozen(late, alert="Watchdog", timeout=three, moment=181.0) is not None
    for skew in (-HOUR, HOUR):
        first = deadman.heard(Pulse(), NOW + skew, answered=True, now=NOW, moment=0.0)
        minute = timedelta(minutes=1)
        beats = NOW + skew + minute
        second = deadman.heard(first, beats, answered=True, now=NOW + minute, moment=60.0)
        assert deadman.frozen(second, alert="Watchdog", timeout=three, moment=240.0) is None
        assert deadman.frozen(second, alert="Watchdog", timeout=three, moment=241.0) is not None

    ledger = RunLedger()
    future = Healer(now=NOW + timedelta(minutes=10)).look()
    ledger.note(future.run)
    assert ledger.usage.load("other", "k", "p-1", NOW).policy.begun == 1


def test_17_a_window_is_as_long_when_the_clocks_are_changed() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    night = Window.model_validate(
        {"schedule": "0 1 * * *", "duration": "3h", "timeZone": "Europe/Berlin"}
    )
    for day in (datetime(2026, 3, 29, 1, tzinfo=berlin), datetime(2026, 10, 25, 1, tzinfo=berlin)):
        start = datetime.fromtimestamp(day.timestamp(), ZoneInfo("UTC"))
        open_ = [windows.is_open((night,), start + timedelta(minutes=m)) for m in range(-1, 181)]
        assert open_ == [False, *[True] * 180, False]


def test_18_an_escalated_run_keeps_no_finalizer_longer_than_its_change() -> None:
    """A change that did not help is undone at once, and nothing else keeps the run."""
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "deployment-web"}
    step = StepRecord.model_validate(
        {
            "action": "ScaleOut",
            "intent": {"verb": "Scale", "object": web, "replicas": 4},
            "startedAt": NOW,
            "finishedAt": NOW,
            "outcome": "Succeeded",
            "helped": False,
            "lease": {
                "object": web,
                "field": "replicas",
                "previous": "2",
                "value": "4",
                "expires": NOW + HOUR,
            },
        }
    )
    escalated = HealingRunStatus(steps=(step,), finished_at=NOW)
    run = a_run(escalated)
    assert leases.needs_care(run)
    due = leases.due(seen(run), step, ScaleOut(), NOW)
    assert due is not None
    assert due.at_once

    undone = journal.lease_ended(escalated, 0, LeaseState.REVERTED, "Undone.", NOW)
    assert not leases.needs_care(a_run(undone))
