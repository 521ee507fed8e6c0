"""Whether circuits of an upstream are open, over all routers, and what of it is worth an Event.

Each router has circuits of its own; users read of an upstream as a whole. The status remembers what
was told, so that neither a restarted operator nor a restarted router tells it again. Never asks a
router.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_api.autoglmcluster import CircuitState
from autoglm_api.conditions import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from autoglm_api.autoglmcluster import AutoGLMCluster, UpstreamStatus


@dataclass(frozen=True, slots=True)
class CircuitNews:
    """One Event about an endpoint.

    Attributes:
        endpoint: Name of the ModelEndpoint.
        reason: What happened.
        message: The same sentence each time, so that one that flaps is told once in a while.
        warning: Whether it is for the worse.
    """

    endpoint: str
    reason: Reason
    message: str
    warning: bool


def told(
    shares: Sequence[UpstreamStatus],
    before: Sequence[UpstreamStatus],
    reports: Sequence[AbstractSet[str] | None],
) -> tuple[UpstreamStatus, ...]:
    """The upstreams with their circuits.

    Args:
        shares: The upstreams as they are to be reported otherwise.
        before: The upstreams as last reported.
        reports: For each ready router the upstreams with an open circuit; None if it is silent.
    """
    known = {each.name: each.circuit for each in before}
    return tuple(
        each.model_copy(update={"circuit": _circuit(each, known.get(each.name), reports)})
        for each in shares
    )


def news(
    cluster: AutoGLMCluster, before: Sequence[UpstreamStatus], after: Sequence[UpstreamStatus]
) -> tuple[CircuitNews, ...]:
    """What changed; that a circuit is closed at first, or went with its upstream, is no news."""
    known = {each.name: each.circuit for each in before}
    endpoints = {each.name: each.endpoint_ref.name for each in cluster.spec.upstreams}
    found: list[CircuitNews] = []
    for each in after:
        old = known.get(each.name)
        if each.circuit is None or each.circuit is (old or CircuitState.CLOSED):
            continue
        found.append(_said(cluster, each, endpoints[each.name]))
    return tuple(found)


def _circuit(
    upstream: UpstreamStatus,
    before: CircuitState | None,
    reports: Sequence[AbstractSet[str] | None],
) -> CircuitState | None:
    if not upstream.eligible:
        # It is in no router's table any more, and so has no circuit.
        return None
    heard = [each for each in reports if each is not None]
    if any(upstream.name in each for each in heard):
        return CircuitState.OPEN
    return CircuitState.CLOSED if heard and len(heard) == len(reports) else before


def _said(cluster: AutoGLMCluster, upstream: UpstreamStatus, endpoint: str) -> CircuitNews:
    where = f"upstream {upstream.name} of AutoGLMCluster {cluster.metadata.name}"
    if upstream.circuit is CircuitState.OPEN:
        failures = cluster.spec.circuit_breaker.consecutive_failures
        message = (
            f"A router opened a circuit of {where} after failures in a row ({failures} open it):"
            " it sends no requests there until a probe of its own succeeds."
        )
        return CircuitNews(endpoint, Reason.CIRCUIT_OPENED, message, warning=True)
    message = f"Every router has closed its circuits of {where}: requests go there again."
    return CircuitNews(endpoint, Reason.CIRCUIT_CLOSED, message, warning=False)
