"""What is to be done about a ModelEndpoint, and what its status says.

Ready means that something serves, so that traffic keeps flowing while a new revision comes up;
Degraded says that less serves than was asked for. Never probes and never reads a Secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autoglm_api import labels, virtualmodels
from autoglm_api.conditions import ConditionType, Reason
from autoglm_api.modelendpoint import EndpointType, ModelEndpointStatus
from autoglm_operator.decisions import addresses, drift, externals
from autoglm_operator.decisions.health import Health
from autoglm_operator.decisions.statuses import Verdict, conditions_of, fails, holds, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from autoglm_api.modelendpoint import ModelEndpoint
    from autoglm_operator.decisions.addresses import Safety
    from autoglm_operator.decisions.references import Credentials

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EndpointSeen:
    """Everything that was looked at.

    Attributes:
        endpoint: The endpoint.
        safety: The administrator's rules for addresses.
        credentials: What its references lead to.
        health: What probes found; None if it was never probed.
        desired: The children that it should have; the first is the Deployment.
        live: Its live children, including those of older revisions.
        foreign: Names of desired children that belong to somebody else, with their kinds.
        pods: Its live pods.
    """

    endpoint: ModelEndpoint
    safety: Safety
    credentials: Credentials
    health: Health | None = None
    desired: Sequence[Manifest] = ()
    live: Sequence[Manifest] = ()
    foreign: Sequence[str] = ()
    pods: Sequence[Manifest] = ()


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """What to do.

    Attributes:
        accepted: Whether the endpoint may act at all.
        apply: Children to apply where they differ.
        delete: Live children that have no place any more.
    """

    accepted: Verdict
    apply: Sequence[Manifest] = field(default_factory=tuple[Manifest, ...])
    delete: Sequence[Manifest] = field(default_factory=tuple[Manifest, ...])


def spec_problem(endpoint: ModelEndpoint, safety: Safety) -> Verdict | None:
    """Why an endpoint's spec cannot be accepted, as far as the spec alone tells."""
    if endpoint.spec.model in virtualmodels.NAMES:
        return fails(
            Reason.INVALID_SPEC,
            f"model {endpoint.spec.model} is the planner's own name: serve the model under another"
            " name and write that.",
        )
    external = endpoint.spec.external
    if external is None:
        return None
    problem = externals.url_problem(external)
    if problem is not None:
        return fails(Reason.INVALID_SPEC, problem)
    host = addresses.parse(external.base_url).host
    named = addresses.name_problem(host, endpoint.metadata.namespace, safety)
    literal = addresses.literal(host)
    if named is None and literal is not None:
        named = addresses.address_problem(literal, safety)
    return None if named is None else fails(Reason.ADDRESS_REFUSED, named)


def decide(seen: EndpointSeen) -> EndpointPlan:
    """Choose the writes; none for an endpoint that cannot be accepted."""
    problem = spec_problem(seen.endpoint, seen.safety) or _refused_address(seen.health)
    if problem is None and seen.foreign:
        problem = fails(
            Reason.NAME_CONFLICT,
            f"{seen.foreign[0]} exists and belongs to somebody else: delete it or rename the"
            " endpoint.",
        )
    if problem is not None:
        return EndpointPlan(problem)
    accepted = holds(Reason.ACCEPTED, "The endpoint is accepted.")
    return EndpointPlan(accepted, apply=tuple(seen.desired), delete=tuple(_superfluous(seen)))


def status_of(
    seen: EndpointSeen, plan: EndpointPlan, failure: str | None, now: datetime
) -> ModelEndpointStatus:
    """The status to report.

    Args:
        seen: What was looked at.
        plan: What was decided.
        failure: The sentence of the API server if it refused a child for good.
        now: Time for conditions that flip.
    """
    endpoint = seen.endpoint
    managed = endpoint.spec.type is EndpointType.MANAGED
    refused = fails(Reason.REFUSED_BY_API_SERVER, failure or "")
    accepted = refused if failure and plan.accepted.status else plan.accepted
    resolved = seen.credentials.problem or holds(
        Reason.RESOLVED, "Every reference leads to an object."
    )
    healthy = _healthy(seen)
    verdicts = {
        ConditionType.ACCEPTED: accepted,
        ConditionType.RESOLVED_REFS: resolved,
        ConditionType.HEALTHY: healthy,
        ConditionType.DEGRADED: _degraded(seen),
        ConditionType.READY: _ready(seen, accepted, resolved, healthy),
    }
    ready = ready_pods(seen.pods)
    active = _active_revision(seen)
    return ModelEndpointStatus(
        observed_generation=endpoint.metadata.generation,
        url=url_of(endpoint),
        replicas=len(seen.pods) if managed else 0,
        ready_replicas=len(ready) if managed else 0,
        selector=f"{labels.ENDPOINT}={endpoint.metadata.name}" if managed else None,
        active_revision=active,
        conditions=conditions_of(
            endpoint.status.conditions, verdicts, endpoint.metadata.generation, now
        ),
    )


