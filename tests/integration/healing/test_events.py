"""Flat events: who may match them, and one run for each episode whatever breaks."""

from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from healing_objects import (
    READY_SECONDS,
    MakePolicy,
    MakeProcess,
    Scene,
    Sender,
    Trust,
    allow,
    token_of,
)
from healing_processes import HealingProcess, running
from kube import Kube
from kubeconfig import Object
from persistent_senders import PersistentSender
from proxy_faults import Drop, FailAfterCommit, Fault, LoseReply, Match, Refuse
from recording_proxy import Moment, RecordingProxy, kill
from sick_pods import address_of
from timeline import Timeline, within

EPISODES = "autoglm-event-episodes"
EVENT: Object = {
    "alert": "HighCPUUsage",
    "instance": "192.168.1.100",
    "severity": "critical",
    "action": "trigger_restart_service",
}
ALERTS = [{"matchers": [{"name": "alertname", "matchType": "=", "value": "HighCPUUsage"}]}]
WRITES = 2
"""Of the first event of an episode: its note and its run."""
FAULTS: list[Fault] = [
    Refuse(409, "Conflict"),
    Refuse(429, "TooManyRequests"),
    Refuse(500, "InternalError"),
    Refuse(503, "ServiceUnavailable"),
    FailAfterCommit(),
    LoseReply(),
    Drop(),
]
SOON = within(20)


@pytest.fixture
def policy(kube: Kube, release: str, make_policy: MakePolicy) -> str:
    """A policy that is about the event, and the memory that the chart makes."""
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": EPISODES}}
    kube.create(body, release)
    allow(kube, release, "sender")
    return make_policy(alerts=ALERTS).metadata.name


@pytest.fixture
def receivers(
    make_process: MakeProcess, policy: str, namespace: str, trust: Trust
) -> Generator[list[HealingProcess]]:
    """Two replicas that take events for the test's namespace."""
    assert policy
    settings = {"tls_directory": str(trust.directory), "event_namespaces": f"{namespace},other"}
    both = [make_process("receiver", uid, **settings) for uid in ("one", "two")]
    with running(both[0]), running(both[1]):
        for each in both:
            each.keep_port = True
            Timeline().want(within(READY_SECONDS), "a receiver is ready", each.ready)
            Timeline().want(SOON, "the policy is known", each.knows_a_policy)
        yield both


@pytest.fixture
def senders(
    kube: Kube, release: str, namespace: str, receivers: list[HealingProcess], trust: Trust
) -> list[PersistentSender]:
    """One for each replica."""
    token = token_of(kube, release, "sender")
    return [PersistentSender(Sender(each, trust, token), namespace, [each]) for each in receivers]


def runs_of(kube: Kube, senders: list[PersistentSender]) -> list[Object]:
    return kube.list("HealingRun", senders[0].namespace)


def outcome(sender: PersistentSender, event: Object) -> str:
    answer = sender.event(event)
    assert answer.status_code == 200, answer.text
    (alert,) = answer.json()["alerts"]
    return str(alert["outcome"])


def test_an_event_is_a_run_with_a_wish_and_its_repetitions_are_the_same_run(
    kube: Kube, policy: str, senders: list[PersistentSender]
) -> None:
    one, two = senders

    outcomes = [outcome(each, EVENT) for each in (one, two, two, one)]

    assert outcomes == ["Stored", "Known", "Known", "Known"]
    (run,) = runs_of(kube, senders)
    alert = run["spec"]["alert"]
    assert (run["spec"]["policy"]["name"], alert["source"]) == (policy, "Event")
    assert (alert["actionHint"], alert["labels"]) == (
        "Restart",
        {"alertname": "HighCPUUsage", "instance": "192.168.1.100", "severity": "critical"},
    )


@pytest.mark.usefixtures("healer")
def test_an_event_about_the_address_of_a_pod_ends_in_its_repair(
    scene: Scene, senders: list[PersistentSender]
) -> None:
    sick = scene.pods.sicken()
    nobody = EVENT | {"instance": "198.51.100.1"}

    assert outcome(senders[0], EVENT | {"instance": address_of(sick)}) == "Stored"
    assert outcome(senders[1], nobody) == "Stored"

    phases = {
        run["spec"]["alert"]["labels"]["instance"]: run["metadata"]["name"]
        for run in runs_of(scene.kube, senders)
    }
    scene.wants_phase(phases[address_of(sick)], "Succeeded")
    scene.wants_phase(phases["198.51.100.1"], "Skipped")
    assert scene.reason(phases["198.51.100.1"], "Accepted") == "TargetAmbiguous"
    assert scene.evicted() == {sick["metadata"]["name"]: 1}


def test_another_wish_instance_or_severity_is_another_event(
    kube: Kube, senders: list[PersistentSender]
) -> None:
    events = [
        EVENT,
        EVENT | {"instance": "192.168.1.101"},
        EVENT | {"severity": "warning"},
        {key: EVENT[key] for key in ("alert", "instance", "severity")},
    ]

    assert [outcome(senders[0], event) for event in events] == ["Stored"] * 4
    assert len(runs_of(kube, senders)) == 4


