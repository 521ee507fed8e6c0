"""The pair of Alertmanagers of the test cluster, seen and cut apart by a test.

Exists so that "partitioned" is a fact of the network between two pods: packets of their mesh are
dropped inside of one pod, from outside, which needs root. Their way to the receiver stays. Never
changes their configuration.
"""

import contextlib
import json
import subprocess
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, cast

from kube import Kube
from kubeconfig import Object
from processes_of_pods import first_process
from statuses import is_ready
from timeline import Timeline, within

NAMESPACE = "monitoring"
MESH_PORT = 9094
TABLE = "autoglm_partition"
SETTLED_SECONDS = 90.0
"""Arbitrary, because they need some ten seconds to find or miss each other."""


@dataclass(frozen=True)
class Pair:
    """Two Alertmanagers that gossip, with a Service for each of them.

    Whoever asks Alertmanagers must ask each, and pods of a Deployment have no names of their own.
    """

    kube: Kube

    @property
    def urls(self) -> list[str]:
        """Where each is asked, as the chart's `alertmanager.urls` want it."""
        return [f"http://{name}.{NAMESPACE}.svc:9093" for name in NAMES]

    def name(self) -> None:
        """Make the Services, which lead nowhere yet."""
        for name in NAMES:
            self.kube.apply(_a_service(name))

    def connect(self) -> None:
        """Let each Service lead to one of the pods."""
        for name, pod in zip(NAMES, self.pods(), strict=True):
            self.kube.apply(_an_address(name, pod["status"]["podIP"]))

    def forget(self) -> None:
        """Delete the Services, and what they lead to with them."""
        for name in NAMES:
            self.kube.delete("EndpointSlice", name, NAMESPACE)
            self.kube.delete("Service", name, NAMESPACE)

    def pods(self) -> list[Object]:
        """Both, always in the same order."""
        found = filter(is_ready, self.kube.list("Pod", NAMESPACE, "app=alertmanager"))
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def peers(self) -> list[int]:
        """How many members each sees, itself included."""
        seen = [cast("Object", call(url, "status"))["cluster"] for url in self.urls]
        return [len(each.get("peers") or ()) for each in seen]

    def lists(self, alert: str) -> list[set[str]]:
        """The pods that each says the alert of this name is about."""
        query = f"alerts?filter=alertname%3D{alert}"
        found = [cast("list[Object]", call(url, query)) for url in self.urls]
        return [{each["labels"]["pod"] for each in alerts} for alerts in found]

    def delivered(self) -> list[int]:
        """Webhook calls that each has made since it started, and that were taken."""
        return [_delivered(url) for url in self.urls]

    @contextlib.contextmanager
    def apart(self, timeline: Timeline) -> Generator[None]:
        """Keep them apart until the block ends, and wait until both know."""
        process = first_process(self.pods()[0], "alertmanager")
        _nft(process, f"add table inet {TABLE}")
        try:
            for hook in ("input", "output"):
                _nft(
                    process,
                    f"add chain inet {TABLE} {hook} {{ type filter hook {hook} priority 0; }}",
                )
                for protocol, end in ((p, e) for p in ("tcp", "udp") for e in ("sport", "dport")):
                    _nft(process, f"add rule inet {TABLE} {hook} {protocol} {end} {MESH_PORT} drop")
            timeline.want(
                within(SETTLED_SECONDS),
                "each Alertmanager is alone",
                lambda: self.peers() == [1, 1],
            )
            yield
        finally:
            _nft(process, f"delete table inet {TABLE}")


NAMES = ("alertmanager-a", "alertmanager-b")


def call(url: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - whatever it answers
    """Ask one Alertmanager, or tell it something.

    Raises:
        AssertionError: it does not answer.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - the cluster's own
        f"{url}/api/v2/{path}", data, {"content-type": "application/json"}
    )
    text = _fetch(request)
    return json.loads(text) if text.strip() else None


def _fetch(request: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the cluster's own
            content: bytes = answer.read()
    except OSError as error:
        raise AssertionError(f"{request.full_url} does not answer: {error}") from error
    return content


def _delivered(url: str) -> int:
    request = urllib.request.Request(f"{url}/metrics")  # noqa: S310 - the cluster's own
    lines = _fetch(request).decode().splitlines()
    return round(
        sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("alertmanager_notifications_total{") and '"webhook"' in line
        )
    )


def _a_service(name: str) -> Object:
    # Without a selector: what it leads to is written beside it.
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"ports": [{"port": 9093, "targetPort": 9093}]},
    }


def _an_address(service: str, address: str) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": service,
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"port": 9093, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }


def _nft(process: int, command: str) -> None:
    inside = ["nsenter", f"--target={process}", "--net", "--", "nft", command]
    subprocess.run(inside, check=True, capture_output=True)
