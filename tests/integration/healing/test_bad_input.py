"""Alerts that lie: whatever their labels name, the run says why nothing was done, and nothing is.

Senders who may not send are in test_receiver_refusals.py, people who forge runs or approvals in
test_approvals.py, policies that mean nothing in tests/integration/crds.
"""

from collections import Counter

import pytest

from healing_objects import SOON, Scene
from kubeconfig import Object
from proxy_faults import Match
from sick_pods import a_web_deployment
from statuses import is_available

HOSTILE = (
    "../../kube-system/pods/coredns",
    "%2e%2e/%2e%2e/kube-system/pods/coredns",
    "..",
    ".",
    "web-1/log",
    "web-1/eviction",
    "web-1?watch=1",
    "?labelSelector=app",
    "web-1#",
    "web 1",
    "web\n1",
    "web\x00",
    "WEB-1",
    "wéb",
    "-",
    "x" * 1024,
)
"""Names that no object can have, some of which mean something else in a URL."""


@pytest.mark.usefixtures("healer")
def test_no_label_leads_anywhere_else(scene: Scene) -> None:
    policy = scene.make_policy(guards={"cooldown": "0s", "storm": {"maxUnhealthy": "100%"}})
    own = scene.namespace
    runs: dict[str, str] = {}

    def fire(number: int, labels: Object) -> str:
        about = {"metadata": {"name": "web"}}
        told = {"alertname": "KubePodCrashLooping", **labels}
        return scene.start_run(policy, about, labels=told, fingerprint=f"{number:016x}")

    for number, name in enumerate(HOSTILE):
        runs[fire(number, {"namespace": own, "pod": name})] = name

    def open_runs() -> list[str]:
        return [name for run, name in runs.items() if "finishedAt" not in status(scene, run)]

    scene.timeline.want(SOON, "every run has ended", lambda: not open_runs())
    assert {scene.phase(run) for run in runs} == {"Skipped"}
    assert {scene.reason(run) for run in runs} == {"TargetGone"}
    assert untouched(scene)


def status(scene: Scene, run: str) -> Object:
    """The status of a run."""
    found: Object = scene.run(run).get("status", {})
    return found


def untouched(scene: Scene) -> bool:
    """Check that the healer looked at pods here only, at nothing of them, and changed nothing."""
    looks = scene.proxy.records(Match(resource="pods"))
    assert {each.call.namespace for each in looks} <= {scene.namespace}
    assert {each.call.subresource for each in looks} <= {""}
    assert {each.call.verb for each in looks} <= {"get", "list"}
    written = {each.call.resource for each in scene.proxy.writes()}
    assert written <= {"healingruns", "healingpolicies"}
    return scene.evicted() == Counter()


@pytest.mark.usefixtures("healer")
def test_what_is_not_the_policys_is_left_alone_and_the_run_says_why(scene: Scene) -> None:
    foreign = a_web_deployment(name="foreign")
    foreign["metadata"]["labels"] = {"app": "foreign"}
    scene.kube.create(foreign, scene.namespace)
    scene.timeline.want(
        SOON,
        "the other workload is available",
        lambda: is_available(scene.kube.get("Deployment", "foreign", scene.namespace)),
    )
    policy = scene.make_policy(guards={"cooldown": "0s", "storm": {"maxUnhealthy": "100%"}})
    sick, other = scene.pods.sicken(), scene.pods.sicken("foreign")
    alert = {"alertname": "KubePodCrashLooping", "namespace": scene.namespace}
    own = alert | {"pod": sick["metadata"]["name"]}
    cases: dict[str, Object] = {
        "TargetNotSelected": own | {"pod": other["metadata"]["name"]},
        "TargetNotAllowed": own | {"namespace": "kube-system"},
        "TargetGone": own | {"pod": "web-gone"},
    }
    runs = {
        reason: scene.start_run(policy, sick, labels=labels, fingerprint=f"{number:016x}")
        for number, (reason, labels) in enumerate(cases.items())
    }
    nameless = scene.start_run(policy, sick, labels=alert, fingerprint="f")
    release = scene.start_run(
        policy, sick, labels=own | {"namespace": scene.release}, fingerprint="e"
    )

    everything = [*runs.values(), nameless, release]
    scene.timeline.want(
        SOON,
        "every run has ended",
        lambda: all("finishedAt" in status(scene, run) for run in everything),
    )
    assert {scene.phase(run) for run in everything} == {"Skipped"}
    assert {reason: scene.reason(run) for reason, run in runs.items()} == {r: r for r in runs}
    assert (scene.reason(nameless), scene.reason(release)) == ("TargetGone", "TargetNotAllowed")
    assert untouched(scene)
    assert scene.exists(sick)
    assert scene.exists(other)
