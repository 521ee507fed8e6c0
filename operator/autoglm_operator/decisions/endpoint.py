"""What is to be done about a ModelEndpoint, and what its status says.

Ready means that something serves, so that traffic keeps flowing while a new revision comes up;
Degraded says that less serves than was asked for, and why. Never probes and never reads a Secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from autoglm_api import labels, virtualmodels
from autoglm_api.conditions import Condition, ConditionStatus, ConditionType, Reason, find_condition
from autoglm_api.modelendpoint import EndpointFailure, EndpointType, ModelEndpointStatus
from autoglm_operator.decisions import addresses, drift, externals, podstates, revisions
from autoglm_operator.decisions.health import Health
from autoglm_operator.decisions.podtroubles import trouble
from autoglm_operator.decisions.statuses import Verdict, conditions_of, fails, holds, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from autoglm_api.modelendpoint import ModelEndpoint
    from autoglm_operator.decisions.addresses import Safety
    from autoglm_operator.decisions.references import Credentials

Manifest = dict[str, Any]

_COMPLAINTS: Final = (
    (ConditionType.ACCEPTED, ConditionStatus.FALSE),
    (ConditionType.RESOLVED_REFS, ConditionStatus.FALSE),
    (ConditionType.HEALTHY, ConditionStatus.FALSE),
    (ConditionType.DEGRADED, ConditionStatus.TRUE),
)
# These only say that something takes time.
_WAITING: Final = frozenset({Reason.PODS_NOT_READY, Reason.ROLLOUT_IN_PROGRESS})


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
        settling: Whether a revision took over so lately that routers may not know it yet.
    """

    endpoint: ModelEndpoint
    safety: Safety
    credentials: Credentials
    health: Health | None = None
    desired: Sequence[Manifest] = ()
    live: Sequence[Manifest] = ()
    foreign: Sequence[str] = ()
    pods: Sequence[Manifest] = ()
    settling: bool = False


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """What to do.

    Attributes:
        accepted: Whether the endpoint may act at all.
        apply: Children to apply where they differ.
        delete: Live children that have no place any more.
        scale: Deployments that serve on while a new revision comes up, with the number of pods
            that they should have.
    """

    accepted: Verdict
    apply: Sequence[Manifest] = field(default_factory=tuple[Manifest, ...])
    delete: Sequence[Manifest] = field(default_factory=tuple[Manifest, ...])
    scale: Sequence[tuple[Manifest, int]] = field(default_factory=tuple[tuple[Manifest, int], ...])


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
    return EndpointPlan(
        accepted,
        apply=tuple(seen.desired),
        delete=tuple(_superfluous(seen)),
        scale=tuple(_scaled(seen)),
    )


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
    refused = fails(Reason.REFUSED_BY_API_SERVER, failure or "")
    accepted = refused if failure and plan.accepted.status else plan.accepted
    resolved = seen.credentials.problem or holds(
        Reason.RESOLVED, "Every reference leads to an object."
    )
    active = active_revision(seen)
    healthy = _healthy(seen, active)
    verdicts = {
        ConditionType.ACCEPTED: accepted,
        ConditionType.RESOLVED_REFS: resolved,
        ConditionType.HEALTHY: healthy,
        ConditionType.DEGRADED: _degraded(seen, active),
        ConditionType.READY: _ready(seen, accepted, resolved, healthy),
    }
    generation = endpoint.metadata.generation
    conditions = conditions_of(endpoint.status.conditions, verdicts, generation, now)
    known = endpoint.status.discovered_models
    return ModelEndpointStatus(
        observed_generation=generation,
        url=url_of(endpoint),
        conditions=conditions,
        discovered_models=known if seen.health is None else seen.health.models or known,
        last_failure=_last_failure(endpoint, conditions),
        **_pods_of(seen, active),
    )


def active_revision(seen: EndpointSeen) -> str | None:
    """The revision that serves from now on; None for an external endpoint, or before the first."""
    if not seen.desired:
        return None
    wanted = revisions.revision(seen.desired[0])
    return revisions.next_in_force(seen.endpoint, wanted, seen.live, seen.pods)


def url_of(endpoint: ModelEndpoint) -> str:
    """URL to which `/chat/completions` is appended."""
    if endpoint.spec.external is not None:
        return endpoint.spec.external.base_url
    service = labels.endpoint_service(endpoint.metadata.name)
    return f"http://{service}.{endpoint.metadata.namespace}.svc/v1"


def _refused_address(health: Health | None) -> Verdict | None:
    if health is None or health.reason is not Reason.ADDRESS_REFUSED:
        return None
    return fails(Reason.ADDRESS_REFUSED, health.message)


