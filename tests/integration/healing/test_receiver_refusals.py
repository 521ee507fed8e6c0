"""What the receiver does not take: strangers, floods, and runs that the API server refuses."""

import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from client_certificates import a_client_authority
from healing_objects import READY_SECONDS, MakePolicy, MakeProcess, Sender, Trust, an_alert
from healing_processes import HealingProcess, running
from kube import Kube
from proxy_faults import Match, Refuse
from recording_proxy import RecordingProxy
from timeline import Timeline, within

if TYPE_CHECKING:
    from kubeconfig import Object

SOON = within(30)
TOKEN = "a-static-token-of-tests"  # noqa: S105 - good for nothing but these tests
CALLER = "alertmanager.monitoring"


@pytest.fixture
def policy(make_policy: MakePolicy, sender: Sender) -> str:
    made = make_policy()
    Timeline().want(SOON, "the policy is known", sender.receiver.knows_a_policy)
    return made.metadata.name


def reasons_of_events(kube: Kube, namespace: str) -> list[tuple[str, str]]:
    return [
        (event["reason"], event["note"])
        for event in kube.list("Event.events.k8s.io", namespace)
        if event["reason"] == "AlertRefused"
    ]


def test_a_quota_costs_only_what_exceeds_it(
    kube: Kube, namespace: str, sender: Sender, policy: str
) -> None:
    assert policy
    quota: Object = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "runs"},
        "spec": {"hard": {"count/healingruns.autoglm.io": "1"}},
    }
    kube.create(quota, namespace)

    def counted() -> bool:
        found = kube.get("ResourceQuota", "runs", namespace) or {}
        return bool(found.get("status", {}).get("used"))

    Timeline().want(SOON, "the quota is counted", counted)

    answer = sender.post(*(an_alert(f"web-{number}", namespace) for number in range(3)))

    assert answer.status_code == 200
    assert answer.json()["outcomes"] == {"Stored": 1, "Refused": 2}
    refused = [each for each in answer.json()["alerts"] if each["outcome"] == "Refused"]
    assert all("exceeded quota: runs" in each["reason"] for each in refused)
    assert len(kube.list("HealingRun", namespace)) == 1
    assert any("exceeded quota: runs" in note for _, note in reasons_of_events(kube, namespace))
    assert sender.receiver.metric('autoglm_alerts_total{outcome="Refused"}') == 2


def test_a_namespace_that_ends_costs_nobody_else_anything(
    kube: Kube, namespace: str, proxy: RecordingProxy, sender: Sender, policy: str
) -> None:
    assert policy
    holding: Object = {"metadata": {"finalizers": ["autoglm.io/held-by-a-test"]}}
    kube.patch("HealingPolicy", policy, namespace, holding)
    try:
        # The receiver does not hear yet that the policy goes with its namespace.
        with proxy.silence():
            kube.delete("Namespace", namespace)
            alerts = [an_alert("web-1", namespace), an_alert("web-2", "elsewhere")]
            answer = sender.post(*alerts)
    finally:
        kube.patch("HealingPolicy", policy, namespace, {"metadata": {"finalizers": None}})

    assert answer.status_code == 200
    assert answer.json()["outcomes"] == {"Refused": 1, "Unmatched": 1}
    assert "being terminated" in answer.json()["alerts"][0]["reason"]


def test_is_not_ready_and_takes_nothing_before_policies_are_read(
    namespace: str,
    proxy: RecordingProxy,
    make_process: MakeProcess,
    trust: Trust,
    tmp_path: Path,
) -> None:
    lists = Match(resource="healingpolicies", verb="list")
    rule = proxy.inject(Refuse(503, "ServiceUnavailable"), lists, times=None)
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "key").write_text(TOKEN)
    receiver = make_process(
        "receiver",
        tls_directory=str(trust.directory),
        token_directory=str(tmp_path / "tokens"),
    )
    sender = Sender(receiver, trust, TOKEN)
    with running(receiver):
        Timeline().want(SOON, "a list was refused", lambda: rule.hits > 1)
        Timeline().want(SOON, "it answers", lambda: receiver.get("/healthz") is not None)
        answer = sender.post(an_alert("web-1", namespace))
        assert (answer.status_code, receiver.ready()) == (503, False)
        assert "policies are not known yet" in answer.json()["error"]
        proxy.clear()
        Timeline().want(within(READY_SECONDS), "it is ready", receiver.ready)
        assert sender.post(an_alert("web-1", namespace)).status_code == 200


