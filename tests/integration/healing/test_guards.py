"""What holds a run, with the real API server: each guard takes effect and gives way live."""

from collections import Counter
from collections.abc import Generator

import pytest

from healing_objects import SOON, MakeProcess, Scene
from healing_processes import HealingProcess, running
from kubeconfig import Object
from proxy_faults import LoseReply, Match
from recording_proxy import Moment, kill
from sick_pods import a_web_deployment
from statuses import is_available

CLOSED = [{"schedule": "0 0 29 2 *", "duration": "1m"}]
OPEN = [{"schedule": "* * * * *", "duration": "1h"}]
WORKLOADS = ("web", "web2", "web3")


@pytest.fixture
def workloads(scene: Scene) -> Scene:
    """Three Deployments that one policy matches, each with a sick pod to come."""
    for name in WORKLOADS[1:]:
        scene.kube.create(a_web_deployment(name=name), scene.namespace)
    for name in WORKLOADS[1:]:
        wants_available(scene, name)
    return scene


@pytest.fixture
def patient(make_process: MakeProcess) -> Generator[HealingProcess]:
    """A healer that lets one run act at a time, whatever policies allow."""
    with running(make_process("healer", budget_max_concurrent="1")) as process:
        yield process


def wants_available(scene: Scene, name: str) -> None:
    """Wait until a Deployment has all its pods."""
    scene.timeline.want(
        SOON,
        f"{name} is available",
        lambda: is_available(scene.kube.get("Deployment", name, scene.namespace)),
    )


def edit(scene: Scene, **spec: object) -> None:
    """Change the live policy."""
    scene.kube.patch("HealingPolicy", "crash", scene.namespace, {"spec": spec})


def guards(**limits: object) -> Object:
    return {"cooldown": "0s", "maxWait": "10m", **limits}


@pytest.mark.usefixtures("healer")
def test_a_run_waits_for_a_window_and_an_edited_window_is_enough(scene: Scene) -> None:
    sick = scene.pods.sicken()
    run = scene.start_run(scene.make_policy(guards=guards(windows=CLOSED)), sick)
    scene.wants_reason(run, "OutsideWindow")
    assert scene.evicted() == Counter()

    edit(scene, guards={"windows": OPEN})

    scene.wants_phase(run, "Succeeded")
    assert scene.evicted() == {sick["metadata"]["name"]: 1}


@pytest.mark.usefixtures("healer")
def test_a_policy_that_becomes_a_dry_run_ends_what_waits(scene: Scene) -> None:
    run = scene.start_run(scene.make_policy(guards=guards(windows=CLOSED)), scene.pods.sicken())
    scene.wants_reason(run, "OutsideWindow")

    edit(scene, mode="DryRun")

    scene.wants_reason(run, "DryRun")
    assert scene.evicted() == Counter()


@pytest.mark.usefixtures("healer")
@pytest.mark.parametrize(
    ("window", "reason"),
    [
        ({"schedule": "0 25 * * *", "duration": "1h"}, "ScheduleInvalid"),
        (
            {"schedule": "0 8 * * *", "duration": "1h", "timeZone": "Europe/Nowhere"},
            "TimeZoneInvalid",
        ),
    ],
)
def test_a_window_that_means_nothing_is_not_accepted_and_never_acts(
    scene: Scene, window: Object, reason: str
) -> None:
    policy = scene.make_policy(guards=guards(windows=[window]))
    scene.timeline.want(SOON, "the policy says why", lambda: accepted(scene) == ("False", reason))

    run = scene.start_run(policy, scene.pods.sicken())
    scene.wants_reason(run, reason)
    assert scene.evicted() == Counter()

    edit(scene, guards={"windows": OPEN})
    scene.wants_phase(run, "Succeeded")
    scene.timeline.want(
        SOON, "the policy is accepted", lambda: accepted(scene) == ("True", "Accepted")
    )


def accepted(scene: Scene) -> tuple[str, str]:
    """Status and reason of the policy's condition Accepted."""
    found = scene.policy().get("status", {}).get("conditions", ())
    return next(((c["status"], c["reason"]) for c in found if c["type"] == "Accepted"), ("", ""))


@pytest.mark.usefixtures("healer")
def test_a_storm_holds_all_but_the_first_until_it_is_over(workloads: Scene) -> None:
    scene = workloads
    scene.pods.hopeless = True
    policy = scene.make_policy(
        guards=guards(maxConcurrent=10, storm={"maxUnhealthy": "50%"}),
        ladder=[{"action": "Restart", "restart": {"scope": "Pod"}}],
        verify={"stabilization": "1s", "timeout": "20s"},
    )
    runs = [scene.start_run(policy, scene.pods.sicken(name)) for name in WORKLOADS]

    scene.timeline.want(SOON, "a storm holds", lambda: "Storm" in reasons(scene, runs))
    assert sum(scene.evicted().values()) <= 1

    edit(scene, guards={"storm": {"maxUnhealthy": "100%"}})
    scene.pods.hopeless = False
    scene.timeline.want(SOON, "all ended", lambda: open_runs(scene, runs) == 0)
    assert reasons(scene, runs)["Healed"] >= 2


@pytest.mark.usefixtures("healer")
def test_a_policy_acts_on_as_many_targets_at_a_time_as_it_says(workloads: Scene) -> None:
    scene = workloads
    policy = scene.make_policy(
        guards=guards(maxConcurrent=1, storm={"maxUnhealthy": "100%"}),
        verify={"stabilization": "4s", "timeout": "60s"},
    )
    runs = [scene.start_run(policy, scene.pods.sicken(name)) for name in WORKLOADS]

    scene.timeline.want(
        SOON, "the others wait", lambda: reasons(scene, runs)["BudgetExhausted"] == 2
    )
    assert sum(scene.evicted().values()) == 1
    scene.timeline.want(
        SOON, "all healed", lambda: {scene.phase(run) for run in runs} == {"Succeeded"}
    )
    assert overlapping(scene, runs) == 1


