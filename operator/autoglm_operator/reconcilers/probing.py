"""Keeps probing every accepted endpoint, and says when the verdict about one changes.

Probes have a queue of their own, so that a hanging endpoint never holds up a reconcile. Results
live in memory; a new leader starts from what the endpoints' statuses say. Writes nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, Protocol

from autoglm_api import kinds, labels
from autoglm_api.conditions import ConditionStatus, ConditionType, Reason, find_condition
from autoglm_api.modelendpoint import ModelEndpoint
from autoglm_api.resource import UnreadableObject
from autoglm_operator.clients.probe import ProbeRequest
from autoglm_operator.decisions import addresses, health, references, revisions
from autoglm_operator.decisions.endpoint import spec_problem
from autoglm_operator.runtime.workqueue import Result, WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.clients.probe import EndpointProber, ProbeOutcome
    from autoglm_operator.decisions.addresses import Safety
    from autoglm_operator.decisions.health import Health
    from autoglm_operator.decisions.references import Credentials
    from autoglm_operator.runtime.clock import Clock
    from autoglm_operator.runtime.keys import ObjectKey
    from autoglm_operator.runtime.store import ObjectStore

log = logging.getLogger(__name__)

# Endpoints are not all asked in the same moment.
JITTER = 0.1


class ProbeMetrics(Protocol):
    """What the prober reports."""

    def observe_probe(self, outcome: str) -> None:
        """Count one probe by its reason."""
        ...


class Probing:
    """The loop over all endpoints."""

    def __init__(  # noqa: PLR0913 - a composition point; every argument is a collaborator
        self,
        kube: KubeClient,
        store: ObjectStore,
        prober: EndpointProber,
        safety: Safety,
        clock: Clock,
        *,
        queue: WorkQueue[ObjectKey],
        jitter: Callable[[], float],
        metrics: ProbeMetrics,
    ) -> None:
        self._kube = kube
        self._store = store
        self._prober = prober
        self._safety = safety
        self._clock = clock
        self._queue = queue
        self._jitter = jitter
        self._metrics = metrics
        self._records: dict[ObjectKey, Health] = {}
        self._windows: dict[ObjectKey, float] = {}
        self._probed_pods: dict[ObjectKey, frozenset[str]] = {}
        self._credentials: dict[ObjectKey, Credentials] = {}
        self._round = 0
        self.on_change: Callable[[ObjectKey], None] = lambda _: None

    def record(self, key: ObjectKey, endpoint: ModelEndpoint) -> Health | None:
        """What is believed about an endpoint; None if that is nothing.

        A new leader believes the status of its predecessor until its own first probe: nothing
        leaves a routing table because the operator restarted.
        """
        served = self._served(endpoint)
        known = self._own(key, served)
        if known is not None:
            return known
        told = seeded(served)
        return None if told.healthy is None else told

    def unreliable(self) -> bool:
        """Whether all endpoints stopped answering at once."""
        window = max(self._windows.values(), default=0.0)
        return health.probes_unreliable(list(self._records.values()), window)

    def look(self, key: ObjectKey, endpoint: ModelEndpoint, credentials: Credentials) -> None:
        """Probe soon what was never probed, got pods that were never probed, or another key."""
        pods = self._pod_uids(endpoint)
        probed = self._probed_pods.get(key, frozenset())
        rotated = self._credentials.get(key, credentials) != credentials
        self._credentials[key] = credentials
        if rotated or self._own(key, self._served(endpoint)) is None or not pods <= probed:
            self._queue.add(key)

    def forget(self, key: ObjectKey) -> None:
        """Drop an endpoint that is gone or not accepted."""
        self._records.pop(key, None)
        self._windows.pop(key, None)
        self._probed_pods.pop(key, None)
        self._credentials.pop(key, None)
        self._queue.discard(key)

    async def probe(self, key: ObjectKey) -> Result:
        """Probe one endpoint once and come back after its interval."""
        obj = self._store.get(kinds.MODEL_ENDPOINT, key.namespace, key.name)
        try:
            endpoint = None if obj is None else ModelEndpoint.read(obj)
        except UnreadableObject:
            endpoint = None
        if endpoint is None or spec_problem(endpoint, self._safety) is not None:
            self.forget(key)
            return Result()
        check = endpoint.spec.health_check
        interval = check.interval.total_seconds()
        self._windows[key] = interval + check.timeout.total_seconds()
        request = await self._request(endpoint)
        if request is None:
            # Nothing to ask: no ready pod, or a reference that leads nowhere. Not a failed probe.
            self._records.pop(key, None)
            self._probed_pods.pop(key, None)
            return Result(requeue_after=interval)
        pods = self._pod_uids(endpoint)
        outcome = await self._prober.probe(request)
        self._note(key, endpoint, outcome)
        self._probed_pods[key] = pods
        return Result(requeue_after=interval * (1 + JITTER * (self._jitter() - 0.5)))

    def _own(self, key: ObjectKey, endpoint: ModelEndpoint) -> Health | None:
        record = self._records.get(key)
        return record if record is not None and record.about == about(endpoint) else None

    def _note(self, key: ObjectKey, endpoint: ModelEndpoint, outcome: ProbeOutcome) -> None:
        self._metrics.observe_probe(outcome.reason)
        before = self.record(key, endpoint)
        start = before or seeded(self._served(endpoint))
        after = health.advance(start, outcome, endpoint.spec.health_check, self._clock.monotonic())
        self._records[key] = after
        if health.looks_different(before, after):
            log.info(
                "endpoint health changed",
                extra={"endpoint": str(key), "healthy": after.healthy, "reason": after.reason},
            )
            self.on_change(key)

    async def _request(self, endpoint: ModelEndpoint) -> ProbeRequest | None:
        spec, meta = endpoint.spec, endpoint.metadata
        timeout = spec.health_check.timeout.total_seconds()
        if spec.external is None:
            return self._request_to_pod(self._served(endpoint), timeout)
        names = {ref.name for ref in references.wanted(endpoint)}
        secrets = {name: await self._kube.get(kinds.SECRET, meta.namespace, name) for name in names}
        found = references.credentials(endpoint, secrets)
        if found.problem is not None:
            return None
        target = addresses.parse(spec.external.base_url)
        return ProbeRequest(
            scheme=target.scheme,
            host=target.host,
            port=target.port,
            path=target.path,
            model=spec.model,
            mode=spec.health_check.mode,
            timeout=timeout,
            api_key=found.api_key,
            ca=found.ca,
            server_name=None if spec.external.tls is None else spec.external.tls.server_name,
        )

    def _request_to_pod(self, served: ModelEndpoint, timeout: float) -> ProbeRequest | None:
        """Ask the pods that serve, one after the other."""
        spec, pods = served.spec, self._serving(served)
        if not pods or spec.managed is None:
            return None
        self._round += 1
        return ProbeRequest(
            scheme="http",
            host=str(pods[self._round % len(pods)]["status"]["podIP"]),
            port=spec.managed.port,
            path="/v1",
            model=spec.model,
            mode=spec.health_check.mode,
            timeout=timeout,
            trusted=True,
        )

    def _served(self, endpoint: ModelEndpoint) -> ModelEndpoint:
        owned = self._store.owned(endpoint.metadata.uid, kinds.DEPLOYMENT)
        return revisions.as_served(endpoint, owned)

    def _serving(self, endpoint: ModelEndpoint) -> tuple[dict[str, Any], ...]:
        meta = endpoint.metadata
        pods = self._store.labelled(kinds.POD, meta.namespace, **{labels.OWNER_UID: meta.uid})
        owned = self._store.owned(meta.uid, kinds.DEPLOYMENT)
        return revisions.serving_pods(endpoint, owned, pods)

    def _pod_uids(self, endpoint: ModelEndpoint) -> frozenset[str]:
        if endpoint.spec.managed is None:
            return frozenset()
        return frozenset(str(pod["metadata"]["uid"]) for pod in self._serving(endpoint))


def about(endpoint: ModelEndpoint) -> str:
    """A name for what is probed, so that a verdict never outlives it."""
    spec = endpoint.spec
    probed = {
        "uid": endpoint.metadata.uid,
        "model": spec.model,
        "external": None if spec.external is None else spec.external.as_json(),
        "port": None if spec.managed is None else spec.managed.port,
        "mode": str(spec.health_check.mode),
    }
    return hashlib.sha256(json.dumps(probed, sort_keys=True).encode()).hexdigest()


def seeded(endpoint: ModelEndpoint) -> Health:
    """The record to start from: what the status says, if it is about what is probed.

    Pods that serve go on serving what they did whatever a new spec asks for.
    """
    blank = health.Health(about(endpoint))
    said = find_condition(endpoint.status.conditions, ConditionType.HEALTHY)
    stale = said is not None and said.observed_generation != endpoint.metadata.generation
    if (
        said is None
        or said.status is not ConditionStatus.TRUE
        or (stale and endpoint.spec.managed is None)
    ):
        return blank
    return health.Health(
        blank.about, healthy=True, reason=Reason(said.reason), message=said.message
    )
