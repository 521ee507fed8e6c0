"""Workloads that are too busy, from real load to a verified relief and back."""

from collections.abc import Callable, Generator
from functools import partial

import pytest

from builders import an_autoscaler
from busy_workloads import BusyWorkload
from healing_release import CARE, HealingRelease
from kubeconfig import Object
from timeline import Timeline, within

REVERT_AFTER = 60.0
"""Seconds that more pods stay; the shortest that is allowed."""
AT_ITS_LIMIT: list[Object] = [
    {"name": "alertname", "value": "HighCPUUsage"},
    {"name": "pod", "matchType": "=~", "value": "plain-.+"},
]
AT_ITS_MAXIMUM: list[Object] = [
    {"name": "alertname", "value": "KubeHpaMaxedOut"},
    {"name": "deployment", "value": "scaled"},
]


@pytest.fixture
def busy(
    release: HealingRelease, image: Callable[[str], str], metrics: Object
) -> Generator[tuple[BusyWorkload, BusyWorkload]]:
    """A workload that nobody scales, and one whose autoscaler is at its maximum."""
    assert metrics
    plain, scaled = (BusyWorkload(release, image("autoglm"), name) for name in ("plain", "scaled"))
    yield plain, scaled
    for each in (plain, scaled):
        each.clear()


def test_busy_workloads_get_one_pod_more_for_a_while_with_and_without_an_autoscaler(
    busy: tuple[BusyWorkload, BusyWorkload], release: HealingRelease, timeline: Timeline
) -> None:
    plain, scaled = busy

    def policies(*, paused: bool) -> None:
        plain.policy(AT_ITS_LIMIT, {"nameLabel": "pod"}, paused=paused)
        scaled.policy(AT_ITS_MAXIMUM, {"nameLabel": "deployment"}, paused=paused)

    policies(paused=True)
    timeline.start("both get more requests than they can serve; the policies are paused")
    plain.start(replicas=1, need=1.5)
    scaled.start(replicas=2, need=2.2)
    release.kube.create(an_autoscaler("scaled", most=2), CARE)
    for each in busy:
        held = partial(release.runs, each.name, "Held")
        timeline.want(within(240), f"the run about {each.name} is held", held)
    timeline.stays(
        20,
        "both stay as they are",
        lambda: (plain.replicas(), scaled.replicas(), scaled.most()) == (1, 2, 2),
    )

    timeline.start("the policies go on")
    policies(paused=False)
    timeline.want(within(120), "plain is scaled out", lambda: plain.replicas() == 2)
    timeline.want(within(120), "the bound of scaled is raised", lambda: scaled.most() == 3)
    raised = timeline.now
    timeline.want(within(120), "its autoscaler makes use of it", lambda: scaled.replicas() == 3)
    for each in busy:
        verified = partial(release.runs, each.name, "Succeeded")
        timeline.want(within(240), f"the run about {each.name} has verified it", verified)
        (run,) = verified()
        (step,) = run["status"]["steps"]
        timeline.note(step["message"])
        assert (step["outcome"], step["helped"]) == ("Succeeded", True)

    timeline.want(within(300), "plain is as before", lambda: plain.replicas() == 1)
    back = timeline.want(
        within(300), "the bound of scaled is as before", lambda: scaled.most() == 2
    )
    assert back - raised > REVERT_AFTER - 5
    timeline.want(within(300), "its autoscaler follows", lambda: scaled.replicas() == 2)
    for each in busy:
        (run,) = release.runs(each.name, "Succeeded")
        reverted = partial(_is_reverted, release, each.name)
        timeline.want(within(300), f"nothing of {each.name} is held any more", reverted)


def _is_reverted(release: HealingRelease, name: str) -> bool:
    (run,) = release.runs(name, "Succeeded")
    lease = run["status"]["steps"][0]["lease"]
    return lease["state"] == "Reverted" and not run["metadata"].get("finalizers")
