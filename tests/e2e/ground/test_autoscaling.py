"""metrics-server measures pods, and an HPA acts on it."""

from builders import a_container, a_deployment, an_autoscaler
from kube import Kube
from kubeconfig import Object
from statuses import condition, is_available
from timeline import Timeline, within


def test_an_hpa_scales_a_busy_pod(
    kube: Kube, namespace: str, metrics: Object, busybox: str, timeline: Timeline
) -> None:
    assert condition(metrics, "Available") == "True"
    resources = {"requests": {"cpu": "50m"}, "limits": {"cpu": "150m"}}
    busy = a_container(busybox, ["sh", "-c", "while :; do :; done"], resources=resources)
    kube.create(a_deployment("busy", busy), namespace)
    kube.create(an_autoscaler("busy", most=2), namespace)
    timeline.start("a busy pod is asked for")

    def scaled() -> bool:
        found = kube.get("Deployment", "busy", namespace)
        return found is not None and found["spec"]["replicas"] == 2 and is_available(found)

    timeline.want(within(150), "it has a second one beside it", scaled)
