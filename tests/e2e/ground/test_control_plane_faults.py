"""Without etcd or API server the cluster says so, pods run on, and nothing is forgotten."""

import pytest

from builders import a_config_map, a_container, a_pod
from faults import Faults
from kube import Kube, KubeError, KubeUnreachableError
from kubeconfig import Object
from statuses import is_ready
from timeline import Timeline, within


@pytest.fixture
def stored(kube: Kube, namespace: str) -> Object:
    """Something that must not be forgotten."""
    return kube.create(a_config_map("stored", {"key": "value"}), namespace)


def is_served(kube: Kube) -> bool:
    return kube.raw("GET", "/readyz") == b"ok"


def test_without_etcd_the_api_server_names_it(
    kube: Kube, namespace: str, stored: Object, faults: Faults, timeline: Timeline
) -> None:
    def names_etcd() -> bool:
        try:
            return not kube.raw("GET", "/readyz")
        except KubeError as error:
            return "[-]etcd failed" in error.message

    timeline.start("stop-etcd")
    faults.inject("stop-etcd")
    timeline.want(within(30), "the API server is not ready and names etcd", names_etcd)
    timeline.start("undo it")
    faults.undo("stop-etcd")
    timeline.want(within(60), "the API server is ready", lambda: is_served(kube))
    assert kube.get("ConfigMap", "stored", namespace) == stored


def test_without_an_api_server_pods_run_on(
    kube: Kube,
    namespace: str,
    nodes: list[str],
    busybox: str,
    faults: Faults,
    timeline: Timeline,
) -> None:
    assert nodes
    stored = kube.create(a_pod("app", a_container(busybox, ["sleep", "3600"])), namespace)

    def started_once() -> bool:
        pod = kube.get("Pod", "app", namespace)
        assert pod is not None
        assert pod["metadata"]["uid"] == stored["metadata"]["uid"]
        return is_ready(pod) and pod["status"]["containerStatuses"][0]["restartCount"] == 0

    timeline.want(within(60), "the app runs", started_once)
    timeline.start("stop-apiserver")
    faults.inject("stop-apiserver")
    with pytest.raises(KubeUnreachableError):
        kube.list("Node")
    timeline.start("undo it")
    faults.undo("stop-apiserver")
    timeline.want(within(90), "the API server is ready", lambda: is_served(kube))
    timeline.want(within(60), "the app runs, never restarted", started_once)
