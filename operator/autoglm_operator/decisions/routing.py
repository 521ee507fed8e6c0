"""The routing table of a cluster: which upstreams may get requests, and all that routers need.

Eligible is the operator's word: endpoint Ready, weight above 0, not suspended. What is not eligible
is absent from the table, never listed with weight 0; so is what no document takes, for one odd
endpoint must not take the others out of service. Which servers are up is each router's own affair.
Never writes or sends anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autoglm_api import routing, virtualmodels
from autoglm_api.autoglmcluster import UpstreamStatus
from autoglm_api.conditions import ConditionType, is_true
from autoglm_api.routerrole import RouterRole
from autoglm_operator.decisions import externals, routerpolicies
from autoglm_operator.decisions.access import Access
from autoglm_operator.decisions.podstates import ready_pods

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from autoglm_api.autoglmcluster import AutoGLMCluster, Upstream
    from autoglm_api.modelendpoint import ModelEndpoint
    from autoglm_operator.decisions.addresses import Safety
    from autoglm_operator.decisions.references import Credentials

Manifest = dict[str, Any]

PLANNER_PORT = 8000


@dataclass(frozen=True, slots=True)
class UpstreamSeen:
    """One upstream of the spec with what stands behind it.

    Attributes:
        upstream: The entry of the spec.
        endpoint: Its endpoint; None if it does not exist or cannot be read.
        credentials: What the endpoint's references lead to.
        pods: The endpoint's pods, if it is managed.
    """

    upstream: Upstream
    endpoint: ModelEndpoint | None
    credentials: Credentials
    pods: Sequence[Manifest] = ()

    @property
    def model(self) -> str:
        """What clients ask for; empty while that is not known."""
        own = "" if self.endpoint is None else self.endpoint.spec.model
        return self.upstream.served_model_name or own


@dataclass(frozen=True, slots=True)
class Keys:
    """What the table's security part is made of."""

    clients: tuple[str, ...]
    internal: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableInputs:
    """Everything that the table depends on.

    Attributes:
        cluster: The cluster.
        upstreams: Its upstreams in the order of the spec.
        planners: Pods of the planner.
        planner_models: Virtual models that the planner answers.
        keys: Client keys and internal tokens.
        safety: Which addresses endpoints may have.
        kept: Upstreams of the last table; they stay eligible although their probes fail.
        access: What the references of the cluster itself lead to.
    """

    cluster: AutoGLMCluster
    upstreams: Sequence[UpstreamSeen]
    planners: Sequence[Manifest]
    planner_models: tuple[str, ...]
    keys: Keys
    safety: Safety
    kept: frozenset[str] = frozenset()
    access: Access = field(default_factory=Access)


def eligible(seen: UpstreamSeen, kept: frozenset[str] = frozenset()) -> bool:
    """Whether an upstream may get requests.

    Args:
        seen: The upstream.
        kept: Upstreams that count as Ready because probes are not to be believed now.
    """
    return _entry(seen, kept, RouterRole()) is not None


def table_of(inputs: TableInputs) -> routing.RoutingTable:
    """The table that should be in force.

    Raises:
        ValueError: A value of the cluster itself cannot be in a routing document.
    """
    spec = inputs.cluster.spec
    entries = [_entry(each, inputs.kept, spec.router) for each in inputs.upstreams]
    known = {each.model for each in inputs.upstreams if each.model}
    return routing.RoutingTable(
        cluster=inputs.cluster.metadata.name,
        namespace=inputs.cluster.metadata.namespace,
        security=routing.Security(
            authentication=spec.security.authentication.type,
            tokens=inputs.access.tokens,
            client_keys=tuple(sorted(routing.key_digest(key) for key in inputs.keys.clients)),
            internal_tokens=inputs.keys.internal,
        ),
        models=tuple(sorted(known - set(inputs.planner_models))),
        upstreams=tuple(each for each in entries if each is not None),
        planner=routing.Planner(
            models=inputs.planner_models, servers=_servers(inputs.planners, PLANNER_PORT)
        ),
        listener=routerpolicies.listener(spec.router, inputs.access.certificate),
        sharing=routerpolicies.sharing(spec.router),
        breaker=routing.Breaker(
            consecutive_failures=spec.circuit_breaker.consecutive_failures,
            open_milliseconds=_milliseconds(spec.circuit_breaker.open_duration),
        ),
        retry=routing.Retry(
            max_attempts=spec.retry.max_attempts,
            chat_completions=routing.ChatCompletionRetry(str(spec.retry.chat_completions)),
        ),
        endpoint_safety=routing.EndpointSafety(
            denied_cidrs=tuple(str(each) for each in inputs.safety.denied),
            allowed_addresses=tuple(str(each) for each in inputs.safety.allowed),
        ),
    )


