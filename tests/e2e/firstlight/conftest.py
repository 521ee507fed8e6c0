"""The demo's stage, set once for all tests of this folder.

Exists so that each test plays one step, or kills one process, on a stage that is whole. After a
failure it says what the cluster looked like, because the stage is cleared away in the end.
"""

import os
from collections.abc import Callable, Generator

import pytest

import demo_stage
from demo import stage
from demo_stage import Scene
from kube import Kube
from last_looks import after_failure
from patient_clients import Tasks

LOOK = (
    ("get", "pods", "-A", "-o", "wide"),
    ("get", "autoglm,hr", "-A", "-o", "wide"),
    ("-n", stage.TEAM, "get", "agc", stage.Stage().cluster, "-o", "jsonpath={.status}"),
    *(
        ("-n", stage.SYSTEM, "logs", "--prefix", "--tail=40", f"deployment/autoglm-{component}")
        for component in ("operator", "receiver", "healer")
    ),
)


@pytest.fixture(scope="package")
def scene(kube: Kube, nodes: list[str], image: Callable[[str], str]) -> Generator[Scene]:
    """The chart installed, the samples applied, the cluster Ready, two patients broken."""
    if os.geteuid() != 0:
        pytest.skip("Killing processes of pods from outside needs root: run the tests as root.")
    for name in stage.OUR_IMAGES:
        image(name)
    with demo_stage.raised(kube) as scene:
        yield scene


@pytest.fixture(autouse=True)
def _look_around(request: pytest.FixtureRequest, scene: Scene) -> Generator[None]:
    with after_failure(request, LOOK):
        yield


@pytest.fixture
def tasks(scene: Scene) -> Generator[Tasks]:
    """A client of the planner."""
    with Tasks(scene.stage.client()) as tasks:
        yield tasks
