"""Pods, Services and names: across nodes, and from where the tests run."""

import socket
import urllib.request

import pytest

from builders import a_container, a_mount, a_pod, a_service, an_empty_volume
from kube import Kube
from statuses import is_ready, phase
from timeline import Timeline, within

PORT = 8080
ANSWER = "hello from the other node"
SERVE = f"cd /www && echo '{ANSWER}' > index.html && exec httpd -f -p {PORT}"


@pytest.fixture
def server(kube: Kube, namespace: str, nodes: list[str], busybox: str, timeline: Timeline) -> str:
    """The full name of a Service whose only pod is on the last node."""
    mounts = [a_mount("www", "/www")]
    container = a_container(busybox, ["sh", "-c", SERVE], port=PORT, volumeMounts=mounts)
    pod = a_pod("server", container, nodeName=nodes[-1], volumes=[an_empty_volume("www")])
    kube.create(pod, namespace)
    kube.create(a_service("server", PORT), namespace)
    timeline.want(
        within(60), "the server is Ready", lambda: is_ready(kube.get("Pod", "server", namespace))
    )
    return f"server.{namespace}.svc.cluster.local"


def test_a_pod_resolves_and_reaches_a_service_on_the_other_node(
    kube: Kube, namespace: str, nodes: list[str], busybox: str, server: str, timeline: Timeline
) -> None:
    assert len(nodes) > 1, "one node has no other: hack/cluster up --nodes 2"
    short, _, _ = server.partition(".")
    # nc, because the wget of a static busybox may crash where it looks up names.
    ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc {short} {PORT} | tail -n 1"
    client = a_pod(
        "client",
        a_container(busybox, ["sh", "-c", f"until {ask} | grep .; do sleep 0.2; done"]),
        nodeName=nodes[0],
        restartPolicy="Never",
    )
    kube.create(client, namespace)
    timeline.want(
        within(60),
        "the client has its answer",
        lambda: phase(kube.get("Pod", "client", namespace)) == "Succeeded",
    )
    assert kube.logs("client", namespace).strip() == ANSWER


def test_the_tests_themselves_reach_a_service_by_its_name(server: str, timeline: Timeline) -> None:
    def answer() -> str:
        try:
            with urllib.request.urlopen(f"http://{server}:{PORT}/", timeout=5) as reply:
                return str(reply.read().decode().strip())
        except OSError as error:  # the Service's rules follow its endpoints by a moment
            return str(error)

    timeline.want(within(30), "the Service answers", lambda: answer() == ANSWER)


def test_an_unknown_name_fails_at_once(nodes: list[str]) -> None:
    assert nodes
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("nobody.nowhere.svc.cluster.local", PORT)
