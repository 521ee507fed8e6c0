"""Receiver and healer with the rights that the chart grants, within its admission policies."""

import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml

import programs
from healing_objects import (
    READY_SECONDS,
    SOON,
    MakeProcess,
    Scene,
    Sender,
    Trust,
    allow,
    an_alert,
    token_of,
)
from healing_processes import running
from kube import Kube, KubeError
from timeline import Timeline, within

CHART = Path(__file__).parents[3] / "charts" / "autoglm-operator"
RELEASE = "rights"

WANTED = (
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)
EPISODES = f"{RELEASE}-event-episodes"
EVERYWHERE = frozenset({"ClusterRole", "ClusterRoleBinding", *WANTED[-2:]})


def rendered(release: str) -> list[dict[str, Any]]:
    """What the chart grants and forbids, and the healer's Deployment without pods."""
    helm = programs.ensure(["helm"])["helm"]
    done = subprocess.run(
        [
            *(str(helm), "template", RELEASE, str(CHART), "--namespace", release),
            *("--set", "events.namespaces={team-a}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    documents = [each for each in yaml.safe_load_all(done.stdout) if each]
    kept = [each for each in documents if each["kind"] in WANTED]
    for each in documents:
        if each["metadata"]["name"] == EPISODES:
            kept.append(each)
        if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("-healer"):
            each["spec"]["replicas"] = 0
            kept.append(each)
    return kept


@pytest.fixture
def accounts(kube: Kube, release: str) -> Generator[dict[str, str]]:
    """Tokens of the chart's ServiceAccounts by component."""
    objects = rendered(release)
    try:
        for each in objects:
            kube.apply(each, release)
        names = [each["metadata"]["name"] for each in objects if each["kind"] == "ServiceAccount"]
        yield {
            name.rpartition("-")[2]: token_of(kube, release, name, audience="") for name in names
        }
    finally:
        for each in objects:
            # Left behind, the policies would refuse what other tests create.
            if each["kind"] in EVERYWHERE:
                kube.delete(each["kind"], each["metadata"]["name"])


def test_an_alert_ends_in_a_repair_with_the_rights_of_the_chart(
    scene: Scene, trust: Trust, make_process: MakeProcess, accounts: dict[str, str]
) -> None:
    kube, release = scene.kube, scene.release
    deployment = next(
        each["metadata"]["name"]
        for each in kube.list("Deployment", release)
        if each["metadata"]["name"].endswith("-healer")
    )
    receiver = make_process(
        "receiver", token=accounts["receiver"], tls_directory=str(trust.directory)
    )
    healer = make_process(
        "healer",
        token=accounts["healer"],
        admission="Required",
        deployment_name=deployment,
        lease_name=deployment,
    )
    scene.make_policy()
    with running(receiver), running(healer):
        Timeline().want(within(READY_SECONDS), "the receiver is ready", receiver.ready)
        scene.wants_accepted()
        allow(kube, release, "alertmanager")
        sender = Sender(receiver, trust, token_of(kube, release, "alertmanager"))
        sick = scene.pods.sicken()

        answer = sender.post(an_alert(sick["metadata"]["name"], scene.namespace))

        assert answer.json()["outcomes"] == {"Stored": 1}
        (run,) = kube.list("HealingRun", scene.namespace)
        scene.wants_phase(run["metadata"]["name"], "Succeeded")
    assert scene.evicted() == {sick["metadata"]["name"]: 1}
    forbidden = [record.call for record in scene.proxy.records() if record.status == 403]
    assert [str(call) for call in forbidden] == []
    proofs = [record for record in scene.proxy.records() if record.call.dry_run]
    assert {(proof.call.name, proof.applied) for proof in proofs[-1:]} == {(deployment, False)}


def test_an_event_is_stored_with_the_rights_of_the_chart(
    scene: Scene, trust: Trust, make_process: MakeProcess, accounts: dict[str, str]
) -> None:
    kube, release = scene.kube, scene.release
    receiver = make_process(
        "receiver",
        token=accounts["receiver"],
        tls_directory=str(trust.directory),
        event_namespaces=scene.namespace,
        episodes_name=EPISODES,
    )
    scene.make_policy()
    allow(kube, release, "sender")
    sender = Sender(receiver, trust, token_of(kube, release, "sender"))
    event = {"alert": "KubePodCrashLooping", "instance": "10.0.0.1", "action": "scale_out"}
    with running(receiver):
        Timeline().want(within(READY_SECONDS), "the receiver is ready", receiver.ready)
        Timeline().want(SOON, "the policy is known", receiver.knows_a_policy)
        wishes = ("scale_out", "trigger_restart_service", "trigger_restart_service")
        outcomes = [sender.event(event | {"action": wish}).json()["outcomes"] for wish in wishes]
    assert outcomes == [{"Unmatched": 1}, {"Stored": 1}, {"Known": 1}]
    forbidden = [record.call for record in scene.proxy.records() if record.status == 403]
    assert [str(call) for call in forbidden] == []


@pytest.mark.usefixtures("accounts")
def test_nobody_but_the_receiver_creates_runs(scene: Scene) -> None:
    policy, pod = scene.make_policy(), scene.pods.sicken()

    def refused() -> bool:
        try:
            run = scene.start_run(policy, pod)
        except KubeError as error:
            return error.status in (403, 422) and "created by the receiver" in error.message
        scene.kube.delete("HealingRun", run, scene.namespace)
        return False

    scene.timeline.want(SOON, "the policy is in force", refused)