def test_the_cluster_acts_on_as_many_targets_at_a_time_as_the_administrator_says(
    workloads: Scene, patient: HealingProcess
) -> None:
    scene = workloads
    policy = scene.make_policy(
        guards=guards(maxConcurrent=10, storm={"maxUnhealthy": "100%"}),
        # Longer than the time between two looks at what is used.
        verify={"stabilization": "7s", "timeout": "60s"},
    )
    runs = [scene.start_run(policy, scene.pods.sicken(name)) for name in WORKLOADS]

    scene.timeline.want(
        SOON,
        "the budget shows as used",
        lambda: patient.metric('autoglm_healing_budget_used{budget="concurrent"}') == 1,
    )
    scene.timeline.want(
        SOON, "all healed", lambda: {scene.phase(run) for run in runs} == {"Succeeded"}
    )
    assert overlapping(scene, runs) == 1


@pytest.mark.usefixtures("healer")
def test_a_policy_begins_no_more_runs_in_an_hour_than_it_says(workloads: Scene) -> None:
    scene = workloads
    policy = scene.make_policy(
        guards=guards(maxRunsPerHour=1, maxWait="20s", storm={"maxUnhealthy": "100%"})
    )
    runs = [scene.start_run(policy, scene.pods.sicken(name)) for name in WORKLOADS]

    scene.timeline.want(SOON, "all ended", lambda: open_runs(scene, runs) == 0)
    assert Counter(scene.phase(run) for run in runs) == {"Succeeded": 1, "Skipped": 2}
    assert reasons(scene, runs)["MaxWaitPassed"] == 2
    assert sum(scene.evicted().values()) == 1


@pytest.mark.parametrize("number", [2, 3], ids=["begun", "acted"])
def test_a_healer_that_dies_at_the_begin_passes_no_gate_twice(
    workloads: Scene, make_process: MakeProcess, number: int
) -> None:
    scene = workloads
    healer = make_process("healer")
    policy = scene.make_policy(
        guards=guards(maxConcurrent=1, storm={"maxUnhealthy": "100%"}),
        verify={"stabilization": "3s", "timeout": "60s"},
    )
    with running(healer):
        scene.wants_accepted()
        scene.proxy.on_write(number, kill(healer.pid), Moment.APPLIED)
        runs = [scene.start_run(policy, scene.pods.sicken(name)) for name in WORKLOADS]
        scene.timeline.want(SOON, "the healer died", healer.ended)
        healer.start()
        scene.timeline.want(
            SOON, "all healed", lambda: {scene.phase(run) for run in runs} == {"Succeeded"}
        )
    assert overlapping(scene, runs) == 1
    assert set(scene.evicted().values()) == {1}


@pytest.mark.usefixtures("healer")
def test_a_begin_whose_reply_was_lost_counts_all_the_same(workloads: Scene) -> None:
    scene = workloads
    policy = scene.make_policy(
        guards=guards(maxConcurrent=1, storm={"maxUnhealthy": "100%"}),
        verify={"stabilization": "3s", "timeout": "60s"},
    )
    begin = Match(verb="patch", resource="healingruns", subresource="status")
    scene.proxy.inject(LoseReply(), begin, times=2)
    runs = [scene.start_run(policy, scene.pods.sicken(name)) for name in WORKLOADS]

    scene.timeline.want(
        SOON, "all healed", lambda: {scene.phase(run) for run in runs} == {"Succeeded"}
    )
    assert overlapping(scene, runs) == 1


def test_one_switch_pauses_everything_and_says_so(scene: Scene, healer: HealingProcess) -> None:
    switch: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "autoglm-healing"},
        "data": {"paused": "true"},
    }
    scene.kube.create(switch, scene.release)
    run = scene.start_run(scene.make_policy(), scene.pods.sicken())
    scene.wants_reason(run, "Paused")
    scene.timeline.want(
        SOON, "the metric says so", lambda: healer.metric("autoglm_healing_paused") == 1
    )
    assert scene.evicted() == Counter()

    scene.kube.delete("ConfigMap", "autoglm-healing", scene.release)
    scene.timeline.start("the switch is turned back")

    scene.wants_phase(run, "Succeeded")
    scene.timeline.want(
        SOON, "the metric says so", lambda: healer.metric("autoglm_healing_paused") == 0
    )
    events = scene.kube.list("Event.events.k8s.io", scene.release)
    told = [each["reason"] for each in events if each["regarding"]["kind"] == "ConfigMap"]
    assert sorted(told) == ["Paused", "Resumed"]


def reasons(scene: Scene, runs: list[str]) -> Counter[str]:
    """How many runs go on, wait or ended for which reason."""
    return Counter(scene.reason(run) for run in runs)


def open_runs(scene: Scene, runs: list[str]) -> int:
    """How many runs have not ended."""
    return sum("finishedAt" not in scene.run(run).get("status", {}) for run in runs)


def overlapping(scene: Scene, runs: list[str]) -> int:
    """How many runs acted at the same time at most, by their journals."""
    spans: list[tuple[str, int]] = []
    for run in runs:
        for step in scene.run(run)["status"]["steps"]:
            spans += [(step["startedAt"], 1), (step["verifiedAt"], -1)]
    acting, most = 0, 0
    for _, change in sorted(spans):
        acting += change
        most = max(most, acting)
    return most