def shares(
    upstreams: Iterable[UpstreamSeen], kept: frozenset[str] = frozenset()
) -> tuple[UpstreamStatus, ...]:
    """What status says about every upstream of the spec."""
    seen = [(each, eligible(each, kept)) for each in upstreams]
    totals: dict[tuple[str, int], int] = {}
    for each, usable in seen:
        if usable:
            totals[_tier(each)] = totals.get(_tier(each), 0) + each.upstream.weight
    return tuple(
        UpstreamStatus(
            name=each.upstream.name,
            eligible=usable,
            share_percent=(
                round(100 * each.upstream.weight / totals[_tier(each)]) if usable else 0
            ),
        )
        for each, usable in seen
    )


def task_model(upstreams: Iterable[UpstreamSeen]) -> str:
    """The model that works on tasks: that of the first upstream of the first tier.

    It depends on the spec alone and not on what is up, because a change of it replaces pods.
    """
    real = [
        (each.upstream.priority, each.model)
        for each in upstreams
        if each.endpoint is not None and each.model not in virtualmodels.NAMES
    ]
    return min(real, key=lambda found: found[0], default=(0, ""))[1]


def _tier(seen: UpstreamSeen) -> tuple[str, int]:
    return seen.model, seen.upstream.priority


def _entry(seen: UpstreamSeen, kept: frozenset[str], router: RouterRole) -> routing.Upstream | None:
    """The upstream in the words of the document; None if it may not get requests."""
    endpoint = seen.endpoint
    if endpoint is None or not _willing(seen, endpoint):
        return None
    ready = is_true(endpoint.status.conditions, ConditionType.READY)
    accepted = is_true(endpoint.status.conditions, ConditionType.ACCEPTED)
    if not ready and not (accepted and seen.upstream.name in kept):
        return None
    try:
        return _upstream(seen, endpoint, router)
    except ValueError:
        # What to write instead is said at the endpoint, by the same check of its spec.
        return None


def _willing(seen: UpstreamSeen, endpoint: ModelEndpoint) -> bool:
    """Whether spec, references and pods leave anything to send requests to."""
    return (
        seen.upstream.weight > 0
        and not endpoint.spec.suspend
        and seen.model not in virtualmodels.NAMES
        and seen.credentials.problem is None
        and (endpoint.spec.managed is None or bool(ready_pods(seen.pods)))
    )


def _upstream(seen: UpstreamSeen, endpoint: ModelEndpoint, router: RouterRole) -> routing.Upstream:
    managed, external = endpoint.spec.managed, endpoint.spec.external
    return routing.Upstream(
        name=seen.upstream.name,
        model=seen.model,
        endpoint_model=None if seen.model == endpoint.spec.model else endpoint.spec.model,
        priority=seen.upstream.priority,
        weight=seen.upstream.weight,
        servers=() if managed is None else _servers(seen.pods, managed.port),
        external=None if external is None else externals.external_of(external, seen.credentials),
        timeouts=routing.Timeouts(
            connect_milliseconds=_milliseconds(endpoint.spec.timeouts.connect),
            first_byte_milliseconds=_milliseconds(endpoint.spec.timeouts.first_byte),
            request_milliseconds=_milliseconds(endpoint.spec.timeouts.request),
        ),
        limits=routerpolicies.limits(endpoint.spec.limits, router),
    )


def _servers(pods: Sequence[Manifest], port: int) -> tuple[routing.Server, ...]:
    return tuple(
        routing.Server(
            uid=str(pod["metadata"]["uid"])[: routing.SERVER_UID_LENGTH],
            address=str(pod["status"]["podIP"]),
            port=port,
        )
        for pod in ready_pods(pods)[: routing.MAX_SERVERS]
    )


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
