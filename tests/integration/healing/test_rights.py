"""Receiver and healer with the rights that the chart grants, within its admission policies."""

import pytest

from chart_accounts import bounded_healer, episodes_of, healer_deployment
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
from kube import KubeError
from timeline import Timeline, within


def test_an_alert_ends_in_a_repair_with_the_rights_of_the_chart(
    scene: Scene, trust: Trust, make_process: MakeProcess, accounts: dict[str, str]
) -> None:
    kube, release = scene.kube, scene.release
    deployment = healer_deployment(kube, release)
    receiver = make_process(
        "receiver", token=accounts["receiver"], tls_directory=str(trust.directory)
    )
    healer = bounded_healer(make_process, kube, release, accounts)
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
        episodes_name=episodes_of(release),
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
