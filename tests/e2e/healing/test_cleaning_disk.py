"""A disk full of old logs, from the kubelet's DiskPressure to a verified repair by a Job."""

from collections.abc import Callable, Generator

import pytest

import full_disks
import images
from builders import a_container, a_pod
from full_disks import KEPT, LOGS, FullDisk
from healing_release import CARE, JOBS, HealingRelease, condition_of
from kube import KubeError
from kubeconfig import Object
from statuses import condition, is_ready
from timeline import Timeline, within

Image = Callable[[str], str]


@pytest.fixture(scope="module")
def disk(release: HealingRelease, image: Image) -> FullDisk:
    """A node to fill."""
    image("busybox")
    return FullDisk(release, release.victims[-1])


@pytest.fixture
def full(disk: FullDisk, timeline: Timeline) -> Generator[FullDisk]:
    """The node, filled when the test asks for it, and empty again in the end."""
    yield disk
    disk.kube.delete("HealingPolicy", full_disks.POLICY, CARE)
    disk.empty()
    timeline.start("everything is taken away")
    timeline.want(within(120), "the node is whole", lambda: disk.pressure() == "False")


def filled(disk: FullDisk, timeline: Timeline) -> None:
    """Fill the disk and wait for the kubelet's word."""
    timeline.start(f"{disk.node} is filled with old logs")
    disk.fill()
    timeline.want(within(90), "the disk is full", disk.is_full)
    timeline.want(within(120), "the node has DiskPressure", lambda: disk.pressure() == "True")


def runs_that_are(disk: FullDisk, phase: str, known: int = 0) -> list[Object]:
    """Runs of a phase, without the first few.

    Prometheus may be replaced while the disk is full; its successor's alert is another episode, and
    so another run, which ends as a duplicate.
    """
    return [run for run in disk.runs()[known:] if run.get("status", {}).get("phase") == phase]


def why_skipped(run: Object) -> str:
    """The reason for which a run was never begun."""
    return str(condition_of(run, "Accepted")["reason"])


def test_a_full_disk_is_cleaned_and_what_counts_stays(full: FullDisk, timeline: Timeline) -> None:
    kube = full.kube
    spare = images.ensure(["busybox"])["busybox"].reference
    kube.create(a_pod("spare", a_container(spare, ["true"]), nodeName=full.node), CARE)
    timeline.want(within(60), "a spare image is on the node", lambda: spare in full.images())
    kube.delete("Pod", "spare", CARE)
    full.policy()

    filled(full, timeline)

    timeline.want(within(180), "the alert has begun a run", lambda: bool(full.runs()))
    timeline.want(within(240), "a Job was made", lambda: bool(full.jobs()))
    timeline.want(
        within(300), "the Job is Complete", lambda: condition(full.jobs()[0], "Complete") == "True"
    )
    timeline.want(within(300), "the pressure is gone", lambda: full.pressure() == "False")
    timeline.want(
        within(300),
        "the run has verified it",
        lambda: bool(runs_that_are(full, "Succeeded")),
    )
    said = full.says()
    assert said == {"present": KEPT, "same": True}
    (run,) = runs_that_are(full, "Succeeded")
    (step,) = run["status"]["steps"]
    timeline.note(step["message"])
    freed = step["after"]["disk"]["freeBytes"] - step["before"]["disk"]["freeBytes"]
    assert freed > 2 * 2**30
    assert step["before"]["disk"]["pressure"] is True
    assert step["after"]["disk"]["pressure"] is False
    assert "Removed: " in step["message"]
    assert "Logs in /var/log: 1 open." in step["message"]
    timeline.want(within(300), "the spare image is gone", lambda: spare not in full.images())
    # Nobody had to pull anything on a full disk.
    events = [each["reason"] for each in kube.list("Event", JOBS)]
    assert "Failed" not in events
    assert len(full.jobs()) == 1


def test_with_the_policy_paused_it_stays_full_and_a_refilled_disk_is_only_reported(
    full: FullDisk, timeline: Timeline
) -> None:
    known, jobs = len(full.runs()), len(full.jobs())
    full.policy(paused=True)

    filled(full, timeline)

    timeline.want(within(180), "the alert has begun a run", lambda: len(full.runs()) > known)
    timeline.want(within(240), "the run is held", lambda: bool(runs_that_are(full, "Held", known)))
    timeline.stays(45, "the disk stays full", lambda: full.pressure() == "True")
    assert set(LOGS) <= set(full.says()["present"])
    assert len(full.jobs()) == jobs

    timeline.start("the policy goes on")
    full.policy(paused=False)
    timeline.want(
        within(120),
        "the run ends with a report",
        lambda: "DiskRefilled" in map(why_skipped, runs_that_are(full, "Skipped", known)),
    )
    assert full.pressure() == "True"
    assert len(full.jobs()) == jobs


def test_the_image_survives_a_fill_that_takes_others(
    full: FullDisk, image: Image, timeline: Timeline
) -> None:
    kube, own, spare = full.kube, image("autoglm"), image("busybox")
    kube.create(a_pod("spare", a_container(spare, ["true"]), nodeName=full.node), CARE)
    timeline.want(within(60), "a spare image is on the node", lambda: spare in full.images())
    kube.delete("Pod", "spare", CARE)
    timeline.want(within(60), "its pod is gone", lambda: not kube.get("Pod", "spare", CARE))

    timeline.start(f"{full.node} is full")
    full.fill()
    timeline.want(within(120), "the node has DiskPressure", lambda: full.pressure() == "True")
    kube.delete("Pod", "writer", CARE)  # it uses the image too

    # The kubelet leaves images alone that it has known for less than two minutes.
    timeline.want(within(300), "the spare image is collected", lambda: spare not in full.images())

    assert own in full.images()
    holders = kube.list("Pod", JOBS, "app.kubernetes.io/component=image-holder")
    assert all(is_ready(pod) for pod in holders)
    assert full.node in {pod["spec"]["nodeName"] for pod in holders}


def test_nobody_else_gets_a_pod_into_the_namespace_of_the_jobs(
    disk: FullDisk, image: Image
) -> None:
    pod = a_pod("intruder", a_container(image("autoglm"), args=["clean-disk"]))

    with pytest.raises(KubeError, match="made by the healer's Jobs"):
        disk.kube.create(pod, JOBS)

    assert disk.kube.get("Pod", "intruder", JOBS) is None
