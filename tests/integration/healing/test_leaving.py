"""Nothing is left behind: before an uninstall, with a namespace, and where nobody can undo it."""

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

import people
from chart_accounts import bounded_healer, granted, healer_deployment
from healing_objects import SOON, MakeProcess, Scene
from healing_processes import HealingProcess, running
from kube import Kube
from leaving_scenes import (
    MINUTES,
    MORE,
    ON_NODES,
    SWITCH,
    an_autoscaler,
    another,
    autoscaler,
    deployment,
    is_marked,
    replicas,
    scaled,
    switch,
    undo,
)
from node_scenes import NodeScene
from people import Person
from proxy_faults import LoseReply, Match, Refuse


@pytest.mark.usefixtures("room")
def test_before_an_uninstall_everything_is_undone_and_the_switch_goes_with_the_healer(
    scene: Scene,
    accounts: dict[str, str],
    hook: Person,
    make_bounded: Callable[[], HealingProcess],
) -> None:
    with running(make_bounded()):
        run = scaled(scene, accounts)

        said = undo(hook, scene)

        assert said.code == 0, said.err
        assert said.lines[0].startswith(
            f"HealingRun {scene.namespace}/{run} holds Deployment web: spec.replicas was 2 and is 4"
        )
        assert said.lines[-1] == "Nothing is left that would have to be undone."
        assert (replicas(scene), is_marked(deployment(scene))) == (2, False)
        assert "finalizers" not in scene.run(run)["metadata"]
        lease = scene.run(run)["status"]["steps"][0]["lease"]
        assert lease["state"] == "Reverted"
        assert "the release is being uninstalled" in lease["message"]

        late = another(scene, accounts)
        scene.wants_reason(late, "Paused")
    found = switch(scene)
    assert found is not None
    assert found["data"] == {"paused": "true", "revert": "true"}
    scene.kube.delete("Deployment", healer_deployment(scene.kube, scene.release), scene.release)
    scene.timeline.want(SOON, "the switch goes with it", lambda: switch(scene) is None)


@pytest.mark.parametrize("field", ["minReplicas", "maxReplicas"])
@pytest.mark.usefixtures("room")
def test_the_bounds_of_an_autoscaler_return_before_an_uninstall(
    scene: Scene,
    accounts: dict[str, str],
    hook: Person,
    admin: Person,
    make_bounded: Callable[[], HealingProcess],
    field: str,
) -> None:
    """The lower one has helped; nobody makes use of the upper one, and its run is still open."""
    most = 8 if field == "minReplicas" else 2
    before = scene.kube.create(an_autoscaler(most), scene.namespace)["spec"]
    with running(make_bounded()):
        policy = scene.make_policy(ladder=[MORE], verify={"stabilization": "1s", "timeout": "1h"})
        receiver = scene.kube.as_user(accounts["receiver"])
        run = scene.start_run(policy, scene.pods.live()[0], by=receiver)
        scene.timeline.want(
            SOON, "the bound is raised", lambda: autoscaler(scene)["spec"] == before | {field: 4}
        )
        standing = admin.types("leases", "-n", scene.namespace)
        assert f"{run} holds HorizontalPodAutoscaler web: spec.{field} was 2 and is 4" in (
            standing.out
        )

        said = undo(hook, scene)

        assert said.code == 0, said.err
    assert (autoscaler(scene)["spec"], is_marked(autoscaler(scene))) == (before, False)
    lease = scene.run(run)["status"]["steps"][0]["lease"]
    assert lease["state"] == "Reverted"
    assert "the release is being uninstalled" in lease["message"]


@pytest.mark.usefixtures("room")
def test_a_pause_of_somebody_else_stays_as_it_was(
    scene: Scene,
    accounts: dict[str, str],
    hook: Person,
    make_bounded: Callable[[], HealingProcess],
) -> None:
    with running(make_bounded()):
        scaled(scene, accounts)
        own = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": SWITCH},
            "data": {"paused": "yes", "why": "maintenance"},
        }
        scene.kube.create(own, scene.release)

        said = undo(hook, scene)

        assert said.code == 0, said.err
        assert replicas(scene) == 2
    found = switch(scene)
    assert found is not None
    assert found["data"] == own["data"]
    assert "ownerReferences" not in found["metadata"]


@pytest.mark.usefixtures("room")
def test_what_nobody_can_undo_is_named(
    scene: Scene,
    accounts: dict[str, str],
    hook: Person,
    admin: Person,
    make_bounded: Callable[[], HealingProcess],
) -> None:
    with running(make_bounded()) as healer:
        run = scaled(scene, accounts)
        healer.stop()

    said = undo(hook, scene, "--timeout=5s")

    assert said.code == 1
    assert f"autoglm: {scene.namespace}/{run} could not be undone in time" in said.err
    assert "has no ready pod that could undo it" in said.err
    assert replicas(scene) == 4
    standing = admin.types("leases", "-n", scene.namespace)
    assert (standing.code, len(standing.lines)) == (0, 1)
    assert f"HealingRun {scene.namespace}/{run} holds Deployment web" in standing.out

    # Who comes later finds the switch as it was left, and goes on.
    with running(make_bounded()):
        again = undo(hook, scene)
    assert again.code == 0, again.err
    assert replicas(scene) == 2
    assert "Nothing stands" in admin.types("leases", "-n", scene.namespace).out


