"""Another model, image or argument on the real API server: nobody loses a pod before its time."""

import base64
import json

from control_objects import a_simulator, reason
from customresources import a_cluster
from kube import Kube
from kubeconfig import Object
from operator_process import OperatorProcess
from played_pods import PlayedPods
from statuses import condition
from timeline import Timeline, within

SOON = within(150)
"""Arbitrary, because every step of a test shares it and machines are slow."""


def endpoint(kube: Kube, namespace: str) -> Object:
    found = kube.get("ModelEndpoint", "local", namespace)
    assert found is not None
    return found


def ready(kube: Kube, namespace: str) -> bool:
    return condition(endpoint(kube, namespace), "Ready") == "True"


def active(kube: Kube, namespace: str) -> str:
    return str(endpoint(kube, namespace).get("status", {}).get("activeRevision", ""))


def deployments(kube: Kube, namespace: str) -> list[Object]:
    return kube.list("Deployment", namespace, "autoglm.io/endpoint=local")


def upstreams(kube: Kube, namespace: str) -> list[Object]:
    """What the routing document says now."""
    secret = kube.get("Secret", "demo-routing", namespace)
    if secret is None:
        return []
    found: list[Object] = json.loads(base64.b64decode(secret["data"]["routing.json"]))["upstreams"]
    return found


def served(kube: Kube, namespace: str) -> set[str]:
    """UIDs of the pods that routers send requests to, shortened as in the document."""
    found: set[str] = set()
    for each in upstreams(kube, namespace):
        servers: list[Object] = each.get("servers") or []
        found |= {str(server["uid"]) for server in servers}
    return found


def pods_of(kube: Kube, namespace: str, revision: str) -> set[str]:
    pods = kube.list("Pod", namespace, f"autoglm.io/revision={revision}")
    return {pod["metadata"]["uid"][:8] for pod in pods}


def change(kube: Kube, namespace: str, **spec: object) -> None:
    kube.patch("ModelEndpoint", "local", namespace, {"spec": spec})


def a_served_endpoint(kube: Kube, namespace: str, timeline: Timeline) -> str:
    """Make an endpoint with a cluster over it; returns the revision that serves."""
    kube.create(a_simulator(), namespace)
    kube.create(a_cluster(router={"replicas": 1}), namespace)
    timeline.want(SOON, "the endpoint is Ready", lambda: ready(kube, namespace))
    timeline.want(SOON, "its pods are routed to", lambda: len(served(kube, namespace)) == 2)
    return active(kube, namespace)


def test_no_pod_is_routed_to_before_it_completed_a_chat(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    pods.garbage.add("local")
    kube.create(a_simulator(), namespace)
    kube.create(a_cluster(router={"replicas": 1}), namespace)
    timeline.want(
        SOON,
        "the endpoint says that its pods lie",
        lambda: (
            reason(kube.get("ModelEndpoint", "local", namespace), "Healthy") == "CompletionPending"
        ),
    )
    timeline.stays(5, "nothing is routed to", lambda: not served(kube, namespace))
    told = endpoint(kube, namespace)["status"]["lastFailure"]
    assert "does not answer as the OpenAI API does" in told["message"]
    pods.garbage.clear()
    timeline.want(SOON, "both pods are routed to", lambda: len(served(kube, namespace)) == 2)


def test_a_new_revision_is_routed_to_as_a_whole_and_only_then_the_old_one_goes(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    before = a_served_endpoint(kube, namespace, timeline)
    old = pods_of(kube, namespace, before)
    seen: list[set[str]] = []
    was_ready: list[bool] = []
    change(kube, namespace, model="next")

    def taken_over() -> bool:
        seen.append(served(kube, namespace))
        was_ready.append(ready(kube, namespace))
        return len(deployments(kube, namespace)) == 1 and active(kube, namespace) != before

    timeline.want(SOON, "the next revision is the only one left", taken_over)
    new = pods_of(kube, namespace, active(kube, namespace))
    assert all(each in (old, new) for each in seen), "never half of one, never none"
    assert all(was_ready)
    assert [each["model"] for each in upstreams(kube, namespace)] == ["next"]
    service = kube.get("Service", "local", namespace)
    assert service is not None
    assert service["spec"]["selector"]["autoglm.io/revision"] == active(kube, namespace)


def test_a_revision_that_never_gets_ready_leaves_the_old_one_serving_and_says_why(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    before = a_served_endpoint(kube, namespace, timeline)
    old = served(kube, namespace)
    pods.garbage.add("local")
    change(kube, namespace, model="next")
    timeline.want(
        SOON,
        "Degraded says why",
        lambda: (
            reason(kube.get("ModelEndpoint", "local", namespace), "Degraded") == "CompletionPending"
        ),
    )
    message = next(
        each["message"]
        for each in endpoint(kube, namespace)["status"]["conditions"]
        if each["type"] == "Degraded"
    )
    assert message.startswith(f"Revision {before} goes on serving")
    timeline.stays(
        5,
        "the old revision serves, Ready and under its own name",
        lambda: (
            ready(kube, namespace)
            and served(kube, namespace) == old
            and [each["model"] for each in upstreams(kube, namespace)] == ["sim"]
        ),
    )
    assert active(kube, namespace) == before
    operator.kill()
    operator.start()
    timeline.stays(8, "a new leader keeps it so", lambda: served(kube, namespace) == old)
    assert ready(kube, namespace)

    change(kube, namespace, model="sim")
    timeline.want(SOON, "going back removes it", lambda: len(deployments(kube, namespace)) == 1)
    assert served(kube, namespace) == old
    timeline.want(
        SOON,
        "nothing is wrong any more",
        lambda: condition(endpoint(kube, namespace), "Degraded") == "False",
    )


def test_scaling_during_a_rollout_scales_what_serves(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    before = a_served_endpoint(kube, namespace, timeline)
    pods.garbage.add("local")
    change(kube, namespace, model="next")
    timeline.want(SOON, "both revisions exist", lambda: len(deployments(kube, namespace)) == 2)
    pods.garbage.clear()
    pods.unready.update(
        each["metadata"]["labels"]["autoglm.io/revision"]
        for each in deployments(kube, namespace)
        if each["metadata"]["labels"]["autoglm.io/revision"] != before
    )
    kube.patch("ModelEndpoint", "local", namespace, {"spec": {"replicas": 3}}, subresource="scale")
    timeline.want(
        SOON,
        "three pods of the revision that serves are routed to",
        lambda: (
            active(kube, namespace) == before
            and len(served(kube, namespace) & pods_of(kube, namespace, before)) == 3
        ),
    )
