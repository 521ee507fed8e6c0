"""What a cluster's status says: the rules of Ready, Degraded and RoutingProgrammed.

Ready needs all of: accepted, references resolved for at least one eligible upstream, the current
generation's pods ready, and every Ready router pod on the current routing table. Never looks at
anything itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autoglm_api import labels
from autoglm_api.autoglmcluster import AutoGLMClusterStatus, RoleStatus, RoutingStatus
from autoglm_api.conditions import ConditionType, Reason, is_true
from autoglm_operator.decisions import access, circuits, drift
from autoglm_operator.decisions.podstates import workload_is_current
from autoglm_operator.decisions.statuses import Verdict, conditions_of, fails, holds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from autoglm_api.autoglmcluster import AutoGLMCluster, UpstreamStatus
    from autoglm_operator.decisions.routing import UpstreamSeen

Manifest = dict[str, Any]

# A push under way for less than this does not flip a condition.
PUSH_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RoutingSeen:
    """Where the routing table stands.

    Attributes:
        version: Version of the newest document; 0 if there is none.
        hash: Its hash.
        routers: Ready, non-terminating router pods.
        acknowledged: Those of them that have it in force.
        pending_seconds: How long some router has been without it.
        rejection: The sentence of a router that refused it.
        problem: Why no document could be made.
        circuits: What each of these pods says of its open circuits; None for one that does not.
    """

    version: int = 0
    hash: str = ""
    routers: int = 0
    acknowledged: int = 0
    pending_seconds: float = 0.0
    rejection: str | None = None
    problem: Verdict | None = None
    circuits: tuple[frozenset[str] | None, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """Everything that status depends on.

    Attributes:
        cluster: The cluster.
        accepted: The verdict of the decision.
        upstreams: Its upstreams.
        shares: Eligibility and share of each.
        desired: Its desired children.
        live: Its live children.
        routing: Where the routing table stands.
        probes_unreliable: Whether all probes failed at once.
        unresolved: Why a reference of the cluster itself leads nowhere.
    """

    cluster: AutoGLMCluster
    accepted: Verdict
    upstreams: Sequence[UpstreamSeen]
    shares: Sequence[UpstreamStatus]
    desired: Sequence[Manifest]
    live: Sequence[Manifest]
    routing: RoutingSeen
    probes_unreliable: bool = False
    unresolved: Verdict | None = None


def status_of(seen: ClusterSeen, now: datetime) -> AutoGLMClusterStatus:
    """The status to report."""
    meta = seen.cluster.metadata
    roles = _roles(seen)
    executor = next((role for role in roles if role.name == labels.Role.EXECUTOR), None)
    selector = labels.role_selector(meta.name, labels.Role.EXECUTOR)
    resolved = _resolved(seen)
    pods_ready = _roles_ready(seen)
    programmed = _programmed(seen)
    verdicts = {
        ConditionType.ACCEPTED: seen.accepted,
        ConditionType.RESOLVED_REFS: resolved,
        ConditionType.ROLES_READY: pods_ready,
        ConditionType.ROUTING_PROGRAMMED: programmed,
        ConditionType.DEGRADED: _degraded(seen, resolved),
        ConditionType.READY: _ready(seen, pods_ready, programmed),
    }
    insecure = access.insecure(seen.cluster)
    if insecure is not None:
        verdicts[ConditionType.INSECURE] = insecure
    scheme = "http" if seen.cluster.spec.router.tls is None else "https"
    service = labels.child(meta.name, labels.Role.ROUTER)
    return AutoGLMClusterStatus(
        observed_generation=meta.generation,
        url=f"{scheme}://{service}.{meta.namespace}.svc",
        replicas=executor.replicas if executor is not None else 0,
        selector=",".join(f"{key}={value}" for key, value in selector.items()),
        roles=roles,
        upstreams=circuits.told(seen.shares, seen.cluster.status.upstreams, seen.routing.circuits),
        routing=RoutingStatus(
            version=seen.routing.version,
            hash=seen.routing.hash,
            acknowledged=seen.routing.acknowledged,
            routers=seen.routing.routers,
        ),
        conditions=conditions_of(seen.cluster.status.conditions, verdicts, meta.generation, now),
    )


def name_conflict(foreign: Sequence[str]) -> Verdict | None:
    """The verdict about children that belong to somebody else; None if there are none."""
    if not foreign:
        return None
    return fails(
        Reason.NAME_CONFLICT,
        f"{foreign[0]} exists and belongs to somebody else: delete it or rename the cluster.",
    )


def _workloads(seen: ClusterSeen) -> list[tuple[str, Manifest | None]]:
    """Every desired workload's role, with the live object."""
    found: list[tuple[str, Manifest | None]] = []
    for wanted in seen.desired:
        if wanted["kind"] in {"Deployment", "StatefulSet"}:
            name = wanted["metadata"]["name"]
            live = next(
                (
                    each
                    for each in seen.live
                    if (each["kind"], each["metadata"]["name"]) == (wanted["kind"], name)
                    and drift.controlled_by(each, seen.cluster.metadata.uid)
                ),
                None,
            )
            found.append((str(wanted["metadata"]["labels"].get(labels.ROLE, name)), live))
    return found


