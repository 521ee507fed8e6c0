"""Every image runs under Pod Security "restricted" and does its work there."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from builders import (
    a_config_map,
    a_config_volume,
    a_container,
    a_mount,
    a_pod,
    an_empty_volume,
)
from kube import Kube, KubeError
from kubeconfig import Object
from statuses import is_ready, phase
from timeline import Timeline, within

HAPROXY = """
global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend all
  bind :8080
  http-request return status 200 content-type text/plain string served
"""

ALERTMANAGER = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@dataclass(frozen=True)
class Server:
    """How an image is started as a server, and what it says when it serves."""

    image: str
    port: int
    question: str
    answer: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    """Name and text of configuration files, found in `folder`."""
    folder: str = "/config"


def get(path: str) -> str:
    """Return a request that ends its connection."""
    return f"GET {path} HTTP/1.0\r\n\r\n"


SERVERS = {
    "autoglm": Server("autoglm", 8000, get("/v1/models"), "200 OK", args=("simulator",)),
    "busybox": Server(
        "busybox", 8080, get("/"), "404 Not Found", ("httpd", "-f", "-p", "8080", "-h", "/work")
    ),
    "haproxy": Server(
        "haproxy",
        8080,
        get("/"),
        "served",
        files=(("haproxy.cfg", HAPROXY),),
        folder="/etc/haproxy",
    ),
    "valkey": Server(
        "valkey",
        6379,
        "PING\r\nQUIT\r\n",
        "+PONG",
        ("valkey-server", "--save", "", "--protected-mode", "no"),
    ),
    "prometheus": Server(
        "prometheus",
        9090,
        get("/-/ready"),
        "200 OK",
        (
            "prometheus",
            "--config.file=/config/prometheus.yml",
            "--storage.tsdb.path=/work",
        ),
        files=(("prometheus.yml", "global: {scrape_interval: 5s}\n"),),
    ),
    "alertmanager": Server(
        "prometheus",
        9093,
        get("/-/ready"),
        "200 OK",
        (
            "prometheus-alertmanager",
            "--config.file=/config/alertmanager.yml",
            "--storage.path=/work",
            "--cluster.listen-address=",
        ),
        files=(("alertmanager.yml", ALERTMANAGER),),
    ),
    "node-exporter": Server("node-exporter", 9100, get("/metrics"), "node_cpu_seconds_total"),
}


@pytest.mark.parametrize("name", SERVERS)
def test_serves_as_a_restricted_pod(
    name: str, kube: Kube, namespace: str, image: Callable[[str], str], timeline: Timeline
) -> None:
    server = SERVERS[name]
    reference = image(server.image)
    kube.create(a_config_map("config", dict(server.files)), namespace)
    kube.create(a_server_pod(name, server, reference), namespace)
    timeline.start(f"{name} is asked for")

    def ready() -> bool:
        pod = kube.get("Pod", name, namespace)
        assert phase(pod) not in {"Failed", "Succeeded"}, kube.logs(name, namespace)
        return is_ready(pod)

    timeline.want(within(120), "its pod is Ready", ready)
    pod = kube.get("Pod", name, namespace)
    assert pod is not None
    address = (str(pod["status"]["podIP"]), server.port)

    def serves() -> bool:
        reply = said(address, server.question)
        assert server.answer in reply, reply[:500]
        return True

    timeline.want(within(30), "it serves", serves)


@pytest.mark.parametrize(
    ("workload", "place"),
    [
        ("metrics-server", "kube-system"),
        ("kube-state-metrics", "monitoring"),
        ("prometheus", "monitoring"),
        ("alertmanager", "monitoring"),
    ],
)
def test_an_addon_needs_no_more_than_restricted(
    workload: str, place: str, kube: Kube, namespace: str
) -> None:
    """The server itself judges: the addon's pod is offered to a restricted namespace."""
    deployment = kube.get("Deployment", workload, place)
    if deployment is None:
        pytest.skip(f"{workload} is not installed: hack/cluster up --with metrics,monitoring.")
    spec: Object = deployment["spec"]["template"]["spec"]
    for account in ("serviceAccount", "serviceAccountName"):
        spec.pop(account, None)
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": workload}, "spec": spec}
    assert kube.create(pod, namespace, dry_run=True)


def test_an_unrestricted_pod_is_refused(kube: Kube, namespace: str, busybox: str) -> None:
    pod = a_pod("open", a_container(busybox, ["sleep", "60"]))
    del pod["spec"]["securityContext"]
    del pod["spec"]["containers"][0]["securityContext"]
    with pytest.raises(KubeError, match='violates PodSecurity "restricted'):
        kube.create(pod, namespace)


def test_restricted_means_what_it_says(
    kube: Kube, namespace: str, busybox: str, timeline: Timeline
) -> None:
    look = "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; touch /here 2>&1; id -u"
    pod = a_pod("look", a_container(busybox, ["sh", "-c", look]), restartPolicy="Never")
    kube.create(pod, namespace)
    timeline.want(
        within(60),
        "it has looked",
        lambda: phase(kube.get("Pod", "look", namespace)) == "Succeeded",
    )
    seen = kube.logs("look", namespace)
    for line in ("CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "65532"):
        assert line in seen
    assert "Read-only file system" in seen


def a_server_pod(name: str, server: Server, reference: str) -> Object:
    container = a_container(
        reference,
        server.command,
        args=server.args,
        port=server.port,
        volumeMounts=[a_mount("work", "/work"), a_mount("config", server.folder)],
    )
    volumes = [an_empty_volume("work"), a_config_volume("config")]
    return a_pod(name, container, volumes=volumes)


def said(address: tuple[str, int], question: str) -> str:
    """Return all that a server says to a question, or why it says nothing."""
    try:
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(question.encode())
            with connection.makefile("rb") as reply:
                return reply.read().decode(errors="replace")
    except OSError as error:
        return str(error)
