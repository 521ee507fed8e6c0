"""From a delivery to stored runs: answered only when stored, stored only once."""

import httpx
import pytest

from healing_objects import MakePolicy, Sender, Trust, an_alert, token_of
from healing_processes import HealingProcess
from kube import Kube
from proxy_faults import FailAfterCommit, LoseReply, Match, Refuse
from recording_proxy import Moment, RecordingProxy
from timeline import Timeline, within

CREATES = Match(verb="create", resource="healingruns")
SOON = within(20)


def known(receiver: HealingProcess, count: int = 1) -> None:
    """Wait until the receiver has seen the policies; before that nothing matches."""
    Timeline().want(
        SOON,
        "the receiver knows the policy",
        lambda: receiver.log.read_bytes().count(b"policy learnt") >= count,
    )


@pytest.fixture
def policy(make_policy: MakePolicy, sender: Sender) -> str:
    made = make_policy()
    known(sender.receiver)
    return made.metadata.name


def test_an_alert_is_stored_before_it_is_answered(
    kube: Kube, namespace: str, proxy: RecordingProxy, sender: Sender, policy: str
) -> None:
    order: list[str] = []
    proxy.reset()
    proxy.on_write(1, lambda _: order.append("stored"), Moment.APPLIED)

    answer = sender.post(an_alert("web-1", namespace))
    order.append("answered")

    assert (answer.status_code, answer.json()["outcomes"]) == (200, {"Stored": 1})
    assert order == ["stored", "answered"]
    (run,) = kube.list("HealingRun", namespace)
    assert run["spec"]["policy"]["name"] == policy
    assert run["spec"]["alert"]["labels"]["pod"] == "web-1"


def test_a_second_delivery_stores_nothing(
    kube: Kube, namespace: str, sender: Sender, policy: str
) -> None:
    assert policy
    alert = an_alert("web-1", namespace)

    answers = [sender.post(alert).json()["outcomes"] for _ in range(3)]

    assert answers == [{"Stored": 1}, {"Known": 1}, {"Known": 1}]
    assert len(kube.list("HealingRun", namespace)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Refuse(429, "TooManyRequests"),
        Refuse(500, "InternalError"),
        Refuse(503, "ServiceUnavailable"),
        FailAfterCommit(),
        LoseReply(),
    ],
    ids=lambda fault: type(fault).__name__ + str(getattr(fault, "status", "")),
)
def test_what_is_not_surely_stored_is_asked_for_again(
    kube: Kube,
    namespace: str,
    proxy: RecordingProxy,
    sender: Sender,
    policy: str,
    fault: Refuse,
) -> None:
    assert policy
    proxy.inject(fault, CREATES)
    alerts = [an_alert("web-1", namespace), an_alert("web-2", namespace)]

    first, second = sender.post(*alerts), sender.post(*alerts)

    assert (first.status_code, second.status_code) == (503, 200)
    assert len(kube.list("HealingRun", namespace)) == 2


def test_answers_503_while_the_api_server_is_away(
    kube: Kube, namespace: str, proxy: RecordingProxy, sender: Sender, policy: str
) -> None:
    assert policy
    alert = an_alert("web-1", namespace)
    with proxy.outage():
        stranger = sender.post(alert).status_code
    sender.post(an_alert("web-2", namespace))
    with proxy.outage():
        friend = sender.post(alert).status_code

    assert (stranger, friend) == (503, 503)
    assert sender.post(alert).status_code == 200
    assert len(kube.list("HealingRun", namespace)) == 2


