"""Each guard denies for its own reason and for nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

import episodes
from autoglm_api.conditions import Reason
from autoglm_api.healingrun import HealingRunStatus, StepRecord
from autoglm_operator.decisions import guards, target
from autoglm_operator.decisions.guards import Case, ending, holding
from autoglm_operator.decisions.healing import Denial, Pauses, Seen, Sighting
from episodes import NOW, OLDER, a_policy, a_run, a_sighting, another_run, seen


def a_case(look: Seen, *, minutes: float = 0) -> Case:
    now = NOW + timedelta(minutes=minutes)
    action = episodes.ACTIONS[look.run.spec.policy.ladder[0].action]
    intended = action.plan(look.run.spec.policy.ladder[0], look, now)
    found = look.run.status.target or target.resolve(look.run, look.sighting)
    return Case(seen=look, target=found, intended=intended, now=now)


def a_begun_run(**changes: object) -> HealingRunStatus:
    found = target.resolve(a_run(), a_sighting())
    step = StepRecord.model_validate({"action": "Restart", "startedAt": episodes.stamp(NOW)})
    return HealingRunStatus.model_validate({"target": found, "steps": [step], **changes})


def with_known_target(look: Seen) -> Seen:
    found = target.resolve(a_run(), a_sighting())
    run = look.run.model_copy(update={"status": HealingRunStatus.model_validate({"target": found})})
    return replace(look, run=run)


def about_a_node(*, trusted: bool, uid: str = "node-node1") -> Seen:
    spec = {"kind": "Node", "selector": {"matchLabels": {"pool": "gpu"}}}
    policy = a_policy(target=spec)
    run = a_run(policy=policy, labels={"node": "node1", "namespace": "monitoring"})
    known = target.resolve(run, target.sighted([episodes.a_node()]))
    assert not isinstance(known, Denial)
    return seen(
        run.model_copy(update={"status": HealingRunStatus(target=known)}),
        policy=policy,
        sighting=target.sighted([episodes.a_node(uid=uid)]),
        trusted_namespaces=frozenset({"team-a"} if trusted else ()),
    )


@dataclass(frozen=True)
class Scene:
    look: Callable[[], Seen]
    reason: Reason | None
    minutes: float = 0


SCENES = {
    "acts when nothing stands against it": Scene(seen, None),
    "ends when the policy is deleted": Scene(
        lambda: replace(seen(), policy=None), Reason.POLICY_DELETED
    ),
    "ends when another policy has the name": Scene(
        lambda: seen(
            policy=a_policy().model_copy(
                update={"metadata": a_policy().metadata.model_copy(update={"uid": "p-2"})}
            )
        ),
        Reason.POLICY_DELETED,
    ),
    "ends when the pod is gone": Scene(lambda: seen(sighting=Sighting()), Reason.TARGET_GONE),
    "ends when a known target is gone": Scene(
        lambda: with_known_target(seen(sighting=Sighting())), Reason.TARGET_GONE
    ),
    "ends when the workload is gone after a step": Scene(
        lambda: seen(a_run(a_begun_run()), sighting=Sighting()), Reason.TARGET_GONE
    ),
    "ends when the alert names another namespace": Scene(
        lambda: seen(a_run(labels={"namespace": "team-b", "pod": "web-1"})),
        Reason.TARGET_NOT_ALLOWED,
    ),
    "ends in a protected namespace": Scene(
        lambda: seen(protected_namespaces=frozenset({"team-a"})), Reason.TARGET_NOT_ALLOWED
    ),
    "ends when a policy of a namespace that is not trusted names a node": Scene(
        lambda: about_a_node(trusted=False), Reason.TARGET_NOT_ALLOWED
    ),
    "acts on a node from a trusted namespace, whatever namespace the exporter has": Scene(
        lambda: about_a_node(trusted=True), None
    ),
    "ends when the node was made anew": Scene(
        lambda: about_a_node(trusted=True, uid="another"), Reason.TARGET_CHANGED
    ),
    "acts when the alert names no namespace": Scene(
        lambda: seen(a_run(labels={"pod": "web-1"})), None
    ),
    "ends when the labels do not fit": Scene(
        lambda: seen(
            a_run(policy=a_policy(target={"kind": "Pod", "selector": {"matchLabels": {"a": "b"}}}))
        ),
        Reason.TARGET_NOT_SELECTED,
    ),
    "ends when the selector is empty": Scene(
        lambda: seen(
            a_run(policy=a_policy(target={"kind": "Pod", "selector": {"matchLabels": {}}}))
        ),
        Reason.TARGET_NOT_SELECTED,
    ),
    "ends when the workload was made anew": Scene(
        lambda: with_known_target(
            seen(sighting=a_sighting(workload=_renamed(episodes.a_workload())))
        ),
        Reason.TARGET_CHANGED,
    ),
    "ends when the workload was made anew after a step": Scene(
        lambda: seen(
            a_run(a_begun_run()), sighting=a_sighting(workload=_renamed(episodes.a_workload()))
        ),
        Reason.TARGET_CHANGED,
    ),
    "ends when the pod is newer than the alert": Scene(
        lambda: seen(sighting=a_sighting(episodes.a_pod(creationTimestamp=episodes.stamp(NOW)))),
        Reason.TARGET_CHANGED,
    ),
    "ends when the pod is being deleted": Scene(
        lambda: seen(sighting=a_sighting(episodes.a_pod(deletionTimestamp=episodes.stamp(NOW)))),
        Reason.TARGET_CHANGED,
    ),
    "acts after a step although the pod is new": Scene(
        lambda: seen(
            a_run(a_begun_run()),
            sighting=a_sighting(
                episodes.a_pod(ready=False, creationTimestamp="2026-03-01T12:00:00Z")
            ),
        ),
        None,
    ),
    "acts on a workload without a pod": Scene(
        lambda: seen(
            a_run(
                labels={"namespace": "team-a", "deployment": "web"},
                policy=a_policy(
                    target={
                        "kind": "Workload",
                        "from": {"nameLabel": "deployment"},
                        "selector": {"matchLabels": {"app": "web"}},
                    }
                ),
            ),
            sighting=target.sighted([episodes.a_workload()]),
        ),
        None,
    ),
    "yields to an older open run": Scene(
        lambda: seen(others=(another_run(is_open=True),)), Reason.DUPLICATE
    ),
    "yields to a younger run that acts": Scene(
        lambda: seen(
            others=(another_run(is_open=True, begun=True, created="2027-01-01T00:00:00Z"),)
        ),
        Reason.DUPLICATE,
    ),
    "does not yield to a younger run that waits": Scene(
        lambda: seen(others=(another_run(is_open=True, created="2027-01-01T00:00:00Z"),)), None
    ),
    "does not yield to an ended run": Scene(lambda: seen(others=(another_run(begun=True),)), None),
    "only says what it would do in a dry run": Scene(
        lambda: seen(a_run(policy=a_policy(mode="DryRun"))), Reason.DRY_RUN
    ),
    "obeys a policy that became a dry run": Scene(
        lambda: seen(a_run(), policy=a_policy(mode="DryRun")), Reason.DRY_RUN
    ),
    "waits while admission is not proven": Scene(
        lambda: seen(admission_proven=False), Reason.ADMISSION_MISSING
    ),
    "waits while everything is paused": Scene(
        lambda: seen(pauses=Pauses(everywhere="Stopped.")), Reason.PAUSED
    ),
    "waits while the namespace is paused": Scene(
        lambda: seen(pauses=Pauses(namespace=True)), Reason.PAUSED
    ),
    "waits while the policy is paused": Scene(
        lambda: seen(policy=a_policy(paused=True)), Reason.PAUSED
    ),
    "waits while cooldown runs": Scene(
        lambda: seen(others=(another_run(acted_at=NOW),)), Reason.COOLDOWN_RUNNING, minutes=9
    ),
    "acts when cooldown is over": Scene(
        lambda: seen(others=(another_run(acted_at=NOW),)), None, minutes=10
    ),
    "waits for the latest of several actions": Scene(
        lambda: seen(
            others=(another_run(acted_at=NOW), another_run(name="crash-2", acted_at=OLDER))
        ),
        Reason.COOLDOWN_RUNNING,
        minutes=5,
    ),
    "does not wait for another policy's action": Scene(
        lambda: seen(others=(another_run(acted_at=NOW, policy_uid="p-9"),)), None
    ),
}


def _renamed(workload: episodes.Object) -> episodes.Object:
    workload["metadata"]["uid"] = "deployment-web-2"
    return workload


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_checklist(scene: Scene) -> None:
    case = a_case(scene.look(), minutes=scene.minutes)

    denial = guards.first_denial((*guards.ENDING, *guards.HOLDING), case)

    assert (denial.reason if denial else None) is scene.reason


def test_a_dry_run_names_the_pod_that_would_be_evicted() -> None:
    denial = guards.dry_run(a_case(seen(a_run(policy=a_policy(mode="DryRun")))))

    assert denial is not None
    assert denial.message == "Pod web-1 would be evicted; set mode: Enforce to act."


def test_a_dry_run_names_the_workload_that_would_be_rolled_out() -> None:
    policy = a_policy(mode="DryRun", ladder=[episodes.RESTART_WORKLOAD])

    denial = guards.dry_run(a_case(seen(a_run(policy=policy))))

    assert denial is not None
    assert denial.message.startswith("Deployment web would be restarted pod by pod")


def test_a_dry_run_names_a_refusal() -> None:
    bare = a_sighting(episodes.a_pod(ready=False, ownerReferences=[]))

    denial = guards.dry_run(a_case(seen(a_run(policy=a_policy(mode="DryRun")), sighting=bare)))

    assert denial is not None
    assert denial.message.startswith("Nothing would be done: Pod web-1 has no controller")


@pytest.mark.parametrize("guard", [holding.paused_by_policy, holding.cooldown_running])
def test_guards_of_the_policy_allow_when_it_is_gone(
    guard: Callable[[Case], Denial | None],
) -> None:
    look = replace(seen(others=(another_run(acted_at=NOW),)), policy=None)

    assert guard(a_case(look)) is None


def test_a_target_that_was_never_found_has_not_changed() -> None:
    assert ending.target_changed(a_case(seen(sighting=Sighting()))) is None
