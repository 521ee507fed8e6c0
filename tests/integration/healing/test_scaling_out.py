"""From a stored run to more pods and back: once, at the right place, and only what is confirmed."""

from collections.abc import Generator

import pytest

from healing_objects import SOON, Scene
from kube import Kube
from kubeconfig import Object
from played_nodes import a_played_node
from proxy_faults import Match, Refuse
from timeline import between, within

MORE = {"action": "ScaleOut", "scaleOut": {"maxReplicas": 5, "step": 2, "revertAfter": "23h"}}


@pytest.fixture(autouse=True)
def node(kube: Kube, namespace: str) -> Generator[str]:
    """A node with room for more pods."""
    with a_played_node(kube, f"node-{namespace}") as name:
        yield name


def deployment(scene: Scene) -> Object:
    """The workload as it is."""
    found = scene.kube.get("Deployment", "web", scene.namespace)
    assert found is not None
    return found


def replicas(scene: Scene) -> int:
    """How many pods the workload wants."""
    return int(deployment(scene)["spec"]["replicas"])


def is_marked(obj: Object) -> bool:
    """Whether an object says that it will be changed back."""
    return "autoglm.io/lease" in obj["metadata"].get("annotations", {})


def lease(scene: Scene, run: str) -> Object:
    """What the run's first step says about its change."""
    found: Object = scene.run(run)["status"]["steps"][0].get("lease", {})
    return found


def wants_reverted(scene: Scene, run: str) -> None:
    """Wait until nothing of the change is left."""
    scene.timeline.want(
        SOON,
        "the change is undone and nothing holds the run",
        lambda: (
            lease(scene, run)["state"] == "Reverted"
            and not scene.run(run)["metadata"].get("finalizers")
        ),
    )
    assert replicas(scene) == 2
    assert not is_marked(deployment(scene))


def scales(scene: Scene) -> list[int | None]:
    """The writes of a number of pods that took effect, by their answers."""
    found = scene.proxy.writes(Match(resource="deployments", subresource="scale"))
    return [record.status for record in found if record.applied]


@pytest.mark.usefixtures("healer")
def test_pods_are_added_and_taken_away_when_the_time_has_passed(scene: Scene) -> None:
    short: Object = {"maxReplicas": 5, "step": 2, "revertAfter": "1m"}
    policy = scene.make_policy(ladder=[{"action": "ScaleOut", "scaleOut": short}])

    run = scene.start_run(policy, scene.pods.live()[0])

    scene.wants_phase(run, "Succeeded")
    assert replicas(scene) == 4
    assert is_marked(deployment(scene))
    assert scene.run(run)["metadata"]["finalizers"] == ["autoglm.io/undo"]
    step = scene.run(run)["status"]["steps"][0]
    assert (step["before"]["workload"]["desired"], step["after"]["workload"]["desired"]) == (2, 4)
    # The mark meets what the Deployment's controller writes at that moment.
    marking = scene.proxy.inject(Refuse(409, "Conflict"), Match("patch", "deployments", ""))
    # From 4 to 3 to 2, half a minute apart.
    first = scene.timeline.want(
        between(40, 180), "the first pod is taken away", lambda: replicas(scene) == 3
    )
    assert lease(scene, run)["state"] == "Held"
    second = scene.timeline.want(
        within(120), "the second one follows", lambda: replicas(scene) == 2
    )
    assert (marking.hits, second - first > 20) == (1, True)
    wants_reverted(scene, run)
    assert len(scales(scene)) == 3


@pytest.mark.usefixtures("healer")
def test_a_deleted_run_stays_until_its_change_is_undone(scene: Scene) -> None:
    run = scene.start_run(scene.make_policy(ladder=[MORE]), scene.pods.live()[0])
    scene.wants_phase(run, "Succeeded")

    scene.kube.delete("HealingRun", run, scene.namespace)

    scene.timeline.want(
        SOON,
        "the run is gone",
        lambda: scene.kube.get("HealingRun", run, scene.namespace) is None,
    )
    assert (replicas(scene), is_marked(deployment(scene))) == (2, False)


@pytest.mark.usefixtures("healer")
def test_what_somebody_else_has_changed_since_is_left_alone(scene: Scene) -> None:
    run = scene.start_run(scene.make_policy(ladder=[MORE]), scene.pods.live()[0])
    scene.wants_phase(run, "Succeeded")
    more: Object = {"spec": {"replicas": 5}}
    scene.kube.patch("Deployment", "web", scene.namespace, more, subresource="scale")

    scene.kube.delete("HealingPolicy", "crash", scene.namespace)

    scene.timeline.want(SOON, "the change is lost", lambda: lease(scene, run)["state"] == "Lost")
    assert "somebody else changed it" in lease(scene, run)["message"]
    assert (replicas(scene), is_marked(deployment(scene))) == (5, False)


@pytest.mark.usefixtures("healer")
def test_a_change_that_did_not_help_is_undone_before_the_next_step(scene: Scene) -> None:
    scene.pods.hopeless = True
    policy = scene.make_policy(
        ladder=[MORE, {"action": "Restart", "restart": {"scope": "Workload"}}],
        verify={"stabilization": "1s", "timeout": "5s"},
    )
    run = scene.start_run(policy, scene.pods.live()[0])

    scene.wants_phase(run, "Escalated")

    first, second = scene.run(run)["status"]["steps"]
    assert (first["helped"], first["lease"]["state"]) == (False, "Reverted")
    assert first["lease"]["revertedAt"] <= second["startedAt"]
    assert replicas(scene) == 2


@pytest.mark.usefixtures("healer")
def test_everything_is_undone_when_the_release_is_uninstalled(scene: Scene) -> None:
    run = scene.start_run(scene.make_policy(ladder=[MORE]), scene.pods.live()[0])
    scene.wants_phase(run, "Succeeded")

    switch: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "autoglm-healing"},
        "data": {"paused": "true", "revert": "true"},
    }
    scene.kube.create(switch, scene.release)

    wants_reverted(scene, run)


@pytest.mark.usefixtures("healer")
def test_a_pause_also_holds_the_way_back(scene: Scene) -> None:
    short: Object = {"maxReplicas": 5, "step": 2, "revertAfter": "1m"}
    policy = scene.make_policy(ladder=[{"action": "ScaleOut", "scaleOut": short}])
    run = scene.start_run(policy, scene.pods.live()[0])
    scene.wants_phase(run, "Succeeded")

    scene.kube.patch("HealingPolicy", "crash", scene.namespace, {"spec": {"paused": True}})

    scene.timeline.stays(90, "the pods stay", lambda: replicas(scene) == 4)
    assert lease(scene, run)["state"] == "Held"
