"""From a stored run to a restarted target: once, only when allowed, and only if it helped."""

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from healing_objects import EVICTIONS, SOON, MakeProcess, Scene, Sender, an_alert
from healing_processes import HealingProcess, running
from proxy_faults import LoseReply, Match, Refuse
from statuses import is_available

if TYPE_CHECKING:
    from kubeconfig import Object

EVICT = [{"action": "Restart", "restart": {"scope": "Pod"}}]
ROLL_OUT = [{"action": "Restart", "restart": {"scope": "Workload"}}]


def test_an_alert_ends_in_a_verified_repair(
    scene: Scene, sender: Sender, healer: HealingProcess
) -> None:
    scene.make_policy()
    scene.timeline.want(
        SOON, "the policy is known", lambda: b"policy learnt" in sender.receiver.log.read_bytes()
    )
    sick = scene.pods.sicken()
    name = sick["metadata"]["name"]

    scene.timeline.start("the alert is delivered")
    assert sender.post(an_alert(name, scene.namespace)).json()["outcomes"] == {"Stored": 1}

    run = scene.kube.list("HealingRun", scene.namespace)[0]["metadata"]["name"]
    scene.timeline.want(SOON, "the sick pod is gone", lambda: not scene.exists(sick))
    scene.wants_phase(run, "Succeeded")
    assert scene.all_ready()
    assert scene.evicted() == {name: 1}
    status = scene.run(run)["status"]
    step = status["steps"][0]
    assert (step["outcome"], step["helped"]) == ("Succeeded", True)
    assert (step["before"]["workload"]["restarts"], step["after"]["workload"]["restarts"]) == (5, 0)
    assert status["target"]["name"] == "web"
    scene.timeline.want(
        SOON,
        "the policy names its last run",
        lambda: scene.policy()["status"].get("lastRun") == {"name": run, "phase": "Succeeded"},
    )
    events = scene.kube.list("Event.events.k8s.io", scene.namespace)
    assert {"ActionStarted", "VerificationPending", "Healed"} <= {each["reason"] for each in events}
    assert healer.metric('autoglm_healing_runs_total{outcome="Succeeded",reason="Healed"}') == 1


@pytest.mark.usefixtures("healer")
def test_rolls_a_workload_out_once_although_the_reply_was_lost(scene: Scene) -> None:
    scene.proxy.inject(LoseReply(), Match(resource="deployments", verb="patch"))

    run = scene.start_run(scene.make_policy(ladder=ROLL_OUT), scene.pods.sicken())

    scene.wants_phase(run, "Succeeded")
    assert (scene.revisions(), scene.evicted()) == (2, Counter())
    asked = scene.proxy.writes(Match(resource="deployments"))
    assert len([each for each in asked if each.applied]) == 1


@pytest.mark.parametrize("fault", [Refuse(500), Refuse(503)], ids=["500", "503"])
@pytest.mark.usefixtures("healer")
def test_a_broken_eviction_takes_one_pod(scene: Scene, fault: Refuse) -> None:
    rule = scene.proxy.inject(fault, EVICTIONS)
    sick = scene.pods.sicken()

    run = scene.start_run(scene.make_policy(), sick)

    scene.wants_phase(run, "Succeeded")
    assert rule.hits == 1
    assert scene.evicted() == {sick["metadata"]["name"]: 1}


@pytest.mark.usefixtures("healer")
def test_of_two_runs_for_one_target_one_acts(scene: Scene) -> None:
    policy, sick = scene.make_policy(), scene.pods.sicken()
    (other,) = [
        pod for pod in scene.pods.live() if pod["metadata"]["uid"] != sick["metadata"]["uid"]
    ]

    runs = [scene.start_run(policy, sick), scene.start_run(policy, other)]

    # Of two runs of one second the name decides, so either pod may be the one that is evicted.
    acted = {"Verifying", "Succeeded", "Escalated"}
    scene.timeline.want(
        SOON,
        "one run acted and the other was skipped",
        lambda: (
            {scene.phase(run) for run in runs} - acted == {"Skipped"}
            and sum(scene.evicted().values()) == 1
        ),
    )
    skipped = next(run for run in runs if scene.phase(run) == "Skipped")
    assert scene.reason(skipped, "Accepted") == "Duplicate"
    assert sum(scene.evicted().values()) == 1


