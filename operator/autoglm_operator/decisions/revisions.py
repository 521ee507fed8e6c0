"""Which revision of a managed endpoint serves, and when the next one takes over.

The revision in force is the one in the endpoint's status, so that whoever restarts knows it. The
next one takes over as a whole, once all its pods are ready, or as soon as it has any while the one
in force has none. A pod is ready only after a real completion: its readiness gate says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoglm_api import labels
from autoglm_operator.decisions import drift
from autoglm_operator.decisions.podstates import FINISHED, going, ready_pods, workload_is_current

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autoglm_api.modelendpoint import ModelEndpoint

Manifest = dict[str, Any]


def revision(obj: Manifest) -> str:
    """The revision that a Deployment or pod is of; empty for none."""
    carried: dict[str, str] = obj["metadata"].get("labels") or {}
    return carried.get(labels.REVISION, "")


def deployments(endpoint: ModelEndpoint, live: Iterable[Manifest]) -> list[Manifest]:
    """The live Deployments that are really the endpoint's own."""
    found = [each for each in live if each["kind"] == "Deployment"]
    return [each for each in found if drift.controlled_by(each, endpoint.metadata.uid)]


def of_revision(objects: Iterable[Manifest], wanted: str) -> list[Manifest]:
    """Those of the objects that are of a revision."""
    return [each for each in objects if revision(each) == wanted]


def in_force(endpoint: ModelEndpoint, live: Iterable[Manifest]) -> str | None:
    """The revision that serves by the status; None if there is none, or its Deployment is gone."""
    said = endpoint.status.active_revision
    if endpoint.spec.managed is None or not said:
        return None
    known = of_revision(deployments(endpoint, live), said)
    return said if any(not going(each) for each in known) else None


def next_in_force(
    endpoint: ModelEndpoint, wanted: str, live: Sequence[Manifest], pods: Sequence[Manifest]
) -> str | None:
    """The revision that is to serve from now on; None while none ever had a ready pod.

    Args:
        endpoint: The endpoint.
        wanted: The revision that its spec asks for.
        live: Its live children.
        pods: Its live pods.
    """
    ready = ready_pods(pods)
    coming = of_revision(ready, wanted)
    before = in_force(endpoint, live)
    if before is None or before == wanted:
        return wanted if coming or before else None
    workloads = of_revision(deployments(endpoint, live), wanted)
    settled = any(
        workload_is_current(each) and len(coming) >= int(each["spec"].get("replicas", 1))
        for each in workloads
    )
    orphaned = bool(coming) and not of_revision(ready, before)
    return wanted if settled or orphaned else before


def as_served(endpoint: ModelEndpoint, live: Iterable[Manifest]) -> ModelEndpoint:
    """The endpoint as the revision in force serves it: under its model name, on its port.

    While another revision comes up, the spec already says what that one will serve.
    """
    managed = endpoint.spec.managed
    children = list(live)
    serving = in_force(endpoint, children)
    if managed is None or serving is None:
        return endpoint
    (deployment, *_) = of_revision(deployments(endpoint, children), serving)
    template: Manifest = deployment["spec"].get("template", {}).get("metadata", {})
    told: Manifest = template.get("annotations") or {}
    spec = endpoint.spec.model_copy(
        update={
            "model": str(told.get(labels.MODEL, endpoint.spec.model)),
            "managed": managed.model_copy(
                update={"port": int(told.get(labels.PORT, managed.port))}
            ),
        }
    )
    return endpoint.model_copy(update={"spec": spec})


def serving_pods(
    endpoint: ModelEndpoint, live: Iterable[Manifest], pods: Iterable[Manifest]
) -> tuple[Manifest, ...]:
    """The pods that requests may go to: ready ones of the revision in force."""
    serving = in_force(endpoint, live)
    return () if serving is None else tuple(of_revision(ready_pods(pods), serving))


def counted(pods: Iterable[Manifest]) -> list[Manifest]:
    """Pods that count as replicas: those that have neither ended nor are about to go."""
    return [pod for pod in pods if not going(pod) and _phase(pod) not in FINISHED]


def _phase(pod: Manifest) -> str:
    status: Manifest = pod.get("status") or {}
    return str(status.get("phase"))