@pytest.fixture
def strict(
    make_process: MakeProcess, trust: Trust, tmp_path: Path, make_policy: MakePolicy
) -> HealingProcess:
    """A receiver that takes little at once, tokens and certificates; it does not run yet."""
    make_policy()
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "key").write_text(TOKEN)
    return make_process(
        "receiver",
        tls_directory=str(trust.directory),
        token_directory=str(tmp_path / "tokens"),
        client_authority_file=str(tmp_path / "callers.crt"),
        client_names=CALLER,
        max_bytes_at_once="20000",
    )


def test_sheds_what_it_cannot_hold_and_takes_the_next(
    kube: Kube, namespace: str, trust: Trust, tmp_path: Path, strict: HealingProcess
) -> None:
    (tmp_path / "callers.crt").write_bytes(a_client_authority().pem)
    sender = Sender(strict, trust, TOKEN)
    with running(strict):
        Timeline().want(within(READY_SECONDS), "it is ready", strict.ready)
        Timeline().want(SOON, "the policy is known", strict.knows_a_policy)
        many = [an_alert(f"web-{number}", namespace) for number in range(200)]

        shed, taken = sender.post(*many), sender.post(*many[:5])

        assert (shed.status_code, taken.status_code) == (503, 200)
        assert "Too much" in shed.json()["error"]
        assert len(kube.list("HealingRun", namespace)) == 5
        assert strict.metric('autoglm_deliveries_total{code="503"}') == 1


def test_only_the_right_certificate_opens(
    namespace: str, trust: Trust, tmp_path: Path, strict: HealingProcess
) -> None:
    ours, forger = a_client_authority("ours"), a_client_authority("ours")
    (tmp_path / "callers.crt").write_bytes(ours.pem)
    with running(strict):
        Timeline().want(within(READY_SECONDS), "it is ready", strict.ready)

        def answered(shown: tuple[Path, Path] | None, token: str | None = None) -> int:
            context = ssl.create_default_context(cafile=str(trust.authority))
            if shown is not None:
                context.load_cert_chain(*shown)
            return strict.deliver(
                {"version": "4", "groupKey": "x", "alerts": [an_alert("web-1", namespace)]},
                token,
                context,
            ).status_code

        assert answered(ours.write(tmp_path, CALLER)) == 200
        assert answered(ours.write(tmp_path, "somebody")) == 403
        assert answered(ours.write(tmp_path, "somebody"), TOKEN) == 200
        assert answered(None) == 401
        assert answered(None, "an-unknown-static-token") == 401
        with pytest.raises(httpx.TransportError):
            answered(forger.write(tmp_path, CALLER))


def test_a_stranger_who_says_nothing_is_hung_up_on(trust: Trust, sender: Sender) -> None:
    port = sender.receiver.webhook_port
    started = time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=40) as plain,
        trust.context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"POST /v1/alertmanager HTTP/1.1\r\nHost: x\r\n")
        assert connection.recv(1) == b""
    assert time.monotonic() - started > 5


def test_half_a_body_is_no_delivery(
    kube: Kube, namespace: str, trust: Trust, sender: Sender, policy: str
) -> None:
    assert policy
    head = (
        "POST /v1/alertmanager HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
        f"Authorization: Bearer {sender.token}\r\n\r\n"
    )
    with (
        socket.create_connection(("127.0.0.1", sender.receiver.webhook_port), timeout=20) as plain,
        trust.context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(head.encode() + b'{"version": "4", "groupKey": "x", "alerts": [')
    Timeline().want(
        SOON,
        "it is counted",
        lambda: sender.receiver.metric('autoglm_deliveries_total{code="400"}') == 1,
    )
    assert kube.list("HealingRun", namespace) == []
    assert sender.post(an_alert("web-1", namespace)).status_code == 200
