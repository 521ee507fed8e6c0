"""A cluster without any release; after a failure it says what there was of ours."""

from collections.abc import Callable, Generator

import pytest

import leaving_release
from kube import Kube
from last_looks import after_failure
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
    with leaving_release.prepared(kube) as release, after_failure(request, LOOK):
        yield release