@pytest.mark.usefixtures("room")
def test_a_mark_whose_run_was_taken_by_force_is_named(
    scene: Scene,
    accounts: dict[str, str],
    admin: Person,
    make_bounded: Callable[[], HealingProcess],
) -> None:
    with running(make_bounded()) as healer:
        run = scaled(scene, accounts)
        healer.stop()
    scene.kube.delete("HealingRun", run, scene.namespace)
    force = {"metadata": {"finalizers": None}}
    scene.kube.patch("HealingRun", run, scene.namespace, force)
    assert scene.kube.get("HealingRun", run, scene.namespace) is None

    said = admin.types("leases", "-n", scene.namespace)

    assert said.code == 0
    (line,) = (each for each in said.lines if "Deployment web " in each)
    assert f"carries the mark of HealingRun {run}, which holds it no more" in line
    assert "spec.replicas was 2 and became 4" in line
    assert line.endswith(f"kubectl annotate deployments web autoglm.io/lease- -n {scene.namespace}")


def test_an_open_run_is_given_the_time_to_notice_the_switch(
    scene: Scene,
    accounts: dict[str, str],
    hook: Person,
    make_bounded: Callable[[], HealingProcess],
) -> None:
    """A healer that had just looked may still begin; nothing of it may be overlooked."""
    with running(make_bounded()):
        closed = [{"schedule": "0 0 29 2 *", "duration": "1m"}]
        policy = scene.make_policy(guards={"windows": closed})
        receiver = scene.kube.as_user(accounts["receiver"])
        run = scene.start_run(policy, scene.pods.sicken(), by=receiver)
        scene.wants_reason(run, "OutsideWindow")
        assert undo(hook, scene, "--timeout=5s").code == 1
        begin = scene.timeline.now
        assert undo(hook, scene).code == 0
        assert scene.timeline.now - begin >= 15
    assert scene.phase(run) == "Held"


@pytest.mark.usefixtures("accounts")
def test_without_healer_and_without_changes_there_is_nothing_to_do(
    scene: Scene, hook: Person
) -> None:
    name = healer_deployment(scene.kube, scene.release)
    scene.kube.delete("Deployment", name, scene.release)
    said = undo(hook, scene)
    assert (said.code, switch(scene)) == (0, None), said.err


@pytest.mark.parametrize(
    "fault", [LoseReply(), Refuse(500), Refuse(429, "TooManyRequests")], ids=str
)
@pytest.mark.usefixtures("room")
def test_one_failure_of_the_api_server_is_no_reason_to_give_up(
    scene: Scene,
    accounts: dict[str, str],
    hook: Person,
    make_bounded: Callable[[], HealingProcess],
    fault: LoseReply | Refuse,
) -> None:
    with running(make_bounded()):
        scaled(scene, accounts)
        scene.proxy.inject(fault, Match(verb="create", resource="configmaps"))

        said = undo(hook, scene)

        assert said.code == 0, said.err
        assert "once more" in said.err
    assert replicas(scene) == 2


def test_a_node_returns_before_an_uninstall(
    nodes: NodeScene, make_process: MakeProcess, tmp_path: Path
) -> None:
    scene, node = nodes.scene, nodes.fleet.busy()
    with isolating(nodes, make_process) as (tokens, start):
        run = start()
        nodes.wants_isolated(run, node)
        hook = people.with_token(scene.proxy.access(), tmp_path, "undo", tokens["undo"])

        said = undo(hook, scene)

        assert said.code == 0, said.err
        assert said.lines[0].startswith(f"HealingRun {scene.namespace}/{run} holds Node {node}: ")
    nodes.wants_undone(run, node)
    assert (nodes.fleet.taint(node), nodes.fleet.is_cordoned(node)) == ("", False)


@contextlib.contextmanager
def isolating(
    nodes: NodeScene, make_process: MakeProcess
) -> Generator[tuple[dict[str, str], Callable[[], str]]]:
    """A healer with the chart's rights over nodes: its tokens, and what quarantines the node."""
    scene = nodes.scene
    settings = {"node_healing": "true", "trusted_namespaces": scene.namespace}
    with granted(scene.kube, scene.release, scene.namespace, settings=ON_NODES) as tokens:

        def start() -> str:
            node = nodes.fleet.busy()
            receiver = scene.kube.as_user(tokens["receiver"])
            policy = nodes.policy(level="Quarantine")
            labels = {"alertname": "NodeSick", "node": node}
            about = {"metadata": {"name": node}}
            return scene.start_run(policy, about, by=receiver, labels=labels)

        with running(bounded_healer(make_process, scene.kube, scene.release, tokens, **settings)):
            yield tokens, start


def test_a_node_returns_with_the_namespace_of_its_policy(
    nodes: NodeScene, kube: Kube, make_process: MakeProcess
) -> None:
    """Nothing of the namespace holds the node: neither its policy nor its run outlives it."""
    scene, node = nodes.scene, nodes.fleet.busy()
    with isolating(nodes, make_process) as (_, start):
        run = start()
        nodes.wants_isolated(run, node)

        kube.delete("Namespace", scene.namespace)

        scene.timeline.want(
            MINUTES, "the node is not tainted any more", lambda: not nodes.fleet.taint(node)
        )
        scene.timeline.want(
            MINUTES,
            "the run is gone",
            lambda: kube.get("HealingRun", run, scene.namespace) is None,
        )
    live = nodes.fleet.node(node)
    assert not nodes.fleet.is_cordoned(node)
    assert not is_marked(live)
    scene.timeline.want(
        MINUTES, "the namespace is gone", lambda: kube.get("Namespace", scene.namespace) is None
    )


@pytest.mark.usefixtures("room")
def test_a_namespace_goes_although_a_run_in_it_holds_something(
    scene: Scene,
    accounts: dict[str, str],
    make_bounded: Callable[[], HealingProcess],
) -> None:
    with running(make_bounded()):
        run = scaled(scene, accounts)

        scene.kube.delete("Namespace", scene.namespace)

        scene.timeline.want(
            MINUTES,
            "the run is gone",
            lambda: scene.kube.get("HealingRun", run, scene.namespace) is None,
        )
