"""What the chart makes of the receiver's values: who may post, what is mounted, what is said."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoglm_api import settings
from autoglm_operator.commands.healing_settings import HealerSettings, ReceiverSettings

Document = dict[str, Any]
Render = Callable[..., list[Document]]

CHART = Path(__file__).parents[3] / "charts" / "autoglm-operator"
TOKENS = "receiver.authentication.staticTokens.existingSecret=alert-tokens"
CALLERS = (
    "receiver.authentication.clientCertificates.existingSecret=alert-callers",
    "receiver.authentication.clientCertificates.names={alertmanager.example.com,spiffe://a/b}",
)
ALERTMANAGER = (
    "alertmanager.urls={http://a:9093,https://b/am}",
    "alertmanager.receiver=team/healing/autoglm",
    "alertmanager.caSecret=am-ca",
    "alertmanager.tokenSecret=am-token",
)


def pod_of(documents: list[Document], component: str) -> Document:
    name = f"autoglm-{component}"
    (found,) = [
        each
        for each in documents
        if each["kind"] == "Deployment" and each["metadata"]["name"] == name
    ]
    pod: Document = found["spec"]["template"]["spec"]
    return pod


def environment(pod: Document) -> dict[str, str]:
    return {each["name"]: each.get("value", "x") for each in pod["containers"][0]["env"]}


def secrets(pod: Document) -> dict[str, str]:
    """Mounted Secrets by the path that they are mounted at."""
    paths = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    return {
        paths[each["name"]]: each["secret"]["secretName"]
        for each in pod["volumes"]
        if "secret" in each
    }


def test_nothing_but_the_certificate_is_mounted_by_default(render: Render) -> None:
    documents = render()
    assert secrets(pod_of(documents, "receiver")) == {"/run/tls": "autoglm-receiver-tls"}
    assert not [each for each in documents if each["metadata"]["name"].endswith("-episodes")]


def test_every_way_to_show_who_one_is_reaches_the_process(render: Render) -> None:
    pod = pod_of(render(TOKENS, *CALLERS), "receiver")
    told = settings.read(ReceiverSettings, environment(pod))
    assert secrets(pod) == {
        "/run/tls": "autoglm-receiver-tls",
        str(told.token_directory): "alert-tokens",
        "/run/callers": "alert-callers",
    }
    assert str(told.client_authority_file) == "/run/callers/ca.crt"
    assert told.client_names == ("alertmanager.example.com", "spiffe://a/b")


@pytest.mark.parametrize(
    ("component", "kind"), [("receiver", ReceiverSettings), ("healer", HealerSettings)]
)
def test_alertmanagers_are_known_to_receiver_and_healer(
    render: Render, component: str, kind: type[ReceiverSettings | HealerSettings]
) -> None:
    pod = pod_of(render(*ALERTMANAGER), component)
    access = settings.read(kind, environment(pod)).alertmanagers
    assert access.urls == ("http://a:9093", "https://b/am")
    mounted = secrets(pod)
    assert access.ca_file is not None
    assert access.token_file is not None
    assert mounted[str(access.ca_file.parent)] == "am-ca"
    assert mounted[str(access.token_file.parent)] == "am-token"


def test_the_operator_makes_no_certificate_beside_an_own_one(render: Render) -> None:
    documents = render("receiver.tls.existingSecret=mine")
    assert secrets(pod_of(documents, "receiver"))["/run/tls"] == "mine"
    assert environment(pod_of(documents, "operator"))["AUTOGLM_RECEIVER_SERVICE"] == ""
    assert environment(pod_of(render(), "operator"))["AUTOGLM_RECEIVER_SERVICE"] != ""


def test_events_come_with_a_memory_that_the_receiver_may_change_and_nothing_else(
    render: Render,
) -> None:
    documents = render("events.namespaces={team-a}")
    told = settings.read(ReceiverSettings, environment(pod_of(documents, "receiver")))
    (memory,) = [each for each in documents if each["metadata"]["name"] == told.episodes_name]
    (role,) = [
        each
        for each in documents
        if each["kind"] == "Role" and each["metadata"]["name"] == "autoglm-receiver"
    ]
    assert memory["kind"] == "ConfigMap"
    assert "data" not in memory, "an upgrade would forget what the receiver wrote"
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [told.episodes_name],
            "verbs": ["get", "patch"],
        }
    ]


@pytest.mark.parametrize(
    "values",
    [
        CALLERS[:1],
        CALLERS[1:],
        ["alertmanager.urls={ftp://a}"],
        ["alertmanager.urls={http://user:password@a}"],
        ["alertmanager.urls={http://a?b=c}"],
        ["alertmanager.receiver="],
        ["events.namespaces={Team-A}"],
        ["receiver.tls.existingSecret=A_B"],
        ["receiver.authentication.tokens=x"],
    ],
    ids=str,
)
def test_values_that_cannot_work_are_refused(render: Render, values: list[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        render(*values)


def notes(helm: Path, *values: str) -> str:
    options = [word for value in values for word in ("--set", value)]
    command = [str(helm), "install", "autoglm", str(CHART), "--dry-run=client", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.partition("NOTES:")[2]


def test_the_notes_say_what_cannot_work(helm: Path) -> None:
    plain = notes(helm)
    assert "NOBODY MAY POST ALERTS YET" in plain
    assert "LOST ALERTS STAY LOST" in plain
    full = notes(helm, TOKENS, *CALLERS, *ALERTMANAGER, "events.namespaces={team-a}")
    assert "NOBODY" not in full
    assert "LOST" not in full
    for told in ("alert-tokens", "alert-callers", "alertmanager.example.com", "/v1/events"):
        assert told in full
