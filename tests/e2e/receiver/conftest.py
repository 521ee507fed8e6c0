"""The release that the tests of this folder post to."""

from collections.abc import Callable, Generator

import pytest

import intake_release
from demo import healing, stage
from intake_release import TEAM, Intake
from kube import Kube
from kubeconfig import Object
from timeline import Timeline, within


@pytest.fixture(scope="package")
def intake(kube: Kube, nodes: list[str], image: Callable[[str], str]) -> Generator[Intake]:
    """The chart installed with events and callers, and one workload's policy."""
    assert nodes
    image("autoglm")
    with intake_release.raised(kube) as intake:
        yield intake


@pytest.fixture
def sick(intake: Intake) -> Object:
    """A pod that only a new one can replace, as it is when its container has ended."""
    assert intake
    name = healing.break_pod(stage.Stage(TEAM), "fragile")

    def unready() -> bool:
        pod = intake.kube.get("Pod", name, TEAM)
        assert pod is not None
        return any(each["restartCount"] > 0 for each in pod["status"]["containerStatuses"])

    Timeline().want(within(90), "the pod is sick", unready)
    pod = intake.kube.get("Pod", name, TEAM)
    assert pod is not None
    return pod
