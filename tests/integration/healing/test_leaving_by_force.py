"""The release namespace was deleted while a change stood: how people get out of that."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import people
import runbook_commands
from builders import a_namespace
from chart_accounts import bounded_healer, granted
from healing_objects import MakeProcess, Scene
from healing_processes import HealingProcess, running
from kube import Kube
from kubeconfig import Object
from leaving_scenes import (
    MINUTES,
    ON_NODES,
    an_autoscaler,
    autoscaler,
    deployment,
    is_marked,
    replicas,
    scaled,
    undo,
)
from node_scenes import NodeScene
from people import Person

DOCUMENT = Path(__file__).parents[3] / "docs" / "healing.md"


def by_hand(person: Person, words: str, **filled: str) -> None:
    """Type the command of the document that has these words in it, about our objects."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on the path: run this inside of hack/cluster exec.")
    (command,) = (each for each in runbook_commands.commands(DOCUMENT) if words in each.text)
    text = command.filled(filled).replace("team-a", filled["namespace"])
    said = person.runs("sh", "-c", f'PATH="{Path(kubectl).parent}:$PATH"; {text}')
    assert said.code == 0, said.err


def loses_release(scene: Scene) -> None:
    """Delete the namespace of the release, and wait until it is gone."""
    scene.kube.delete("Namespace", scene.release)
    scene.timeline.want(
        MINUTES,
        "the release namespace is gone",
        lambda: scene.kube.get("Namespace", scene.release) is None,
    )


@pytest.mark.usefixtures("room")
def test_a_new_installation_goes_on_where_the_old_one_was(
    scene: Scene,
    accounts: dict[str, str],
    admin: Person,
    make_process: MakeProcess,
    make_bounded: Callable[[], HealingProcess],
    tmp_path: Path,
) -> None:
    with running(make_bounded()):
        run = scaled(scene, accounts)
    loses_release(scene)

    nobody = undo(admin, scene)

    assert nobody.code == 1
    assert f"{scene.namespace}/{run} could not be undone" in nobody.err
    assert "nobody can undo it: install the chart again" in nobody.err
    assert (replicas(scene), is_marked(deployment(scene))) == (4, True)

    scene.kube.create(a_namespace(scene.release))
    with granted(scene.kube, scene.release, scene.namespace) as tokens:
        hook = people.with_token(scene.proxy.access(), tmp_path, "undo", tokens["undo"])
        with running(bounded_healer(make_process, scene.kube, scene.release, tokens)):
            said = undo(hook, scene)
    assert said.code == 0, said.err
    assert (replicas(scene), is_marked(deployment(scene))) == (2, False)
    assert "finalizers" not in scene.run(run)["metadata"]


@pytest.mark.parametrize("autoscaled", [False, True], ids=["plain", "autoscaled"])
@pytest.mark.usefixtures("room")
def test_people_lower_a_workload_by_hand(
    scene: Scene,
    accounts: dict[str, str],
    admin: Person,
    make_bounded: Callable[[], HealingProcess],
    *,
    autoscaled: bool,
) -> None:
    if autoscaled:
        scene.kube.create(an_autoscaler(8), scene.namespace)
    with running(make_bounded()):
        run = scaled(scene, accounts)
    loses_release(scene)

    for words in ("patch hpa" if autoscaled else "scale deployment", "patch hr", "delete hr"):
        by_hand(admin, words, RUN=run, namespace=scene.namespace)

    if autoscaled:
        assert autoscaler(scene)["spec"]["minReplicas"] == 2
        assert not is_marked(autoscaler(scene))
    else:
        assert (replicas(scene), is_marked(deployment(scene))) == (2, False)
    assert "Nothing stands" in admin.types("leases", "-n", scene.namespace).out


def test_people_free_a_node_and_a_namespace_by_hand(
    nodes: NodeScene, kube: Kube, admin: Person, make_process: MakeProcess
) -> None:
    scene, node = nodes.scene, nodes.fleet.busy()
    settings = {"node_healing": "true", "trusted_namespaces": scene.namespace}
    with granted(kube, scene.release, scene.namespace, settings=ON_NODES) as tokens:
        with running(bounded_healer(make_process, kube, scene.release, tokens, **settings)):
            told = {"alertname": "NodeSick", "node": node}
            about = {"metadata": {"name": node}}
            policy, receiver = nodes.policy(level="Quarantine"), kube.as_user(tokens["receiver"])
            run = scene.start_run(policy, about, by=receiver, labels=told)
            nodes.wants_isolated(run, node)
        loses_release(scene)
        kube.delete("Namespace", scene.namespace)
        scene.timeline.want(
            MINUTES,
            "nothing but the run holds the namespace",
            lambda: _waits_for_the_run(kube.get("Namespace", scene.namespace) or {"status": {}}),
        )

        by_hand(admin, "uncordon", NODE=node, namespace=scene.namespace)
        by_hand(admin, "patch hr", RUN=run, namespace=scene.namespace)

    live = nodes.fleet.node(node)
    assert (nodes.fleet.taint(node), nodes.fleet.is_cordoned(node)) == ("", False)
    assert not is_marked(live)
    scene.timeline.want(
        MINUTES, "the namespace is gone", lambda: kube.get("Namespace", scene.namespace) is None
    )


def _waits_for_the_run(namespace: Object) -> bool:
    """Whether Kubernetes says of a namespace that it waits for a finalizer of ours."""
    told: list[Object] = namespace["status"].get("conditions") or []
    remaining = (each for each in told if each["type"] == "NamespaceFinalizersRemaining")
    return any("autoglm.io/undo" in each["message"] for each in remaining)