def test_one_refused_alert_does_not_cost_the_others(
    kube: Kube, namespace: str, proxy: RecordingProxy, sender: Sender, policy: str
) -> None:
    proxy.inject(Refuse(403, "Forbidden", "exceeded quota: runs"), CREATES)
    bad = an_alert("web-3", namespace, startsAt="yesterday")

    answer = sender.post(an_alert("web-1", namespace), bad, an_alert("web-2", namespace))

    assert answer.status_code == 200
    assert answer.json()["outcomes"] == {"Malformed": 1, "Stored": 1, "Refused": 1}
    assert any("alerts[1].startsAt" in problem for problem in answer.json()["problems"])
    assert len(kube.list("HealingRun", namespace)) == 1
    events = [
        event
        for event in kube.list("Event.events.k8s.io", namespace)
        if event["reason"] == "AlertRefused"
    ]
    assert [event["regarding"]["name"] for event in events] == [policy]
    assert sender.receiver.metric('autoglm_alerts_total{outcome="Refused"}') == 1


def test_alerts_that_concern_nobody_are_counted_and_not_stored(
    kube: Kube, namespace: str, sender: Sender, policy: str
) -> None:
    assert policy
    resolved = an_alert("web-1", namespace, status="resolved")
    foreign = an_alert("web-2", "elsewhere")
    other = an_alert("web-3", namespace, labels={"alertname": "Other", "namespace": namespace})

    answer = sender.post(resolved, foreign, other)

    assert (answer.status_code, answer.json()["outcomes"]) == (200, {"Resolved": 1, "Unmatched": 2})
    assert kube.list("HealingRun", namespace) == []
    assert sender.receiver.metric('autoglm_alerts_total{outcome="Unmatched"}') == 2


MALFORMED = {
    "no JSON": (b"alert!", "no JSON"),
    "a list": (b"[]", "no JSON object"),
    "another version": (b'{"version": "3"}', "version '3'"),
    "no alerts": (b'{"version": "4", "groupKey": "x"}', "alerts: field required"),
    "deep nesting": (b'{"version": ' + b"[" * 20 + b"]" * 20 + b"}", "deeper than 12"),
    "very deep nesting": (b"[" * 100_000, "no JSON"),
    "only alerts that cannot be read": (
        b'{"version": "4", "groupKey": "x", "alerts": [{}]}',
        "No alert of this delivery can be read",
    ),
}


def test_a_malformed_delivery_is_told_why(sender: Sender) -> None:
    for what, (body, reason) in MALFORMED.items():
        answer = sender.receiver.deliver(body, sender.token, sender.trust.context)

        assert (what, answer.status_code) == (what, 400)
        assert reason in answer.json()["error"]


def test_a_huge_delivery_is_refused(sender: Sender) -> None:
    answer = sender.receiver.deliver(b" " * (11 * 2**20), sender.token, sender.trust.context)

    assert answer.status_code == 413


def test_only_callers_with_the_right_are_heard(
    kube: Kube, namespace: str, release: str, sender: Sender, policy: str
) -> None:
    assert policy
    tokens = {
        "nobody": None,
        "nonsense": "nonsense",
        "another audience": token_of(
            kube, release, "alertmanager", "https://kubernetes.default.svc"
        ),
        "no right": token_of(kube, release, "stranger"),
        "the right": sender.token,
    }

    answers: dict[str, httpx.Response] = {}
    for who, token in tokens.items():
        caller = Sender(sender.receiver, sender.trust, token)
        answers[who] = caller.post(an_alert("web-1", namespace))

    assert {who: answer.status_code for who, answer in answers.items()} == {
        "nobody": 401,
        "nonsense": 401,
        "another audience": 401,
        "no right": 403,
        "the right": 200,
    }
    assert (
        f"create healingruns/alerts in namespace {release}" in answers["no right"].json()["error"]
    )


def test_a_renewed_certificate_is_served_without_a_restart(
    sender: Sender, trust: Trust, namespace: str
) -> None:
    certificate = Trust.made(trust.directory).context

    def renewed() -> bool:
        try:
            answer = sender.receiver.deliver(b"{}", sender.token, certificate)
        except httpx.ConnectError:
            return False
        return answer.status_code == 400

    assert namespace
    Timeline().want(within(60), "the new certificate is served", renewed)
