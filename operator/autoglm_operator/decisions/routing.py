"""The routing table of a cluster: which upstreams may get requests, and all that routers need.

Eligible is the operator's word: endpoint Ready, weight above 0, not suspended. What is not eligible
is absent from the table, never listed with weight 0. Which servers are up is each router's own
business. Never writes or sends anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autoglm_api import routing
from autoglm_api.autoglmcluster import UpstreamStatus
from autoglm_api.conditions import ConditionType, is_true
from autoglm_operator.decisions import addresses
from autoglm_operator.decisions.endpoint import ready_pods

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
    """

    cluster: AutoGLMCluster
    upstreams: Sequence[UpstreamSeen]
    planners: Sequence[Manifest]
    planner_models: tuple[str, ...]
    keys: Keys
    safety: Safety
    kept: frozenset[str] = frozenset()


def eligible(seen: UpstreamSeen, kept: frozenset[str] = frozenset()) -> bool:
    """Whether an upstream may get requests.

    Args:
        seen: The upstream.
        kept: Upstreams that count as Ready because probes are not to be believed now.
    """
    endpoint = seen.endpoint
    if endpoint is None or seen.upstream.weight == 0 or endpoint.spec.suspend:
        return False
    if seen.credentials.problem is not None:
        return False
    if endpoint.spec.managed is not None and not ready_pods(seen.pods):
        return False
    ready = is_true(endpoint.status.conditions, ConditionType.READY)
    accepted = is_true(endpoint.status.conditions, ConditionType.ACCEPTED)
    return ready or (accepted and seen.upstream.name in kept)


def table_of(inputs: TableInputs) -> routing.RoutingTable:
    """The table that should be in force.

    Raises:
        ValueError: A value cannot be in a routing document; the message says which.
    """
    spec = inputs.cluster.spec
    chosen = [each for each in inputs.upstreams if eligible(each, inputs.kept)]
    known = {each.endpoint.spec.model for each in inputs.upstreams if each.endpoint is not None}
    return routing.RoutingTable(
        cluster=inputs.cluster.metadata.name,
        namespace=inputs.cluster.metadata.namespace,
        security=routing.Security(
            client_keys=tuple(sorted(routing.key_digest(key) for key in inputs.keys.clients)),
            internal_tokens=inputs.keys.internal,
        ),
        models=tuple(sorted(known)),
        upstreams=tuple(_upstream(each) for each in chosen),
        planner=routing.Planner(
            models=inputs.planner_models, servers=_servers(inputs.planners, PLANNER_PORT)
        ),
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
    seen = tuple(upstreams)
    totals: dict[tuple[str, int], int] = {}
    for each in seen:
        if eligible(each, kept):
            totals[_tier(each)] = totals.get(_tier(each), 0) + each.upstream.weight
    return tuple(
        UpstreamStatus(
            name=each.upstream.name,
            eligible=eligible(each, kept),
            share_percent=(
                round(100 * each.upstream.weight / totals[_tier(each)])
                if eligible(each, kept)
                else 0
            ),
        )
        for each in seen
    )


def task_model(upstreams: Iterable[UpstreamSeen]) -> str:
    """The model that works on tasks: that of the first upstream of the first tier.

    It depends on the spec alone and not on what is up, because a change of it replaces pods.
    """
    known = [each for each in upstreams if each.endpoint is not None]
    first = min(known, key=lambda each: each.upstream.priority, default=None)
    return first.endpoint.spec.model if first is not None and first.endpoint is not None else ""


def _tier(seen: UpstreamSeen) -> tuple[str, int]:
    model = seen.endpoint.spec.model if seen.endpoint is not None else ""
    return model, seen.upstream.priority


def _upstream(seen: UpstreamSeen) -> routing.Upstream:
    endpoint = seen.endpoint
    assert endpoint is not None  # noqa: S101 - eligible upstreams have an endpoint
    managed = endpoint.spec.managed
    return routing.Upstream(
        name=seen.upstream.name,
        model=endpoint.spec.model,
        priority=seen.upstream.priority,
        weight=seen.upstream.weight,
        servers=() if managed is None else _servers(seen.pods, managed.port),
        external=None if managed is not None else _external(endpoint, seen.credentials),
        timeouts=routing.Timeouts(
            connect_milliseconds=_milliseconds(endpoint.spec.timeouts.connect),
            first_byte_milliseconds=_milliseconds(endpoint.spec.timeouts.first_byte),
            request_milliseconds=_milliseconds(endpoint.spec.timeouts.request),
        ),
    )


def _external(endpoint: ModelEndpoint, credentials: Credentials) -> routing.External:
    external = endpoint.spec.external
    assert external is not None  # noqa: S101 - the schema demands the block of the type
    target = addresses.parse(external.base_url)
    return routing.External(
        scheme=routing.Scheme(target.scheme),
        host=target.host,
        port=target.port,
        path=target.path,
        api_key=credentials.api_key,
        ca=None if credentials.ca is None else routing.certificates_in(credentials.ca),
    )


def _servers(pods: Sequence[Manifest], port: int) -> tuple[routing.Server, ...]:
    return tuple(
        routing.Server(
            uid=str(pod["metadata"]["uid"])[: routing.SERVER_UID_LENGTH],
            address=str(pod["status"]["podIP"]),
            port=port,
        )
        for pod in ready_pods(pods)
    )


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
