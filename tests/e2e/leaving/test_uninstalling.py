"""`helm uninstall` on real nodes: what healing raised comes back first, nothing stays behind."""

import json
import subprocess
from collections.abc import Callable, Generator

import pytest

import images
import programs
from autoglm_api.alerts import Alert
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_operator.decisions import matching
from builders import a_container, a_deployment, a_namespace
from customresources import a_policy
from demo import stage
from demo_stage import forget_definitions
from healing_objects import an_alert, token_of
from kube import Kube
from kubeconfig import Object
from timeline import Timeline, within

RELEASE, SYSTEM, TEAM = "leaving", "leaving-system", "leaving-team"
HELM_SECONDS = 330.0
"""Longer than helm waits for a hook."""
GONE = within(180)


@pytest.fixture
def cleared(kube: Kube, nodes: list[str]) -> Generator[None]:
    """No release and no kinds of ours, before and after."""
    assert nodes
    forget_definitions(kube)
    try:
        yield
    finally:
        helm("uninstall", RELEASE, "--ignore-not-found", "--no-hooks")
        for name in (TEAM, SYSTEM):
            kube.delete("Namespace", name)
        Timeline().want(
            GONE,
            "the namespaces are gone",
            lambda: not any(kube.get("Namespace", name) for name in (TEAM, SYSTEM)),
        )
        forget_definitions(kube)


def helm(*words: str, values: Object | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm in the release's namespace."""
    program = programs.ensure(["helm"])["helm"]
    return subprocess.run(
        [str(program), *words, "--namespace", SYSTEM],
        input=json.dumps(values) if values is not None else None,
        text=True,
        capture_output=True,
        check=False,
        timeout=HELM_SECONDS,
    )


def install(*words: str, tag: str = "") -> None:
    """Install the chart with one replica of each process."""
    repository, built = images.ensure(["autoglm"])["autoglm"].reference.rsplit(":", 1)
    one = {name: {"replicas": 1} for name in ("operator", "receiver", "healer")}
    values: Object = {"image": {"repository": repository, "tag": tag or built}, **one}
    done = helm(
        *("install", RELEASE, str(stage.CHART), "--create-namespace", "--values", "-", *words),
        values=values,
    )
    assert done.returncode == 0, done.stderr


def left(kube: Kube) -> set[str]:
    """What there still is of the release, anywhere; the kinds are kept on purpose."""
    kinds = (
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "Deployment",
        "Job",
        "Role",
        "RoleBinding",
        "Secret",
        "Service",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    )
    of_the_release = f"app.kubernetes.io/instance={RELEASE}"
    found = {
        f"{kind} {each['metadata']['name']}"
        for kind in kinds
        for each in kube.list(kind, labels=of_the_release)
    }
    switch = kube.get("ConfigMap", "autoglm-healing", SYSTEM)
    return found | ({"the switch"} if switch is not None else set())


@pytest.mark.usefixtures("cleared")
def test_what_healing_raised_is_lowered_before_the_release_goes(
    kube: Kube, image: Callable[[str], str], busybox: str, timeline: Timeline
) -> None:
    image("autoglm")
    install("--wait", "--timeout", "3m")
    kube.create(a_namespace(TEAM))
    web = a_deployment("web", a_container(busybox, ["sleep", "3600"]))
    web["metadata"]["labels"] = {"app": "web"}
    kube.create(web, TEAM)
    more = {"maxReplicas": 3, "step": 1, "revertAfter": "23h"}
    policy = a_policy(
        "more",
        mode="Enforce",
        target={
            "kind": "Workload",
            "from": {"nameLabel": "deployment"},
            "selector": {"matchLabels": {"app": "web"}},
        },
        ladder=[{"action": "ScaleOut", "scaleOut": more}],
        verify={"stabilization": "1s", "timeout": "2m"},
    )
    timeline.want(GONE, "the workload runs", lambda: _ready(kube) == 1)
    stored = HealingPolicy.read(kube.create(policy, TEAM))
    told: Object = {"alertname": "KubePodCrashLooping", "namespace": TEAM, "deployment": "web"}
    run = matching.run_for(stored, Alert.model_validate(an_alert("web", TEAM, labels=told)))
    receiver = kube.as_user(token_of(kube, SYSTEM, f"{RELEASE}-receiver", audience=""))
    name = str(receiver.create(run, TEAM)["metadata"]["name"])
    timeline.want(GONE, "a pod was added", lambda: _ready(kube) == 2)

    timeline.start("helm uninstall")
    done = helm("uninstall", RELEASE)
    timeline.note("the release is gone")

    assert done.returncode == 0, done.stdout + done.stderr
    ended = kube.get("HealingRun", name, TEAM)
    assert ended is not None
    lease = ended["status"]["steps"][0]["lease"]
    assert lease["state"] == "Reverted"
    assert "the release is being uninstalled" in lease["message"]
    assert "finalizers" not in ended["metadata"]
    live = kube.get("Deployment", "web", TEAM)
    assert live is not None
    assert live["spec"]["replicas"] == 1
    assert "autoglm.io/lease" not in live["metadata"].get("annotations", {})
    timeline.want(GONE, "nothing is left of the release", lambda: left(kube) == set())


@pytest.mark.usefixtures("cleared")
def test_a_release_that_never_worked_goes_without_its_hook(kube: Kube, timeline: Timeline) -> None:
    install(tag="nobody-has-built-this")

    with_hook = helm("uninstall", RELEASE, "--timeout", "15s")
    without = helm("uninstall", RELEASE, "--no-hooks")

    assert with_hook.returncode != 0
    assert without.returncode == 0, without.stderr
    # What the hook made was not helm's to delete.
    timeline.want(
        GONE,
        "only the hook's own parts are left",
        lambda: all(each.endswith(f"{RELEASE}-undo") for each in left(kube)),
    )


def _ready(kube: Kube) -> int:
    found = kube.get("Deployment", "web", TEAM) or {}
    return int(found.get("status", {}).get("readyReplicas", 0))