@pytest.mark.parametrize("pause", ["everything", "the namespace", "the policy"])
@pytest.mark.usefixtures("healer")
def test_a_paused_target_stays_sick_until_the_pause_ends(scene: Scene, pause: str) -> None:
    _pause(scene, pause)
    sick = scene.pods.sicken()

    run = scene.start_run(scene.make_policy(paused=pause == "the policy"), sick)

    scene.wants_phase(run, "Held")
    scene.timeline.stays(20, "the sick pod is left alone", lambda: scene.exists(sick))
    assert (scene.reason(run), scene.evicted()) == ("Paused", Counter())
    _resume(scene, pause)
    scene.wants_phase(run, "Succeeded")


def _pause(scene: Scene, pause: str) -> None:
    if pause == "everything":
        switch: Object = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"paused": "true"}}
        scene.kube.create(switch | {"metadata": {"name": "autoglm-healing"}}, scene.release)
    elif pause == "the namespace":
        body: Object = {"metadata": {"labels": {"autoglm.io/healing": "paused"}}}
        scene.kube.patch("Namespace", scene.namespace, None, body)


def _resume(scene: Scene, pause: str) -> None:
    if pause == "everything":
        scene.kube.delete("ConfigMap", "autoglm-healing", scene.release)
    elif pause == "the namespace":
        body: Object = {"metadata": {"labels": {"autoglm.io/healing": None}}}
        scene.kube.patch("Namespace", scene.namespace, None, body)
    else:
        unpaused: Object = {"spec": {"paused": False}}
        scene.kube.patch("HealingPolicy", "crash", scene.namespace, unpaused)


@pytest.mark.usefixtures("healer")
def test_a_switch_that_cannot_be_read_pauses(scene: Scene) -> None:
    scene.proxy.inject(Refuse(403, "Forbidden"), Match(resource="configmaps"), times=None)

    run = scene.start_run(scene.make_policy(), scene.pods.sicken())

    scene.wants_reason(run, "Paused")
    assert scene.evicted() == Counter()


@pytest.mark.usefixtures("healer")
def test_a_dry_run_only_says_what_it_would_do(scene: Scene) -> None:
    run = scene.start_run(scene.make_policy(mode="DryRun"), scene.pods.sicken())

    scene.wants_phase(run, "Skipped")
    assert (scene.reason(run), scene.evicted()) == ("DryRun", Counter())


def test_nothing_is_done_without_admission_policies(
    scene: Scene, make_process: MakeProcess
) -> None:
    with running(make_process("healer", admission="Required")):
        run = scene.start_run(scene.make_policy(), scene.pods.sicken())

        scene.wants_reason(run, "AdmissionMissing")
    assert scene.evicted() == Counter()


@pytest.mark.usefixtures("healer")
def test_a_disruption_budget_is_respected(scene: Scene) -> None:
    budget: Object = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {
            "minAvailable": 2,
            "selector": {"matchLabels": {"app": "web"}},
        },
    }
    scene.kube.create(budget, scene.namespace)
    sick = scene.pods.sicken()
    scene.timeline.want(
        SOON, "the budget has counted the sick pod", lambda: _healthy_of_budget(scene) == 1
    )

    run = scene.start_run(scene.make_policy(), sick)

    scene.wants_reason(run, "DisruptionBudget")
    assert scene.exists(sick)
    scene.kube.delete("PodDisruptionBudget", "web", scene.namespace)
    scene.wants_phase(run, "Succeeded")
    assert scene.evicted() == {sick["metadata"]["name"]: 1}


def _healthy_of_budget(scene: Scene) -> int:
    found = scene.kube.get("PodDisruptionBudget", "web", scene.namespace) or {}
    return int(found.get("status", {}).get("currentHealthy", -1))


@pytest.mark.usefixtures("healer")
def test_escalates_when_no_step_helps(scene: Scene) -> None:
    scene.pods.hopeless = True
    policy = scene.make_policy(
        ladder=[*EVICT, *ROLL_OUT], verify={"stabilization": "1s", "timeout": "3s"}
    )

    run = scene.start_run(policy, scene.pods.sicken())

    scene.wants_phase(run, "Escalated")
    assert (sum(scene.evicted().values()), scene.revisions()) == (1, 2)
    assert not is_available(scene.kube.get("Deployment", "web", scene.namespace))


def test_an_idle_healer_writes_nothing(scene: Scene, healer: HealingProcess) -> None:
    run = scene.start_run(scene.make_policy(mode="DryRun"), scene.pods.sicken())
    scene.timeline.want(
        SOON,
        "the policy names its last run",
        lambda: "lastRun" in scene.policy().get("status", {}),
    )
    written = len(scene.proxy.writes())

    scene.timeline.stays(20, "nothing is written", lambda: len(scene.proxy.writes()) == written)

    assert scene.phase(run) == "Skipped"
    assert healer.stop() == 0
