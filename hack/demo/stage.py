"""Sets the stage: images, the release, the samples, and Alertmanager pointed at the receiver."""

import base64
import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import images
import programs
from demo import kubectl
from demo.telling import StepError, say
from demo.traffic import Client

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ROOT / "docs" / "samples"
CHART = ROOT / "charts" / "autoglm-operator"
RELEASE = "autoglm"
SYSTEM = "autoglm-system"
TEAM = "team-a"
VENDOR = "vendor"
OUR_IMAGES = ("autoglm", "haproxy", "valkey")
OWN_IMAGE = re.compile(r"ghcr\.io/autoglm/autoglm:\S+")
RULES = Path(__file__).parent / "rules.yaml"


@dataclass(frozen=True)
class Stage:
    """Where the demo plays."""

    namespace: str = TEAM
    cluster: str = "demo"

    def client(self) -> Client:
        """A client of the cluster's router, with the key that was made for it."""
        secret = kubectl.get(self.namespace, "secret", f"{self.cluster}-client-key")
        key = base64.b64decode(secret["data"]["key"]).decode()
        return Client(f"http://{self.cluster}-router.{self.namespace}.svc", key)


def install(**more: object) -> float:
    """Install the chart with our images, wait for its Deployments, return the seconds it took.

    Args:
        more: Further values of the chart.
    """
    begin = time.monotonic()
    helm = programs.ensure(["helm"])["helm"]
    references = {name: image.reference for name, image in images.ensure(OUR_IMAGES).items()}
    values = {
        "image": _image(references["autoglm"]),
        "haproxyImage": _image(references["haproxy"]),
        "valkeyImage": _image(references["valkey"]),
        "endpointSafety": {"allowedNamespaces": [VENDOR]},
        "receiver": {"senders": [{"name": "alertmanager", "namespace": "monitoring"}]},
        **more,
    }
    command = [str(helm), "upgrade", "--install", RELEASE, str(CHART), "--namespace", SYSTEM]
    options = ["--create-namespace", "--wait", "--timeout", "3m", "--values", "-"]
    done = subprocess.run(
        [*command, *options], input=json.dumps(values), text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise StepError(f"helm: {done.stderr.strip()}")
    return time.monotonic() - begin


def _image(reference: str) -> dict[str, str]:
    repository, tag = reference.rsplit(":", 1)
    return {"repository": repository, "tag": tag}


def sample(name: str) -> str:
    """A sample file, with the image that was built here in place of the published one."""
    own = images.ensure(["autoglm"])["autoglm"].reference
    return OWN_IMAGE.sub(own, (SAMPLES / name).read_text(encoding="utf-8"))


def namespace(name: str) -> None:
    """Make a namespace that enforces Pod Security restricted."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    kubectl.run("apply", "-f", "-", stdin=json.dumps(body))


def apply_samples(stage: Stage) -> None:
    """Apply the samples that stand in the README."""
    namespace(VENDOR)
    kubectl.apply(VENDOR, sample("vendor.yaml"))
    namespace(stage.namespace)
    for name in ("endpoints.yaml", "cluster.yaml", "patients.yaml", "healing.yaml"):
        kubectl.apply(stage.namespace, sample(name))


def wait_ready(stage: Stage, seconds: float = 180) -> float:
    """Wait for condition Ready of the cluster; return the seconds it took."""
    begin = time.monotonic()
    words = ("wait", "--for=condition=Ready", f"agc/{stage.cluster}", f"--timeout={seconds:.0f}s")
    kubectl.run("-n", stage.namespace, *words)
    return time.monotonic() - begin


def connect_alertmanager(rules: Mapping[str, str] | None = None) -> None:
    """Point the test cluster's Alertmanager at the receiver, with a token made for it alone.

    Args:
        rules: Keys of Prometheus' ConfigMap and their rules; the demo's if none are given.
    """
    ca = kubectl.get(SYSTEM, "configmap", f"{RELEASE}-receiver-ca")["data"]["ca.crt"]
    config = kubectl.get("monitoring", "configmap", "monitoring")["data"]
    config |= rules or {"rules.yml": RULES.read_text(encoding="utf-8")}
    config["alertmanager.yml"] = _alertmanager_configuration()
    config["receiver-ca.crt"] = ca
    kubectl.patch("monitoring", "configmap", "monitoring", {"data": config})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "alertmanager"}}
    kubectl.apply("monitoring", json.dumps(account))
    _strategic_patch("monitoring", "deployment", "alertmanager", _alertmanager_token())
    # Prometheus is second: what it told an Alertmanager that ends it would repeat after a minute.
    for name in ("alertmanager", "prometheus"):
        # A new pod reads the new configuration at once; waiting for the volume takes a minute.
        kubectl.run("-n", "monitoring", "rollout", "restart", f"deployment/{name}")
        kubectl.run("-n", "monitoring", "rollout", "status", f"deployment/{name}", "--timeout=90s")
    say("Alertmanager posts to the receiver, with a ServiceAccount token")


def _alertmanager_configuration() -> str:
    webhook = {
        "url": f"https://{RELEASE}-receiver.{SYSTEM}.svc/v1/alertmanager",
        "send_resolved": True,
        "http_config": {
            "authorization": {"credentials_file": "/run/receiver/token"},
            "tls_config": {"ca_file": "/conf/receiver-ca.crt"},
        },
    }
    route = {
        "receiver": "autoglm",
        "group_by": ["alertname", "namespace", "pod"],
        "group_wait": "1s",
        "group_interval": "5s",
        "repeat_interval": "1m",
    }
    receivers = [{"name": "autoglm", "webhook_configs": [webhook]}]
    return json.dumps({"route": route, "receivers": receivers})


def _alertmanager_token() -> dict[str, Any]:
    source = {"serviceAccountToken": {"path": "token", "audience": "autoglm-receiver"}}
    volume = {"name": "receiver", "projected": {"sources": [source]}}
    mount = {"name": "receiver", "mountPath": "/run/receiver", "readOnly": True}
    container = {"name": "alertmanager", "volumeMounts": [mount]}
    pod = {"serviceAccountName": "alertmanager", "volumes": [volume], "containers": [container]}
    return {"spec": {"template": {"spec": pod}}}


def _strategic_patch(namespace: str, what: str, name: str, body: object) -> None:
    kubectl.run("-n", namespace, "patch", what, name, "--type=strategic", "-p", json.dumps(body))


def required_environment() -> None:
    """Refuse to run where the cluster cannot be reached.

    Raises:
        StepError: this is not inside `hack/cluster exec`.
    """
    if "KUBECONFIG" not in os.environ:
        raise StepError("start the demo by 'make demo', or inside 'hack/cluster exec --'")
