"""Every action against every fault: it heals once, undoes once, and leaves nothing behind.

Seconds on an idle machine: 15 undisturbed, 60 with all deaths.
"""

import contextlib
from collections.abc import Generator

import pytest

import fault_matrix
from fault_matrix import Course
from healing_courses import (
    Approving,
    Cleaning,
    Isolating,
    Restarting,
    ScalingOut,
    Telling,
)
from healing_objects import MakeProcess, Scene
from healing_processes import HealingProcess
from kubeconfig import Object
from notice_desks import Desk
from played_nodes import a_played_node

OF_PODS = ("eviction", "roll-out", "approval", "notice", "scale-out", "scale-out-by-autoscaler")
OF_NODES = ("isolation", "cleaning")
AUTOSCALER: Object = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 2,
        "maxReplicas": 8,
    },
}


@pytest.fixture(params=[*OF_PODS, *OF_NODES])
def course(request: pytest.FixtureRequest) -> Generator[Course]:
    """Each way of healing."""
    kind = str(request.param)
    if kind == "isolation":
        yield Isolating(request.getfixturevalue("nodes"))
        return
    if kind == "cleaning":
        yield Cleaning(request.getfixturevalue("cleaning"))
        return
    with of_pods(kind, request.getfixturevalue("scene")) as found:
        yield found


@contextlib.contextmanager
def of_pods(kind: str, scene: Scene) -> Generator[Course]:
    """A course about the pods of a Deployment."""
    if kind == "notice":
        with Desk().open() as desk:
            yield Telling(scene, desk=desk)
        return
    if not kind.startswith("scale-out"):
        yield Approving(scene) if kind == "approval" else Restarting(scene, SCOPES[kind])
        return
    if kind == "scale-out-by-autoscaler":
        scene.kube.create(AUTOSCALER, scene.namespace)
    with a_played_node(scene.kube, f"node-{scene.namespace}"):
        yield ScalingOut(scene, "web" if kind == "scale-out-by-autoscaler" else "")


SCOPES = {"eviction": "Pod", "roll-out": "Workload"}


@pytest.fixture
def process(make_process: MakeProcess, course: Course, jobs: str) -> HealingProcess:
    """A healer that may do all of it; it does not run yet."""
    return make_process(
        "healer",
        node_healing="true",
        trusted_namespaces=course.scene.namespace,
        node_jobs_namespace=jobs,
        image="autoglm:1",
        allowed_addresses="127.0.0.0/8",
    )


def test_an_undisturbed_course_writes_what_the_others_are_held_against(
    course: Course, process: HealingProcess
) -> None:
    fault_matrix.take_undisturbed(course, process)


def test_a_healer_that_dies_before_and_after_every_write_heals_once(
    course: Course, process: HealingProcess
) -> None:
    fault_matrix.take_dying(course, process)


def test_a_healer_that_is_never_answered_heals_once(
    course: Course, process: HealingProcess
) -> None:
    fault_matrix.take_unanswered(course, process)


def test_every_kind_of_write_may_fail_in_every_way(course: Course, process: HealingProcess) -> None:
    """409, 429, and 500 after the write was carried out."""
    fault_matrix.take_refused(course, process)
