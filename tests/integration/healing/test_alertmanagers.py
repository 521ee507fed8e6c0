"""Real Alertmanagers and the receiver: every caller is let in, rotated under fire, nothing lost."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import alertmanagers
from alertmanagers import Alertmanager, Webhook
from autoglm_operator.clients.alertmanager import AlertmanagerAccess, AlertmanagerClient
from autoglm_operator.decisions.silences import silenced_by
from client_certificates import a_client_authority, replace
from healing_objects import (
    READY_SECONDS,
    MakePolicy,
    MakeProcess,
    Trust,
    allow,
    token_of,
)
from healing_processes import HealingProcess, running
from kube import Kube
from kubeconfig import Object
from timeline import Timeline, within

SOON = within(90)
"""Generous: Alertmanager repeats what failed after some seconds."""
SHOTS = 40
"""Alerts of one rotation. Arbitrary, because it only has to take longer than the rotation."""
PAUSE_SECONDS = 0.4
CALLER = "alertmanager.monitoring"
OLD_TOKEN, NEW_TOKEN = "static-token-old-0001", "static-token-new-0002"


@dataclass
class Way:
    """One way to show who one is: what the receiver and the sender are told, and its rotation."""

    settings: dict[str, str]
    token_file: Path | None
    certificate: tuple[Path, Path] | None
    rotate: Callable[[HealingProcess], None]


def a_static_token(directory: Path) -> Way:
    """A Secret with one key; the new token joins the old one, then the old one goes."""
    tokens, sent = directory / "tokens", directory / "sent-token"
    tokens.mkdir()
    replace(tokens / "alertmanager", OLD_TOKEN.encode())
    replace(sent, OLD_TOKEN.encode())

    def rotate(_: HealingProcess) -> None:
        replace(tokens / "alertmanager", f"{OLD_TOKEN}\n{NEW_TOKEN}\n".encode())
        replace(sent, NEW_TOKEN.encode())
        threading.Event().wait(3)
        replace(tokens / "alertmanager", NEW_TOKEN.encode())

    return Way({"token_directory": str(tokens)}, sent, None, rotate)


def a_client_certificate(directory: Path) -> Way:
    """An authority of callers; a new one joins it, signs the sender anew, and the old one goes."""
    authority, sent = directory / "callers.crt", directory / "sent"
    sent.mkdir()
    old, new = a_client_authority("old"), a_client_authority("new")
    replace(authority, old.pem)
    files = old.write(sent, CALLER)

    def loaded(receiver: HealingProcess, times: int) -> None:
        Timeline().want(
            within(30),
            "the authorities are loaded",
            lambda: receiver.log.read_bytes().count(b"certificate renewed") >= times,
        )

    def rotate(receiver: HealingProcess) -> None:
        replace(authority, old.pem + new.pem)
        loaded(receiver, 1)
        new.write(sent, CALLER)
        threading.Event().wait(3)
        replace(authority, new.pem)
        loaded(receiver, 2)

    told = {"client_authority_file": str(authority), "client_names": f"somebody,{CALLER}"}
    return Way(told, None, files, rotate)


def an_account_token(directory: Path, kube: Kube, release: str) -> Way:
    """A ServiceAccount; the new token is valid beside the old one."""
    allow(kube, release, "alertmanager")
    sent = directory / "sent-token"
    replace(sent, token_of(kube, release, "alertmanager").encode())

    def rotate(_: HealingProcess) -> None:
        replace(sent, token_of(kube, release, "alertmanager").encode())

    return Way({}, sent, None, rotate)


@dataclass
class Ground:
    """What every test here needs, and what it makes of it."""

    kube: Kube
    namespace: str
    release: str
    directory: Path
    trust: Trust
    make_process: MakeProcess
    root: Path

    def way(self, name: str) -> Way:
        """One of the three ways to show who one is."""
        if name == "static":
            return a_static_token(self.directory)
        if name == "certificate":
            return a_client_certificate(self.directory)
        return an_account_token(self.directory, self.kube, self.release)

    def receiver(self, **settings: str) -> HealingProcess:
        """A receiver that does not run yet."""
        return self.make_process("receiver", tls_directory=str(self.trust.directory), **settings)

    def sender(self) -> Alertmanager:
        """An Alertmanager that does not run yet."""
        return Alertmanager(self.root, self.directory, "alertmanager")

    def webhook(self, receiver: HealingProcess, way: Way, max_alerts: int = 0) -> Webhook:
        """Where and how Alertmanager sends."""
        return Webhook(
            url=f"https://127.0.0.1:{receiver.webhook_port}/v1/alertmanager",
            ca_file=self.trust.authority,
            token_file=way.token_file,
            certificate=way.certificate,
            max_alerts=max_alerts,
        )

    def stored(self) -> Counter[str]:
        """How many runs there are for each pod."""
        return Counter(name for name, _ in self._runs())

    def sources(self) -> dict[str, str]:
        """Who reported each pod."""
        return dict(self._runs())

    def wants_one_run_each(self, pods: list[str]) -> None:
        """Wait until all are stored, and no other."""
        Timeline().want(SOON, "every alert is stored", lambda: set(self.stored()) >= set(pods))
        assert self.stored() == Counter(pods)

    def _runs(self) -> list[tuple[str, str]]:
        alerts = [run["spec"]["alert"] for run in self.kube.list("HealingRun", self.namespace)]
        return [(alert["labels"]["pod"], alert["source"]) for alert in alerts]

    def alert(self, pod: str, *, namespace: str = "", minutes_ago: float = 0) -> Object:
        """An alert as Prometheus tells Alertmanager."""
        began = datetime.now(UTC) - timedelta(minutes=minutes_ago)  # noqa: TID251 - the real clock
        where = namespace or self.namespace
        labels = {"alertname": "KubePodCrashLooping", "namespace": where, "pod": pod}
        return {"labels": labels, "startsAt": began.isoformat(timespec="milliseconds")}


@pytest.fixture
def ground(request: pytest.FixtureRequest, make_policy: MakePolicy) -> Ground:
    make_policy()
    return Ground(
        kube=request.getfixturevalue("kube"),
        namespace=request.getfixturevalue("namespace"),
        release=request.getfixturevalue("release"),
        directory=request.getfixturevalue("tmp_path"),
        trust=request.getfixturevalue("trust"),
        make_process=request.getfixturevalue("make_process"),
        root=alertmanagers.root(),
    )


def wants_ready(receiver: HealingProcess) -> None:
    Timeline().want(within(READY_SECONDS), "the receiver is ready", receiver.ready)
    Timeline().want(SOON, "the policy is known", receiver.knows_a_policy)


@pytest.mark.parametrize("name", ["account", "static", "certificate"])
def test_a_caller_is_rotated_under_fire(ground: Ground, timeline: Timeline, name: str) -> None:
    way, sender = ground.way(name), ground.sender()
    receiver = ground.receiver(**way.settings)
    pods = [f"web-{number}" for number in range(SHOTS)]
    with running(receiver):
        wants_ready(receiver)
        sender.configure(ground.webhook(receiver, way))
        with alertmanagers.running(sender):
            rotation = threading.Thread(target=way.rotate, args=[receiver])
            for number, pod in enumerate(pods):
                sender.push(ground.alert(pod))
                if number == SHOTS // 4:
                    rotation.start()
                threading.Event().wait(PAUSE_SECONDS)
            rotation.join(60)
            assert not rotation.is_alive()
            last = "web-after-the-rotation"
            sender.push(ground.alert(last))
            ground.wants_one_run_each([*pods, last])
            repeated = sender.metric("alertmanager_notification_requests_failed_total")
    assert set(ground.sources().values()) == {"Alertmanager"}
    timeline.note(f"{SHOTS + 1} alerts arrived, {repeated:g} requests had to be repeated")


def test_alerts_fired_while_the_receiver_is_killed_arrive(ground: Ground) -> None:
    way, sender, receiver = ground.way("account"), ground.sender(), ground.receiver()
    receiver.keep_port = True
    pods = [f"web-{number}" for number in range(20)]
    with running(receiver):
        wants_ready(receiver)
        sender.configure(ground.webhook(receiver, way))
        with alertmanagers.running(sender):
            for number, pod in enumerate(pods):
                sender.push(ground.alert(pod))
                if number % 6 == 5:
                    receiver.kill()
                    receiver.start()
                threading.Event().wait(PAUSE_SECONDS)
            ground.wants_one_run_each(pods)


@dataclass
class Stage:
    """A receiver that polls its senders."""

    ground: Ground
    receiver: HealingProcess
    senders: list[Alertmanager]
    way: Way

    def send(self, max_alerts: int = 0, **route: object) -> None:
        """Configure every sender to send to the receiver."""
        for sender in self.senders:
            sender.configure(self.ground.webhook(self.receiver, self.way, max_alerts), **route)


def staged(ground: Ground, senders: list[Alertmanager]) -> Generator[Stage]:
    way = ground.way("account")
    receiver = ground.receiver(alertmanager_urls=",".join(sender.url for sender in senders))
    with running(receiver):
        wants_ready(receiver)
        yield Stage(ground, receiver, senders, way)


@pytest.fixture
def alone(ground: Ground) -> Generator[Stage]:
    """One Alertmanager."""
    yield from staged(ground, [ground.sender()])


@pytest.fixture
def pair(ground: Ground) -> Generator[Stage]:
    """Two Alertmanagers that gossip."""
    yield from staged(ground, list(alertmanagers.a_pair(ground.root, ground.directory)))


def test_what_a_delivery_left_out_is_fetched_at_once(ground: Ground, alone: Stage) -> None:
    (sender,) = alone.senders
    alone.send(max_alerts=2, group_by=["alertname"])
    pods = [f"web-{number}" for number in range(6)]
    with alertmanagers.running(sender):
        sender.push(*(ground.alert(pod) for pod in pods))
        Timeline().want(within(40), "all are stored", lambda: ground.stored() == Counter(pods))
    assert Counter(ground.sources().values()) == {"Alertmanager": 2, "Poller": 4}
    assert alone.receiver.metric("autoglm_alerts_truncated_total") == 4
    assert alone.receiver.metric('autoglm_alerts_polled_total{outcome="Stored"}') == 4


def test_a_payload_of_somebody_s_own_is_refused_with_the_reason(
    ground: Ground, alone: Stage
) -> None:
    (sender,) = alone.senders
    sender.configure(
        replaced(ground.webhook(alone.receiver, alone.way), payload={"text": "{{ .Status }}"})
    )
    with alertmanagers.running(sender):
        sender.push(ground.alert("web-1"))
        Timeline().want(
            SOON,
            "Alertmanager's log says what to do",
            lambda: "webhook_config without a custom payload" in sender.log.read_text(),
        )
        assert alone.receiver.metric('autoglm_deliveries_total{code="400"}') >= 1
    assert ground.stored() == Counter()


def test_only_what_should_have_arrived_is_found(ground: Ground, alone: Stage) -> None:
    (sender,) = alone.senders
    # It sends to nobody: whatever it knows was lost on the way.
    sender.configure(None)
    with alertmanagers.running(sender):
        sender.silence({"pod": "silenced"})
        sender.push(
            ground.alert("lost", minutes_ago=3),
            ground.alert("silenced", minutes_ago=3),
            ground.alert("young"),
            ground.alert("foreign", namespace="elsewhere", minutes_ago=3),
        )
        Timeline().want(within(100), "the poll found it", lambda: "lost" in ground.stored())
        assert ground.sources() == {"lost": "Poller"}
        assert alone.receiver.metric("autoglm_poll_timestamp_seconds") > 0
        assert alone.receiver.metric("autoglm_alertmanagers_silent") == 0


def test_a_pair_that_is_partitioned_stores_every_alert_once(ground: Ground, pair: Stage) -> None:
    one, two = pair.senders
    pair.send()
    known = 'autoglm_alerts_total{outcome="Known"}'
    with alertmanagers.running(one, two):
        together, alone = ground.alert("together"), ground.alert("apart")
        for sender in (one, two):
            sender.push(together)
        ground.wants_one_run_each(["together"])
        with alertmanagers.apart([one, two]):
            for sender in (one, two):
                sender.push(alone)
            ground.wants_one_run_each(["together", "apart"])
            # Neither hears that the other has sent.
            Timeline().want(SOON, "both sent it", lambda: pair.receiver.metric(known) >= 1)
            silence = one.silence({"pod": "apart"})
            assert two.silences() == []
            asyncio.run(_union(pair, silence))
        Timeline().want(SOON, "they gossip again", lambda: len(two.silences()) == 1)
        ground.wants_one_run_each(["together", "apart"])


async def _union(pair: Stage, silence: str) -> None:
    """What one of two knows holds, and who does not answer is named."""
    urls, nobody = tuple(sender.url for sender in pair.senders), "http://127.0.0.1:1"
    now = datetime.now(UTC)  # noqa: TID251 - the real clock counts
    client = AlertmanagerClient(AlertmanagerAccess((*urls, nobody)))
    try:
        silences = await client.silences(now)
        alerts = await client.alerts(['alertname="KubePodCrashLooping"'], receiver="autoglm")
        others = await client.alerts(receiver="autoglm.*")
    finally:
        await client.close()
    assert ([each.id for each in silences.items], silences.reachable) == ([silence], urls)
    assert list(silences.failures) == [nobody]
    muted = silenced_by(silences.items, pair.ground.alert("apart")["labels"])
    assert muted is not None
    # The other one still calls it active: both questions must be asked.
    assert {each.labels["pod"] for each in alerts.items} == {"together", "apart"}
    assert others.items == ()
