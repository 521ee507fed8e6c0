"""A HealingRun about a node or a claim, from its first look to its end and to the undoing."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import episodes
from autoglm_api.conditions import ConditionType, Reason, find_condition
from autoglm_api.healingladder import ActionName
from autoglm_api.healingpolicy import Mode
from autoglm_api.healingrun import HealingRun, LeaseState, StepOutcome
from autoglm_operator.actions.isolatenode import IsolateNode
from autoglm_operator.actions.notify import Notify
from autoglm_operator.clients.notices import Delivery
from autoglm_operator.decisions import episode, leases, news, notices, target
from autoglm_operator.decisions.healing import Actions, Fleet, Outcome, OutcomeKind, Plan, Seen
from autoglm_operator.decisions.surroundings import AlertNews
from episodes import NOW, Object, a_claim, a_policy, a_run, a_workload
from isolations import (
    a_fleet,
    a_look,
    a_node_policy,
    a_step,
    a_worker,
    isolated,
    web,
)


class NobodyThere:
    """A poster that is never asked."""

    async def post(
        self, url: str, body: dict[str, Any], *, namespace: str, key: str, ca: str | None = None
    ) -> Delivery:
        raise AssertionError((url, body, namespace, key, ca))


ACTION = IsolateNode(lambda: NOW, enabled=True)
ACTIONS: Actions = {
    ActionName.ISOLATE_NODE: ACTION,
    ActionName.NOTIFY: Notify(NobodyThere()),
}
DRAINING = Outcome(
    OutcomeKind.UNDER_WAY, Reason.DRAIN_BLOCKED, "Node node1 is not empty yet: pod team-a/web-1."
)
DONE = Outcome(OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED, "Node node1 is drained.")
NODE = isolated(a_worker())
MOVED = Fleet(
    nodes=(NODE,),
    pods=(web("node2", "web-2"), web("node3", "web-3")),
    workloads=(a_workload(),),
)
SICK = replace(MOVED, pods=MOVED.pods[:1])


POLICY = a_node_policy(
    a_step(drainTimeout="2h"),
    verify={"stabilization": "30s", "timeout": "5m"},
    guards={"maxWait": "1h"},
)


@dataclass
class Course:
    """One run over time."""

    run: HealingRun = field(default_factory=lambda: a_run(policy=POLICY, labels={"node": "node1"}))
    now: datetime = NOW
    plan: Plan | None = None

    def look(self, node: Object, fleet: Fleet, outcome: Outcome | None = None) -> "Course":
        view = replace(a_look(node, fleet), run=self.run, policy=POLICY)
        self.plan = episode.decide(view, ACTIONS, self.now)
        self.run = self.run.model_copy(update={"status": self.plan.status})
        if self.plan.call is not None and outcome is not None:
            view = replace(view, run=self.run)
            self.plan = episode.after_call(self.plan, view, outcome, self.now)
            self.run = self.run.model_copy(update={"status": self.plan.status})
        return self

    def after(self, **time: float) -> "Course":
        self.now += timedelta(**time)
        return self


def test_a_drain_goes_on_until_the_node_is_empty_and_its_workloads_are_back() -> None:
    course = Course().look(a_worker(), a_fleet(), DRAINING)
    step = course.run.status.steps[0]
    assert (step.outcome, course.run.status.phase) == (None, "Running")
    assert step.lease is not None
    assert step.lease.state is LeaseState.HELD

    course.after(seconds=10).look(NODE, SICK)
    course.after(seconds=5).look(NODE, SICK).after(seconds=5).look(NODE, MOVED)
    course.after(seconds=30).look(NODE, MOVED)

    (step,) = course.run.status.steps
    assert (step.outcome, step.helped) == (StepOutcome.SUCCEEDED, True)
    assert course.run.status.phase == "Succeeded"
    assert step.before is not None
    assert step.before.node is not None
    assert step.before.node.pods == 1
    assert step.after is not None
    assert step.after.node is not None
    assert step.after.node.recovery_seconds == 20


def test_a_drain_may_take_longer_than_runs_are_held() -> None:
    course = Course().look(a_worker(), a_fleet(), DRAINING)

    course.after(minutes=90).look(NODE, a_fleet(NODE), DRAINING)

    assert course.run.status.steps[0].outcome is None


def test_when_its_time_passes_the_pods_in_the_way_are_named_and_all_is_undone() -> None:
    course = Course().look(a_worker(), a_fleet(), DRAINING)

    course.after(hours=2).look(NODE, a_fleet(NODE))

    (step,) = course.run.status.steps
    assert (step.outcome, step.reason) == (StepOutcome.FAILED, Reason.DRAIN_BLOCKED)
    assert step.message == DRAINING.message
    due = leases.due(a_seen(course.run), step, ACTION, course.now)
    assert due is not None
    assert due.at_once


def a_seen(run: HealingRun, node: Object = NODE, **changes: Any) -> Seen:  # noqa: ANN401 - any field
    return replace(a_look(node), run=run, **changes)


def test_what_does_not_come_up_elsewhere_is_undone() -> None:
    course = Course().look(a_worker(), a_fleet(), DONE)

    course.after(minutes=5).look(NODE, SICK)

    (step,) = course.run.status.steps
    assert step.helped is False
    assert leases.due(a_seen(course.run), step, ACTION, course.now) is not None


def healed() -> Course:
    course = Course().look(a_worker(), a_fleet(), DONE)
    return course.after(seconds=5).look(NODE, MOVED).after(seconds=30).look(NODE, MOVED)


def well_since(moment: datetime) -> Object:
    node = isolated(a_worker())
    node["status"]["conditions"][0]["lastTransitionTime"] = episodes.stamp(moment)
    return node


def test_an_isolation_that_helped_stands_until_the_node_was_well_for_long_enough() -> None:
    course = healed()
    (step,) = course.run.status.steps
    node = well_since(course.now)

    early = leases.due(a_seen(course.run, node), step, ACTION, course.now + timedelta(minutes=14))
    late = leases.due(a_seen(course.run, node), step, ACTION, course.now + timedelta(minutes=15))

    assert early is None
    assert late is not None
    lease = leases.lease_of(course.run, step.lease) if step.lease else None
    assert lease is not None
    marked = well_since(course.now)
    marked["metadata"]["annotations"] = {"autoglm.io/lease": lease.mark.text()}
    assert leases.way_back(lease, marked, ACTION, late).value == ""


def test_an_alert_that_still_fires_keeps_the_node_isolated() -> None:
    course = healed()
    (step,) = course.run.status.steps
    seen = a_seen(course.run, well_since(course.now), news=AlertNews(firing=True))

    assert leases.due(seen, step, ACTION, course.now + timedelta(hours=1)) is None


def test_an_isolation_ends_at_last_though_the_node_is_down() -> None:
    course = healed()
    (step,) = course.run.status.steps
    down = isolated(a_worker(ready=False))

    assert leases.due(a_seen(course.run, down), step, ACTION, NOW + timedelta(hours=5)) is None
    assert leases.due(a_seen(course.run, down), step, ACTION, NOW + timedelta(hours=6)) is not None


def test_a_mark_that_somebody_took_away_is_theirs() -> None:
    course = healed()
    (step,) = course.run.status.steps
    assert step.lease is not None
    lease = leases.lease_of(course.run, step.lease)
    due = leases.Due(at_once=True, why="it did not help")

    cordoned = leases.way_back(lease, a_worker(unschedulable=True), ACTION, due)
    others = leases.way_back(lease, isolated(a_worker(), "crash-9"), ACTION, due)

    assert cordoned.ended is LeaseState.REVERTED
    assert others.ended is LeaseState.LOST


def test_who_else_maintains_the_node_is_waited_for() -> None:
    view = replace(a_look(), node_lease="Node node1 is maintained by node-maintenance.")

    plan = episode.decide(view, ACTIONS, NOW)

    assert (plan.call, plan.status.phase) == (None, "Held")
    refused = Outcome(OutcomeKind.RETRYABLE, Reason.NODE_LEASED, "Node node1 is maintained.")
    begun = episode.decide(a_look(), ACTIONS, NOW)
    later = episode.after_call(begun, a_look(), refused, NOW)
    assert later.requeue_after == episode.HELD


def test_events_about_a_node_lie_in_no_namespace() -> None:
    plan = episode.decide(a_look(), ACTIONS, NOW)
    run = a_look().run.model_copy(update={"status": plan.status})

    (told,) = news.between(a_look().run.status, run)

    assert told.also == (
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1", "uid": "node-node1"}},
    )


CLAIM_POLICY = a_policy(
    target={"kind": "PersistentVolumeClaim", "selector": {"matchLabels": {"app": "web"}}},
    ladder=[{"action": "Notify"}],
    notify=[{"type": "Slack", "slack": {"urlSecretRef": {"name": "hook", "key": "url"}}}],
)
OFFER = "The volume of PersistentVolumeClaim data-store-0 can grow from 1Gi to 2Gi: kubectl patch"


def about_a_claim(**changes: Any) -> Seen:  # noqa: ANN401 - any field of Seen
    policy = changes.pop("policy", CLAIM_POLICY)
    sighting = replace(target.sighted([a_claim()]), storage_class={"allowVolumeExpansion": True})
    run = a_run(policy=policy, labels={"persistentvolumeclaim": "data-store-0"})
    return episodes.seen(run, policy=policy, sighting=sighting, **changes)


def test_a_notice_about_a_claim_carries_the_offer() -> None:
    view = about_a_claim()

    plan = episode.decide(view, ACTIONS, NOW)

    run = view.run.model_copy(update={"status": plan.status})
    assert OFFER in notices.text(run)
    sent = Outcome(OutcomeKind.SUCCEEDED, Reason.NOTIFIED, "Told 1 of 1 places.")
    plan = episode.after_call(plan, view, sent, NOW)
    ended = episode.decide(
        replace(view, run=view.run.model_copy(update={"status": plan.status})), ACTIONS, NOW
    )
    found = find_condition(ended.status.conditions, ConditionType.SUCCEEDED)
    assert (ended.status.phase, found is not None and OFFER in found.message) == ("Escalated", True)


def test_a_dry_run_about_a_claim_offers_as_well() -> None:
    policy = CLAIM_POLICY.model_copy(
        update={"spec": CLAIM_POLICY.spec.model_copy(update={"mode": Mode.DRY_RUN})}
    )

    plan = episode.decide(about_a_claim(policy=policy), ACTIONS, NOW)

    found = find_condition(plan.status.conditions, ConditionType.ACCEPTED)
    assert found is not None
    assert (plan.status.phase, OFFER in found.message) == ("Skipped", True)


def test_a_run_without_steps_has_no_offer_to_tell() -> None:
    assert "kubectl" not in notices.text(about_a_claim().run)
