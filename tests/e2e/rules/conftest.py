"""The stage of the rules, set once for all tests of this folder.

The files are played in the order of their names: what a pair of Alertmanagers does while it is cut
apart, what fires, what dashboards show of it, what runbooks say about it, and last what fires when
our own processes are gone.
"""

import os
from collections.abc import Callable, Generator

import pytest

import rules_stage
from clusterlink import ClusterCommand
from demo import stage
from faults import Faults
from kube import Kube
from kubeconfig import Object
from last_looks import after_failure
from rules_stage import RulesStage

LOOK = (
    ("get", "nodes"),
    ("get", "pods", "-A", "-o", "wide"),
    ("get", "autoglm,hr", "-A", "-o", "wide"),
    *(
        ("-n", stage.SYSTEM, "logs", "--prefix", "--tail=40", "-l", f"{label}={component}")
        for label in ("app.kubernetes.io/component",)
        for component in ("operator", "receiver", "healer")
    ),
)


@pytest.fixture(scope="package")
def scene(
    kube: Kube,
    cluster: ClusterCommand,
    nodes: list[str],
    metrics: Object,
    busybox: str,
    image: Callable[[str], str],
) -> Generator[RulesStage]:
    """The chart installed, its rules in Prometheus, everything sick at once."""
    assert metrics
    assert len(nodes) > 1, "one node stays well: hack/cluster up --nodes 2"
    if os.geteuid() != 0:
        pytest.skip("Cutting Alertmanagers apart from outside needs root: run the tests as root.")
    for name in stage.OUR_IMAGES:
        image(name)
    with rules_stage.raised(kube, Faults(cluster), nodes, busybox) as scene:
        yield scene


@pytest.fixture(autouse=True)
def _look_around(request: pytest.FixtureRequest, scene: RulesStage) -> Generator[None]:
    assert scene
    with after_failure(request, LOOK):
        yield
