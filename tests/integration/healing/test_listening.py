"""The healer and real Alertmanagers: dead-man, silences and resolved alerts, just before acting."""

from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

import alertmanagers
from alertmanagers import Alertmanager
from autoglm_api.healingpolicy import HealingPolicy
from healing_objects import SOON, MakeProcess, Scene, an_alert
from healing_processes import HealingProcess, running
from kubeconfig import Object
from timeline import between

WATCHDOG: Object = {"labels": {"alertname": "Watchdog"}}


@pytest.fixture
def pair(tmp_path: Path) -> Generator[tuple[Alertmanager, Alertmanager]]:
    """Two Alertmanagers that send to nobody."""
    root = alertmanagers.root()
    both = alertmanagers.a_pair(root, tmp_path)
    for each in both:
        each.configure(None)
    with alertmanagers.running(*both):
        for each in both:
            each.push(WATCHDOG)
        yield both


@pytest.fixture
def listening(
    make_process: MakeProcess, pair: tuple[Alertmanager, Alertmanager]
) -> Generator[HealingProcess]:
    """A healer that asks both, and believes at once that an alert fires no more."""
    with running(make_process("healer", **asking(pair), alertmanager_settle="0s")) as process:
        yield process


def asking(pair: tuple[Alertmanager, Alertmanager]) -> dict[str, str]:
    """Settings of a healer that asks both."""
    return {
        "alertmanager_urls": ",".join(each.url for each in pair),
        "dead_man_mode": "Require",
        "dead_man_poll_seconds": "0.5",
    }


def fire(scene: Scene, policy: HealingPolicy, sick: Object, *peers: Alertmanager) -> str:
    """Tell Alertmanagers of a sick pod and store the run that follows."""
    alert = about(scene, sick)
    for peer in peers:
        peer.push(alert)
    known = next(
        each for each in peers[0].alerts() if each["labels"].get("pod") == alert["labels"]["pod"]
    )
    return scene.start_run(policy, sick, fingerprint=known["fingerprint"])


def about(scene: Scene, sick: Object) -> Object:
    """What Prometheus says of a sick pod."""
    return {"labels": an_alert(sick["metadata"]["name"], scene.namespace)["labels"]}


@pytest.mark.usefixtures("listening")
def test_heals_while_alerting_is_alive(
    scene: Scene, pair: tuple[Alertmanager, Alertmanager]
) -> None:
    sick = scene.pods.sicken()
    run = fire(scene, scene.make_policy(), sick, *pair)
    scene.wants_phase(run, "Succeeded")
    assert scene.evicted() == {sick["metadata"]["name"]: 1}


@pytest.mark.usefixtures("listening")
def test_a_silence_that_is_added_just_before_acting_holds(
    scene: Scene, pair: tuple[Alertmanager, Alertmanager]
) -> None:
    sick = scene.pods.sicken()
    policy = scene.make_policy(paused=True)
    run = fire(scene, policy, sick, *pair)
    scene.wants_reason(run, "Paused")
    silence = pair[1].silence({"pod": sick["metadata"]["name"]})

    scene.kube.patch("HealingPolicy", "crash", scene.namespace, {"spec": {"paused": False}})

    scene.wants_reason(run, "Silenced")
    assert scene.evicted() == Counter()
    message = progressing(scene, run)["message"]
    assert "a test (silenced by a test)" in message
    pair[1].unsilence(silence)
    scene.wants_phase(run, "Succeeded")


@pytest.mark.usefixtures("listening")
def test_a_silence_holds_nothing_of_a_policy_that_ignores_them(
    scene: Scene, pair: tuple[Alertmanager, Alertmanager]
) -> None:
    sick = scene.pods.sicken()
    pair[0].silence({"pod": sick["metadata"]["name"]})
    guards = {"cooldown": "0s", "maxWait": "10m", "silences": "Ignore"}
    run = fire(scene, scene.make_policy(guards=guards), sick, *pair)
    scene.wants_phase(run, "Succeeded")


def a_paused_run_whose_alert_resolves(scene: Scene, pair: tuple[Alertmanager, Alertmanager]) -> str:
    """A run that waits for its policy while the alert ends at every Alertmanager."""
    sick = scene.pods.sicken()
    run = fire(scene, scene.make_policy(paused=True), sick, *pair)
    scene.wants_reason(run, "Paused")
    for peer in pair:
        peer.resolve(about(scene, sick))
    return run