def url_of(endpoint: ModelEndpoint) -> str:
    """URL to which `/chat/completions` is appended."""
    if endpoint.spec.external is not None:
        return endpoint.spec.external.base_url
    service = labels.endpoint_service(endpoint.metadata.name)
    return f"http://{service}.{endpoint.metadata.namespace}.svc/v1"


def ready_pods(pods: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """Pods that serve: Ready, with an address, not about to go; in a stable order."""
    ready = [
        pod
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and pod.get("status", {}).get("podIP")
        and any(
            each.get("type") == "Ready" and each.get("status") == "True"
            for each in pod["status"].get("conditions") or ()
        )
    ]
    return tuple(sorted(ready, key=lambda pod: str(pod["metadata"]["uid"])))


def workload_is_current(workload: Manifest) -> bool:
    """Whether all pods of a Deployment or StatefulSet are of its current spec, and ready."""
    status: Manifest = workload.get("status") or {}
    replicas = int(workload["spec"].get("replicas", 1))
    return (
        int(status.get("observedGeneration", 0)) >= int(workload["metadata"].get("generation", 0))
        and int(status.get("updatedReplicas", 0)) == replicas
        and int(status.get("readyReplicas", 0)) == replicas
        and int(status.get("replicas", 0)) == replicas
    )


def _refused_address(health: Health | None) -> Verdict | None:
    if health is None or health.reason is not Reason.ADDRESS_REFUSED:
        return None
    return fails(Reason.ADDRESS_REFUSED, health.message)


def _revision(deployment: Manifest) -> str:
    return str(deployment["metadata"].get("labels", {}).get(labels.REVISION, ""))


def _deployments(seen: EndpointSeen) -> list[Manifest]:
    found = [each for each in seen.live if each["kind"] == "Deployment"]
    return [each for each in found if drift.controlled_by(each, seen.endpoint.metadata.uid)]


def _current(seen: EndpointSeen) -> Manifest | None:
    if not seen.desired:
        return None
    name = seen.desired[0]["metadata"]["name"]
    return next((each for each in _deployments(seen) if each["metadata"]["name"] == name), None)


def _superfluous(seen: EndpointSeen) -> list[Manifest]:
    """Own children that are not desired; older Deployments only once the new one serves fully."""
    wanted = {(each["kind"], each["metadata"]["name"]) for each in seen.desired}
    current = _current(seen)
    settled = current is not None and workload_is_current(current)
    return [
        each
        for each in seen.live
        if (each["kind"], each["metadata"]["name"]) not in wanted
        and drift.controlled_by(each, seen.endpoint.metadata.uid)
        and "deletionTimestamp" not in each["metadata"]
        and (settled or each["kind"] != "Deployment")
    ]


def _active_revision(seen: EndpointSeen) -> str | None:
    """The current revision once it has a ready pod, until then the one that serves."""
    if not seen.desired:
        return None
    wanted = _revision(seen.desired[0])
    serving = {_revision(pod) for pod in ready_pods(seen.pods)}
    if wanted in serving or not serving:
        return wanted
    before = seen.endpoint.status.active_revision
    return before if before in serving else min(serving)


def _healthy(seen: EndpointSeen) -> Verdict:
    if seen.endpoint.spec.type is EndpointType.MANAGED and not ready_pods(seen.pods):
        return fails(Reason.PODS_NOT_READY, "No pod is ready, so there is none to probe.")
    if seen.health is None or seen.health.healthy is None:
        unprobed = Health("")
        return unknown(unprobed.reason, unprobed.message)
    return Verdict(seen.health.healthy, seen.health.reason, seen.health.message)


def _degraded(seen: EndpointSeen) -> Verdict:
    if not seen.desired:
        return fails(Reason.AS_EXPECTED, "An external endpoint has no pods of ours.")
    current = _current(seen)
    if current is None or not workload_is_current(current):
        return holds(
            Reason.PODS_NOT_READY,
            f"Not all pods of revision {_revision(seen.desired[0])} are ready:"
            f" kubectl describe deployment {seen.desired[0]['metadata']['name']} says more.",
        )
    return fails(Reason.AS_EXPECTED, "All pods are of the current revision and ready.")


def _ready(seen: EndpointSeen, accepted: Verdict, resolved: Verdict, healthy: Verdict) -> Verdict:
    for needed in (accepted, resolved, healthy):
        if needed.status is not True:
            return fails(needed.reason, needed.message)
    if seen.endpoint.spec.suspend:
        return holds(Reason.SUSPENDED, "The endpoint works, but is suspended: no cluster uses it.")
    return holds(Reason.READY, "The endpoint serves.")
