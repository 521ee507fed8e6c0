"""Whatever breaks around a create, every alert that was accepted ends in exactly one run."""

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from healing_objects import (
    READY_SECONDS,
    MakePolicy,
    MakeProcess,
    Sender,
    Trust,
    allow,
    an_alert,
    token_of,
)
from healing_processes import HealingProcess, running
from kube import Kube
from persistent_senders import PersistentSender
from proxy_faults import Drop, FailAfterCommit, Fault, LoseReply, Match, Refuse
from recording_proxy import Moment, RecordingProxy, kill
from timeline import Timeline, within

CREATES = 3
"""Alerts of a delivery, and so its writes."""
FAULTS: list[Fault] = [
    Refuse(409, "Conflict"),
    Refuse(429, "TooManyRequests"),
    Refuse(500, "InternalError"),
    Refuse(503, "ServiceUnavailable"),
    Refuse(403, "Forbidden", 'User "x" cannot create resource "healingruns"'),
    FailAfterCommit(),
    LoseReply(),
    Drop(),
]
SOON = within(20)


def is_create(number: int) -> Match:
    """The create of this number."""
    count = itertools.count(1)
    return Match(verb="create", resource="healingruns", where=lambda _: next(count) == number)


def pods_of(kube: Kube, namespace: str) -> list[str]:
    runs = kube.list("HealingRun", namespace)
    return sorted(str(run["spec"]["alert"]["labels"]["pod"]) for run in runs)


@pytest.fixture
def policy(make_policy: MakePolicy) -> str:
    return make_policy().metadata.name


@pytest.fixture
def patient(
    policy: str, namespace: str, receiver: HealingProcess, sender: Sender
) -> PersistentSender:
    """A sender that repeats itself, and a receiver that knows a policy."""
    assert policy
    Timeline().want(SOON, "the policy is known", receiver.knows_a_policy)
    receiver.keep_port = True
    return PersistentSender(sender, namespace, [receiver])


@pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.name.lower())
@pytest.mark.parametrize("number", range(1, CREATES + 1))
def test_a_receiver_that_is_killed_stores_each_alert_once(
    kube: Kube, proxy: RecordingProxy, patient: PersistentSender, number: int, moment: Moment
) -> None:
    receiver, namespace = patient.sender.receiver, patient.namespace
    alerts = [an_alert(f"web-{index}", namespace) for index in range(CREATES)]
    # The caller is judged before, so that a kill meets nothing but creates.
    assert patient.deliver(an_alert("x", "elsewhere")).json()["outcomes"] == {"Unmatched": 1}
    proxy.reset()
    proxy.on_write(number, kill(receiver.pid), moment)

    answer = patient.deliver(*alerts)

    assert (answer.status_code, len(answer.json()["alerts"])) == (200, CREATES)
    assert patient.attempts > 2 or moment is Moment.ACKNOWLEDGED
    assert pods_of(kube, namespace) == [alert["labels"]["pod"] for alert in alerts]
    assert patient.deliver(*alerts).json()["outcomes"] == {"Known": CREATES}


@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: type(fault).__name__ + str(getattr(fault, "status", ""))
)
def test_a_broken_create_stores_each_alert_once(
    kube: Kube, proxy: RecordingProxy, patient: PersistentSender, fault: Fault
) -> None:
    namespace = patient.namespace
    stored: list[str] = []
    for number in range(1, CREATES + 1):
        alerts = [an_alert(f"web-{number}-{index}", namespace) for index in range(CREATES)]
        rule = proxy.inject(fault, is_create(number))
        before = patient.attempts

        answer = patient.deliver(*alerts)

        assert (rule.hits, answer.status_code) == (1, 200)
        assert patient.attempts == before + 2
        stored += [alert["labels"]["pod"] for alert in alerts]
    assert pods_of(kube, namespace) == sorted(stored)


def test_two_receivers_that_are_told_at_once_store_each_alert_once(
    kube: Kube, namespace: str, release: str, make_process: MakeProcess, policy: str, trust: Trust
) -> None:
    assert policy
    allow(kube, release, "alertmanager")
    token = token_of(kube, release, "alertmanager")
    both = [make_process("receiver", uid, tls_directory=str(trust.directory)) for uid in "ab"]
    alerts = [an_alert(f"web-{number:02}", namespace) for number in range(30)]
    with running(both[0]), running(both[1]), ThreadPoolExecutor() as threads:
        for each in both:
            Timeline().want(within(READY_SECONDS), "a receiver is ready", each.ready)
            Timeline().want(SOON, "the policy is known", each.knows_a_policy)
        senders = [Sender(each, trust, token) for each in both]
        posts = [threads.submit(sender.post, *alerts) for sender in senders]
        answers = [post.result() for post in posts]

    outcomes = sum((Counter[str](each.json()["outcomes"]) for each in answers), Counter[str]())
    assert outcomes == {"Stored": 30, "Known": 30}
    assert pods_of(kube, namespace) == [alert["labels"]["pod"] for alert in alerts]