@pytest.mark.usefixtures("listening")
def test_an_alert_that_resolved_just_before_acting_ends_its_run(
    scene: Scene, pair: tuple[Alertmanager, Alertmanager]
) -> None:
    run = a_paused_run_whose_alert_resolves(scene, pair)

    scene.kube.patch("HealingPolicy", "crash", scene.namespace, {"spec": {"paused": False}})

    scene.wants_reason(run, "AlertResolved")
    assert scene.phase(run) == "Skipped"
    assert scene.evicted() == Counter()


@pytest.mark.usefixtures("listening")
def test_an_alert_that_resolved_while_its_run_waits_ends_it(
    scene: Scene, pair: tuple[Alertmanager, Alertmanager]
) -> None:
    run = a_paused_run_whose_alert_resolves(scene, pair)
    scene.timeline.start("the alert resolved")
    scene.timeline.want(
        between(0, 60), "the run ends", lambda: scene.reason(run) == "AlertResolved"
    )


@pytest.mark.usefixtures("listening")
def test_an_alert_that_one_peer_still_has_fires(
    scene: Scene, pair: tuple[Alertmanager, Alertmanager]
) -> None:
    """Of two peers only one is told by Prometheus: what one says holds."""
    sick = scene.pods.sicken()
    run = fire(scene, scene.make_policy(), sick, pair[1])
    scene.wants_phase(run, "Succeeded")


@pytest.mark.usefixtures("listening")
def test_one_peer_that_answers_is_enough(
    scene: Scene, pair: tuple[Alertmanager, Alertmanager]
) -> None:
    pair[0].kill()
    run = fire(scene, scene.make_policy(), scene.pods.sicken(), pair[1])
    scene.wants_phase(run, "Succeeded")


@pytest.fixture
def doubting(
    make_process: MakeProcess, pair: tuple[Alertmanager, Alertmanager]
) -> Generator[HealingProcess]:
    """A healer that asks both; one just started is not believed that an alert fires no more."""
    with running(make_process("healer", **asking(pair))) as process:
        yield process


def test_healing_freezes_when_nobody_answers_and_thaws_when_somebody_does(
    scene: Scene, pair: tuple[Alertmanager, Alertmanager], doubting: HealingProcess
) -> None:
    policy, sick = scene.make_policy(paused=True), scene.pods.sicken()
    run = fire(scene, policy, sick, *pair)
    scene.wants_reason(run, "Paused")
    for peer in pair:
        peer.kill()
    scene.kube.patch("HealingPolicy", "crash", scene.namespace, {"spec": {"paused": False}})

    scene.wants_reason(run, "DeadMan")
    assert scene.evicted() == Counter()
    scene.timeline.want(
        SOON, "the metric says so", lambda: doubting.metric("autoglm_healing_frozen") == 1
    )
    pair[0].start()
    scene.timeline.want(SOON, "one is back", pair[0].ready)
    pair[0].push(WATCHDOG, about(scene, sick))

    scene.wants_phase(run, "Succeeded")
    assert doubting.metric("autoglm_healing_frozen") == 0


def test_healing_freezes_when_the_watchdog_is_not_told_any_more(
    scene: Scene, pair: tuple[Alertmanager, Alertmanager], make_process: MakeProcess
) -> None:
    """Alertmanager lists an alert for minutes after Prometheus has died."""
    scene.timeline.stays(4, "the Watchdog is listed", lambda: watchdogs(pair[0]) == 1)
    with running(make_process("healer", **asking(pair), dead_man_timeout="3s")):
        run = fire(scene, scene.make_policy(), scene.pods.sicken(), *pair)
        scene.wants_reason(run, "DeadMan")
        assert watchdogs(pair[0]) == 1
        assert scene.evicted() == Counter()


def watchdogs(peer: Alertmanager) -> int:
    """How often it lists the alert that always fires."""
    return [each["labels"]["alertname"] for each in peer.alerts()].count("Watchdog")


def progressing(scene: Scene, run: str) -> Object:
    """The condition that says what a run does."""
    conditions: list[Object] = scene.run(run)["status"]["conditions"]
    return next(each for each in conditions if each["type"] == "Progressing")
