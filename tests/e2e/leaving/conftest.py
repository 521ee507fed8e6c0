"""A cluster without any release; after a failure it says what there was of ours."""

from collections.abc import Callable, Generator

import pytest

import leaving_release
from demo import kubectl
from demo.telling import StepError
from kube import Kube
from leaving_release import RELEASE, SYSTEM, TEAM, LeavingRelease

LOOK = (
    ("get", "nodes", "-o", "yaml"),
    ("get", "pods,jobs,configmaps", "-n", SYSTEM, "-o", "wide"),
    ("get", "healingruns,deployments,horizontalpodautoscalers", "-n", TEAM, "-o", "yaml"),
    ("logs", "-n", SYSTEM, "--tail=60", f"job/{RELEASE}-undo"),
    ("logs", "-n", SYSTEM, "--tail=60", f"deployment/{RELEASE}-healer"),
)


@pytest.fixture
def release(
    request: pytest.FixtureRequest, kube: Kube, nodes: list[str], image: Callable[[str], str]
) -> Generator[LeavingRelease]:
    """A release that is not installed yet."""
    assert nodes
    image("autoglm")
    failed_before = request.session.testsfailed
    with leaving_release.prepared(kube) as release:
        yield release
        if request.session.testsfailed > failed_before:
            _look_around(request)


def _look_around(request: pytest.FixtureRequest) -> None:
    for words in LOOK:
        try:
            seen = kubectl.run(*words)
        except StepError as error:
            seen = str(error)
        request.node.add_report_section("teardown", " ".join(words), seen)
