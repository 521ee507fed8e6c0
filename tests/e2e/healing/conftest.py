"""The release that the tests of this folder heal with, installed once.

Exists so that four real nodes are broken one way after the other under one installation. After a
failure it says what the runs looked like, because everything is cleared away in the end.
"""

from collections.abc import Callable, Generator

import pytest

import healing_release
from demo import stage
from healing_release import CARE, VICTIMS, HealingRelease
from kube import Kube
from last_looks import after_failure

LOOK = (
    ("get", "nodes,pods", "-A", "-o", "wide"),
    ("get", "healingruns,healingpolicies", "-n", CARE, "-o", "yaml"),
    ("logs", "-n", stage.SYSTEM, "--prefix", "--tail=60", "deployment/autoglm-healer"),
)


@pytest.fixture(scope="package")
def release(kube: Kube, nodes: list[str], image: Callable[[str], str]) -> Generator[HealingRelease]:
    """The release on some nodes, and others to break."""
    if len(nodes) < 2 + VICTIMS:
        pytest.skip(f"Of {len(nodes)} nodes none can be lost: hack/cluster up --nodes 4.")
    image("autoglm")
    with healing_release.raised(kube, nodes) as release:
        yield release


@pytest.fixture(autouse=True)
def _look_around(request: pytest.FixtureRequest) -> Generator[None]:
    with after_failure(request, LOOK):
        yield