def test_two_receivers_that_are_told_at_once_agree(
    kube: Kube, senders: list[PersistentSender]
) -> None:
    events = [EVENT | {"instance": f"10.0.0.{number}"} for number in range(5)]
    told = [(sender, event) for event in events for sender in senders for _ in range(4)]

    with ThreadPoolExecutor(len(told)) as threads:
        answers = [threads.submit(outcome, sender, event) for sender, event in told]
        outcomes = Counter(answer.result() for answer in answers)

    assert outcomes == {"Stored": 5, "Known": 35}
    assert len(runs_of(kube, senders)) == 5


@pytest.mark.parametrize(("minutes", "expected"), [(14, "Known"), (17, "Stored")])
def test_an_episode_ends_when_it_was_quiet(
    kube: Kube, release: str, senders: list[PersistentSender], minutes: float, expected: str
) -> None:
    one, two = senders
    outcome(one, EVENT)
    _age(kube, release, minutes)

    # The other replica has no memory of its own.
    assert outcome(two, EVENT) == expected
    assert outcome(two, EVENT) == "Known"
    started = {run["spec"]["alert"]["startsAt"] for run in runs_of(kube, senders)}
    assert len(started) == (1 if expected == "Known" else 2)


def _age(kube: Kube, release: str, minutes: float) -> None:
    """Let every episode be last heard of so long ago."""
    then = datetime.now(UTC) - timedelta(minutes=minutes)  # noqa: TID251 - the real clock counts
    live = kube.get("ConfigMap", EPISODES, release)
    assert live is not None
    data = {
        key: f"{text.partition(' ')[0]} {then.isoformat()}" for key, text in live["data"].items()
    }
    kube.patch("ConfigMap", EPISODES, release, {"data": data})


def test_only_policies_of_named_namespaces_that_allow_the_action_match(
    kube: Kube, release: str, senders: list[PersistentSender]
) -> None:
    unmatched = [EVENT | {"action": "clean_disk"}, EVENT | {"alert": "Other"}]

    assert [outcome(senders[0], event) for event in unmatched] == ["Unmatched"] * 2

    answer = senders[0].event(unmatched[0]).json()
    assert "events.namespaces" in answer["alerts"][0]["reason"]
    # What concerns nobody leaves no trace.
    live = kube.get("ConfigMap", EPISODES, release)
    assert live is not None
    assert (runs_of(kube, senders), live.get("data") or {}) == ([], {})


@pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.name.lower())
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_a_receiver_that_is_killed_stores_an_event_once(
    kube: Kube, proxy: RecordingProxy, senders: list[PersistentSender], number: int, moment: Moment
) -> None:
    sender, other = senders
    outcome(sender, EVENT | {"alert": "Other"})
    proxy.reset()
    proxy.on_write(number, kill(sender.sender.receiver.pid), moment)

    outcome(sender, EVENT)

    assert [outcome(each, EVENT) for each in (sender, other)] == ["Known"] * 2
    assert len(runs_of(kube, senders)) == 1


@pytest.mark.parametrize("resource", ["configmaps", "healingruns"])
@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: type(fault).__name__ + str(getattr(fault, "status", ""))
)
def test_a_broken_write_stores_an_event_once(
    kube: Kube,
    proxy: RecordingProxy,
    senders: list[PersistentSender],
    resource: str,
    fault: Fault,
) -> None:
    rule = proxy.inject(fault, Match(resource=resource, writes=True))

    outcome(senders[0], EVENT)

    assert rule.hits == 1
    assert [outcome(each, EVENT) for each in senders] == ["Known"] * 2
    assert len(runs_of(kube, senders)) == 1


MALFORMED: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"event!", "no JSON"),
    "a list": (b"[]", 'send {"alert"'),
    "no instance": (b'{"alert": "x"}', "instance: field required"),
    "an unknown action": (
        b'{"alert": "x", "instance": "1.2.3.4", "action": "reboot"}',
        "trigger_restart_service, clean_disk, isolate_node, scale_out",
    ),
    "deep nesting": (b'{"alert": ' + b"[" * 20 + b"]" * 20 + b"}", "deeper than 12"),
    "Alertmanager's document": (b'{"version": "4", "alerts": []}', "alert: field required"),
}


def test_a_malformed_event_is_told_why(senders: list[PersistentSender]) -> None:
    sender = senders[0].sender
    for what, (body, reason) in MALFORMED.items():
        answer = sender.receiver.deliver(body, sender.token, sender.trust.context, "/v1/events")
        assert (what, answer.status_code) == (what, 400)
        assert reason in answer.json()["error"]
    huge = b" " * (17 * 2**10)
    answer = sender.receiver.deliver(huge, sender.token, sender.trust.context, "/v1/events")
    assert answer.status_code == 413
    stranger = sender.receiver.deliver(EVENT, None, sender.trust.context, "/v1/events")
    assert stranger.status_code == 401


def test_a_missing_memory_is_named(
    kube: Kube, release: str, senders: list[PersistentSender]
) -> None:
    kube.delete("ConfigMap", EPISODES, release)

    answer = senders[0].sender.event(EVENT)

    assert answer.status_code == 503
    assert f"ConfigMap {EPISODES} of namespace {release} is missing" in answer.json()["error"]


def test_events_are_refused_while_no_namespace_is_named(sender: Sender) -> None:
    answer = sender.event(EVENT)

    assert answer.status_code == 400
    assert "events.namespaces" in answer.json()["error"]
