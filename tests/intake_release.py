"""A release whose receiver takes events and knows every kind of caller, from mounted Secrets.

Exists so that tests on real nodes post to it and rotate what it trusts. Never checks anything.
"""

import base64
import contextlib
import json
import secrets
import ssl
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import httpx

import images
import programs
from client_certificates import ClientAuthority, a_client_authority
from demo import kubectl, stage
from demo_stage import forget_definitions
from kube import Kube, KubeError
from kubeconfig import Object
from timeline import Timeline, within

CHART = Path(__file__).parents[1] / "charts" / "autoglm-operator"
RELEASE, SYSTEM, TEAM = "intake", "intake-system", "intake-team"
CALLER = "sender.example.com"
OLD = "static-token-old-0001"
ANSWER_SECONDS = 15.0
"""Arbitrary, because an answer takes milliseconds on an idle machine."""
POLICY: Object = {
    "apiVersion": "autoglm.io/v1alpha1",
    "kind": "HealingPolicy",
    "metadata": {"name": "busy"},
    "spec": {
        "mode": "Enforce",
        "alerts": [{"matchers": [{"name": "alertname", "value": "HighCPUUsage"}]}],
        "target": {"kind": "Workload", "selector": {"matchLabels": {"app": "fragile"}}},
        "ladder": [{"action": "Restart", "restart": {"scope": "Pod"}}],
        "verify": {"stabilization": "5s", "timeout": "2m"},
        "guards": {"cooldown": "0s"},
    },
}


@dataclass(frozen=True)
class Intake:
    """The release, seen by senders."""

    kube: Kube
    authority: ClientAuthority
    trust: ssl.SSLContext

    def post(self, event: Object, token: str = "", shown: tuple[Path, Path] | None = None) -> int:
        """Post an event over a connection of its own, so that either replica may answer."""
        trust = self.trust
        if shown is not None:
            trust = ssl.create_default_context(cadata=ca_of(self.kube))
            trust.load_cert_chain(*shown)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"https://{RELEASE}-receiver.{SYSTEM}.svc/v1/events"
        with httpx.Client(verify=trust, trust_env=False, timeout=ANSWER_SECONDS) as client:
            return client.post(url, json=event, headers=headers).status_code

    def tokens(self, *tokens: str) -> None:
        """Replace the Secret of static tokens."""
        data = base64.b64encode("\n".join(tokens).encode()).decode()
        self.kube.patch("Secret", "alert-tokens", SYSTEM, {"data": {"sender": data}})
        self._deliver()

    def authorities(self, *authorities: ClientAuthority) -> None:
        """Replace the Secret with the authorities of callers."""
        data = base64.b64encode(b"".join(each.pem for each in authorities)).decode()
        self.kube.patch("Secret", "alert-callers", SYSTEM, {"data": {"ca.crt": data}})
        self._deliver()

    def _deliver(self) -> None:
        """Let the kubelets bring changed Secrets now: they look when a pod changes, and else once
        in a minute or two."""
        change = {"metadata": {"annotations": {"looked-at": secrets.token_hex(4)}}}
        for pod in self.kube.list("Pod", SYSTEM, "app.kubernetes.io/component=receiver"):
            self.kube.patch("Pod", pod["metadata"]["name"], SYSTEM, change)


def ca_of(kube: Kube) -> str:
    """The authority that the operator publishes for senders."""
    found = kube.get("ConfigMap", f"{RELEASE}-receiver-ca", SYSTEM)
    assert found is not None
    return str(found["data"]["ca.crt"])


@contextlib.contextmanager
def raised(kube: Kube) -> Generator[Intake]:
    """Install the chart with events and callers, and one workload with its policy."""
    forget_definitions(kube)
    authority = a_client_authority()
    try:
        stage.namespace(SYSTEM)
        _secret(kube, "alert-tokens", {"sender": OLD.encode()})
        _secret(kube, "alert-callers", {"ca.crt": authority.pem})
        _install()
        stage.namespace(TEAM)
        kubectl.apply(TEAM, stage.sample("patients.yaml"))
        kubectl.run("-n", TEAM, "rollout", "status", "deployment/fragile", "--timeout=2m")
        kube.create(POLICY, TEAM)
        yield Intake(kube, authority, ssl.create_default_context(cadata=ca_of(kube)))
    finally:
        _clear(kube)


def _secret(kube: Kube, name: str, data: dict[str, bytes]) -> None:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    body: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    kube.create(body | {"data": encoded}, SYSTEM)


def _install() -> None:
    helm = programs.ensure(["helm"])["helm"]
    repository, tag = images.ensure(["autoglm"])["autoglm"].reference.rsplit(":", 1)
    callers = {"existingSecret": "alert-callers", "names": [CALLER]}
    values = {
        "image": {"repository": repository, "tag": tag},
        "receiver": {
            "authentication": {
                "staticTokens": {"existingSecret": "alert-tokens"},
                "clientCertificates": callers,
            }
        },
        "events": {"namespaces": [TEAM]},
    }
    command = [str(helm), "upgrade", "--install", RELEASE, str(CHART), "--namespace", SYSTEM]
    subprocess.run(
        [*command, "--wait", "--timeout", "3m", "--values", "-"],
        input=json.dumps(values),
        text=True,
        capture_output=True,
        check=True,
    )


def _clear(kube: Kube) -> None:
    helm = programs.ensure(["helm"])["helm"]
    # Kinds that are not there, or that were there before: nothing was installed.
    with contextlib.suppress(LookupError, KubeError):
        for run in kube.list("HealingRun", TEAM):
            kube.delete("HealingRun", run["metadata"]["name"], TEAM)
    words = ["uninstall", RELEASE, "--namespace", SYSTEM, "--ignore-not-found", "--wait"]
    subprocess.run([str(helm), *words], check=True, capture_output=True)
    for name in (TEAM, SYSTEM):
        kube.delete("Namespace", name)
    Timeline().want(
        within(120),
        "the namespaces are gone",
        lambda: not any(kube.get("Namespace", name) for name in (TEAM, SYSTEM)),
    )
    forget_definitions(kube)