def _roles(seen: ClusterSeen) -> tuple[RoleStatus, ...]:
    roles: list[RoleStatus] = []
    for role, live in _workloads(seen):
        status: Manifest = (live or {}).get("status") or {}
        updated = int(status.get("updatedReplicas", 0))
        roles.append(
            RoleStatus(
                name=role,
                replicas=int(status.get("replicas", 0)),
                updated=updated,
                ready=min(updated, int(status.get("readyReplicas", 0))),
            )
        )
    return tuple(roles)


def _roles_ready(seen: ClusterSeen) -> Verdict:
    waiting = [
        role for role, live in _workloads(seen) if live is None or not workload_is_current(live)
    ]
    if waiting:
        return fails(
            Reason.PODS_NOT_READY,
            f"Not all pods of the current generation are ready: {', '.join(sorted(waiting))}.",
        )
    return holds(Reason.ROLES_READY, "All pods are of the current generation and ready.")


def _resolved(seen: ClusterSeen) -> Verdict:
    if seen.unresolved is not None:
        return seen.unresolved
    for each in seen.upstreams:
        if each.endpoint is None:
            name = each.upstream.endpoint_ref.name
            return fails(
                Reason.ENDPOINT_NOT_FOUND,
                f"ModelEndpoint {name} of upstream {each.upstream.name} does not exist: create it"
                " or remove the upstream.",
            )
        if each.credentials.problem is not None:
            problem = each.credentials.problem
            return fails(problem.reason, f"{each.upstream.name}: {problem.message}")
    return holds(Reason.RESOLVED, "Every reference leads to an object.")


def _programmed(seen: ClusterSeen) -> Verdict:
    table = seen.routing
    if table.problem is not None:
        return table.problem
    if table.rejection is not None:
        return fails(Reason.ROUTING_REJECTED, f"A router refused: {table.rejection}")
    if table.version == 0 or table.routers == 0:
        return fails(Reason.ROUTING_PENDING, "No router is ready yet.")
    before = is_true(seen.cluster.status.conditions, ConditionType.ROUTING_PROGRAMMED)
    patient = before and table.pending_seconds < PUSH_PATIENCE_SECONDS
    if table.acknowledged == table.routers or patient:
        return holds(Reason.ROUTING_ACKNOWLEDGED, "Every router has the current table in force.")
    if table.acknowledged == 0:
        return fails(Reason.NO_ROUTER_CURRENT, "No router has the current table in force.")
    return fails(Reason.ROUTING_PENDING, "Not every router has the current table in force.")


def _degraded(seen: ClusterSeen, resolved: Verdict) -> Verdict:
    if seen.probes_unreliable:
        return holds(
            Reason.PROBES_UNRELIABLE,
            "All endpoints stopped answering the operator at once, so the last routing table stays:"
            " look at the operator's own network first.",
        )
    table = seen.routing
    stale = 0 < table.acknowledged < table.routers
    if stale and table.pending_seconds >= PUSH_PATIENCE_SECONDS:
        return holds(Reason.ROUTER_STALE, "A router does not take the current routing table.")
    if resolved.status is not True:
        return holds(resolved.reason, resolved.message)
    return fails(Reason.AS_EXPECTED, "Everything is as it should be.")


def _ready(seen: ClusterSeen, pods_ready: Verdict, programmed: Verdict) -> Verdict:
    if seen.accepted.status is not True:
        return fails(seen.accepted.reason, seen.accepted.message)
    if not any(each.eligible for each in seen.shares):
        return fails(
            Reason.NO_ELIGIBLE_UPSTREAM,
            "No upstream may get requests: each needs a Ready endpoint that is not suspended, and"
            " a weight above 0.",
        )
    if pods_ready.status is not True:
        return fails(pods_ready.reason, pods_ready.message)
    # One stale router among several is Degraded; only when none serves the table it is not Ready.
    stale = 0 < seen.routing.acknowledged < seen.routing.routers
    before = is_true(seen.cluster.status.conditions, ConditionType.READY)
    if programmed.status is not True and not (
        stale and before and programmed.reason is Reason.ROUTING_PENDING
    ):
        return fails(programmed.reason, programmed.message)
    return holds(Reason.READY, "The cluster serves.")