def _superfluous(seen: EndpointSeen) -> list[Manifest]:
    """Own children that are not desired, but for the Deployment that serves until the next can."""
    wanted = {(each["kind"], each["metadata"]["name"]) for each in seen.desired}
    serving = revisions.in_force(seen.endpoint, seen.live)
    return [
        each
        for each in seen.live
        if (each["kind"], each["metadata"]["name"]) not in wanted
        and drift.controlled_by(each, seen.endpoint.metadata.uid)
        and not podstates.going(each)
        and (each["kind"] != "Deployment" or _expendable(each, serving, settling=seen.settling))
    ]


def _expendable(deployment: Manifest, serving: str | None, *, settling: bool) -> bool:
    return not settling and revisions.revision(deployment) != serving


def _scaled(seen: EndpointSeen) -> list[tuple[Manifest, int]]:
    """The Deployment that serves, if it is not the desired one and the user scaled meanwhile."""
    managed = seen.endpoint.spec.managed
    serving = revisions.in_force(seen.endpoint, seen.live)
    if managed is None or managed.autoscaling is not None or serving is None:
        return []
    if serving == revisions.revision(seen.desired[0]):
        return []
    found = revisions.of_revision(revisions.deployments(seen.endpoint, seen.live), serving)
    wanted = managed.initial_replicas
    return [(each, wanted) for each in found if each["spec"].get("replicas", 1) != wanted]


def _pods_of(seen: EndpointSeen, active: str | None) -> Mapping[str, Any]:
    """What the scale subresource and people are told about pods."""
    if seen.endpoint.spec.type is not EndpointType.MANAGED:
        return {}
    shown = active or revisions.revision(seen.desired[0])
    pods = revisions.of_revision(seen.pods, shown)
    selector = labels.revision_selector(seen.endpoint.metadata.name, shown)
    return {
        "replicas": len(revisions.counted(pods)),
        "ready_replicas": len(podstates.ready_pods(pods)),
        "selector": ",".join(f"{key}={value}" for key, value in selector.items()),
        "active_revision": active,
    }


def _trouble(seen: EndpointSeen) -> Verdict | None:
    """What keeps the desired revision from serving."""
    wanted = revisions.revision(seen.desired[0])
    workloads = revisions.of_revision(revisions.deployments(seen.endpoint, seen.live), wanted)
    return trouble(workloads, revisions.of_revision(seen.pods, wanted))


def _healthy(seen: EndpointSeen, active: str | None) -> Verdict:
    if seen.endpoint.spec.type is EndpointType.MANAGED:
        serving = podstates.ready_pods(revisions.of_revision(seen.pods, active or ""))
        if not serving:
            return _trouble(seen) or fails(
                Reason.PODS_NOT_READY, "No pod is ready, so there is none to probe."
            )
    if seen.health is None or seen.health.healthy is None:
        unprobed = Health("")
        return unknown(unprobed.reason, unprobed.message)
    return Verdict(seen.health.healthy, seen.health.reason, seen.health.message)


def _degraded(seen: EndpointSeen, active: str | None) -> Verdict:
    if not seen.desired:
        return fails(Reason.AS_EXPECTED, "An external endpoint has no pods of ours.")
    wanted = revisions.revision(seen.desired[0])
    name = seen.desired[0]["metadata"]["name"]
    found = revisions.of_revision(revisions.deployments(seen.endpoint, seen.live), wanted)
    if any(podstates.workload_is_current(each) for each in found):
        return fails(Reason.AS_EXPECTED, "All pods are of the current revision and ready.")
    why = _trouble(seen)
    if active not in {None, wanted}:
        told = f"Revision {active} goes on serving until all pods of revision {wanted} are ready."
        if why is None:
            return holds(Reason.ROLLOUT_IN_PROGRESS, told)
        return holds(why.reason, f"{told} {why.message}")
    if why is not None:
        return holds(why.reason, why.message)
    return holds(
        Reason.PODS_NOT_READY,
        f"Not all pods of revision {wanted} are ready:"
        f" kubectl describe deployment {name} says more.",
    )


def _last_failure(
    endpoint: ModelEndpoint, conditions: Sequence[Condition]
) -> EndpointFailure | None:
    """What the conditions complain about now, or what was known before."""
    for about, wrong in _COMPLAINTS:
        found = find_condition(conditions, about)
        if found is not None and found.status is wrong and found.reason not in _WAITING:
            return EndpointFailure(
                time=found.last_transition_time, reason=found.reason, message=found.message
            )
    return endpoint.status.last_failure


def _ready(seen: EndpointSeen, accepted: Verdict, resolved: Verdict, healthy: Verdict) -> Verdict:
    for needed in (accepted, resolved, healthy):
        if needed.status is not True:
            return fails(needed.reason, needed.message)
    if seen.endpoint.spec.suspend:
        return holds(Reason.SUSPENDED, "The endpoint works, but is suspended: no cluster uses it.")
    return holds(Reason.READY, "The endpoint serves.")
