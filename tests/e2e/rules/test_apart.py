"""A pair of Alertmanagers, cut apart once: no alert is lost, and no run is doubled."""

import datetime
import operator
from collections import Counter
from collections.abc import Generator

import pytest

import cluster_pair
import sick_things
from builders import a_container, a_deployment, a_mount, an_empty_volume
from cluster_pair import Pair
from demo import kubectl
from kube import Kube
from kubeconfig import Object
from rules_stage import SICK, RulesStage
from statuses import is_available, is_ready
from timeline import Timeline, within

ALERT = "TwinSick"
TWINS = ("twin-told-to-a", "twin-told-to-b", "twin-told-to-both", "twin-told-to-both-too")
TOLD = dict(zip(TWINS, ((0,), (1,), (0, 1), (0, 1)), strict=True))
"""Which of the two hears of each: when Prometheus reaches one of them only, or both."""
SICKNESS = "/state/sick"
ENDED = {"Succeeded", "Failed", "Escalated", "Skipped"}


def a_twin(name: str, image: str) -> Object:
    """It is not ready while there is a file in its emptyDir, which only a new pod has empty."""
    ready = {
        "exec": {"command": sick_things.shell(f"test ! -e {SICKNESS}")},
        "periodSeconds": 1,
        "failureThreshold": 1,
    }
    container = a_container(
        image, ["sleep", "3600"], readinessProbe=ready, volumeMounts=[a_mount("state", "/state")]
    )
    twin = a_deployment(name, container, volumes=[an_empty_volume("state")])
    twin["metadata"]["labels"] = {"app": "twin"}
    return twin


def a_policy() -> Object:
    """Nothing but the name of a run keeps it from acting twice: no cooldown, room for many."""
    guards = {
        "cooldown": "0s",
        "maxConcurrent": 8,
        "maxRunsPerHour": 100,
        "storm": {"maxUnhealthy": "100%"},
    }
    verify = {"stabilization": "2s", "timeout": "60s"}
    return sick_things.a_policy("twins", ALERT, "twin", guards=guards, verify=verify)


@pytest.fixture(scope="module")
def patients(scene: RulesStage) -> Generator[dict[str, str]]:
    """Names of the twins' pods; each is sick."""
    kube = scene.kube
    kube.create(a_policy(), SICK)
    for name in TWINS:
        kube.create(a_twin(name, scene.busybox), SICK)
    Timeline().want(
        within(120),
        "the twins are well",
        lambda: all(is_available(kube.get("Deployment", name, SICK)) for name in TWINS),
    )
    pods = {name: pod_of(kube, name) for name in TWINS}
    for pod in pods.values():
        kubectl.run("-n", SICK, "exec", pod, "--", "touch", SICKNESS)
    # One that still looks well would not be evicted: it is the only pod of its workload.
    Timeline().want(
        within(60),
        "every twin is seen to be sick",
        lambda: not any(is_ready(kube.get("Pod", pod, SICK)) for pod in pods.values()),
    )
    yield pods
    for name in TWINS:
        kube.delete("Deployment", name, SICK)


def pod_of(kube: Kube, twin: str) -> str:
    (pod,) = kube.list("Pod", SICK, f"app={twin}")
    return str(pod["metadata"]["name"])


def runs(kube: Kube) -> dict[str, Object]:
    """Every run about a twin, by its name."""
    found = kube.list("HealingRun", SICK)
    return {
        str(run["metadata"]["name"]): run for run in found if run["spec"]["alert"]["name"] == ALERT
    }


def pods_made(kube: Kube) -> Counter[str]:
    """How many pods each twin ever had, as its ReplicaSet says."""
    made = [
        event["involvedObject"]["name"].rpartition("-")[0]
        for event in kube.list("Event", SICK)
        if event.get("reason") == "SuccessfulCreate"
        and event["involvedObject"]["kind"] == "ReplicaSet"
    ]
    return Counter(name for name in made if name in TWINS)


def tell(pair: Pair, pods: dict[str, str]) -> None:
    """Tell each Alertmanager what it is to hear, as Prometheus would."""
    now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - the real clock counts
    ends = now + datetime.timedelta(minutes=10)
    for twin, listeners in TOLD.items():
        labels = {"alertname": ALERT, "namespace": SICK, "pod": pods[twin], "severity": "warning"}
        alert = {"labels": labels, "startsAt": now.isoformat(), "endsAt": ends.isoformat()}
        for listener in listeners:
            cluster_pair.call(pair.urls[listener], "alerts", [alert])


def test_a_pair_that_is_cut_apart_loses_no_alert_and_doubles_no_run(
    scene: RulesStage, patients: dict[str, str], timeline: Timeline
) -> None:
    kube, pair = scene.kube, scene.pair
    timeline.want(within(90), "the two know each other", lambda: pair.peers() == [2, 2])
    timeline.start("their mesh is cut")
    with pair.apart(timeline):
        before = pair.delivered()
        tell(pair, patients)
        timeline.want(within(150), "each twin has its run", lambda: len(runs(kube)) >= len(TWINS))
        told = [{patients[twin] for twin in TWINS if who in TOLD[twin]} for who in (0, 1)]
        assert pair.lists(ALERT) == told, "a peer heard of what it was not told: they still talk"
        timeline.want(
            within(150),
            "both have delivered what both were told",
            lambda: min(map(operator.sub, pair.delivered(), before)) >= 3,
        )
        timeline.want(
            within(200),
            "every run has ended",
            lambda: all(
                each.get("status", {}).get("phase") in ENDED for each in runs(kube).values()
            ),
        )
        assert pair.peers() == [1, 1]
    timeline.start("their mesh is whole")
    timeline.want(within(90), "the two know each other", lambda: pair.peers() == [2, 2])
    timeline.stays(20, "there is one run for each twin", lambda: len(runs(kube)) == len(TWINS))

    phases = {
        run["spec"]["alert"]["labels"]["pod"]: (run["status"]["phase"], len(run["status"]["steps"]))
        for run in runs(kube).values()
    }
    assert phases == dict.fromkeys(patients.values(), ("Succeeded", 1))
    assert pods_made(kube) == dict.fromkeys(TWINS, 2)
    assert all(is_ready(kube.get("Pod", pod_of(kube, twin), SICK)) for twin in TWINS)
