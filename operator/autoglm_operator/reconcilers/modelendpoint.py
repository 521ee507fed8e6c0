"""The level-triggered loop of ModelEndpoint: observe, decide, act, report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from autoglm_api import kinds, labels
from autoglm_api.conditions import ConditionType, Reason, is_true
from autoglm_api.leases import Mark
from autoglm_api.modelendpoint import ModelEndpoint
from autoglm_api.resource import UnreadableObject
from autoglm_operator.clients import errors
from autoglm_operator.decisions import endpoint as decision
from autoglm_operator.decisions import podstates, references, revisions
from autoglm_operator.manifests import endpoint as manifests
from autoglm_operator.manifests.pods import Owner
from autoglm_operator.reconcilers.applying import NameTakenError
from autoglm_operator.runtime.keys import key_of
from autoglm_operator.runtime.workqueue import Result

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.decisions.addresses import Safety
    from autoglm_operator.decisions.endpoint import EndpointPlan, EndpointSeen
    from autoglm_operator.manifests.pods import Images
    from autoglm_operator.reconcilers.applying import Applier
    from autoglm_operator.reconcilers.probing import Probing
    from autoglm_operator.reconcilers.proving import Proving
    from autoglm_operator.reconcilers.reporting import Reporter
    from autoglm_operator.runtime.clock import Clock
    from autoglm_operator.runtime.keys import ObjectKey
    from autoglm_operator.runtime.store import ObjectStore

Manifest = dict[str, Any]

# Source: the design's bound for noticing a changed Secret is 15 s.
SECRETS_SECONDS = 10.0
# A foreign object carries no label of ours, so its disappearance is not seen by any watch.
CONFLICT_SECONDS = 15.0
# After another revision took over, before the pods of the last one go: routers are told meanwhile.
TAKEOVER_SECONDS = 3.0
CHILD_KINDS = (
    kinds.DEPLOYMENT,
    kinds.SERVICE,
    kinds.POD_DISRUPTION_BUDGET,
    kinds.HORIZONTAL_POD_AUTOSCALER,
)


class EndpointMetrics(Protocol):
    """What the loop shows to monitoring."""

    def observe_endpoint(self, namespace: str, name: str, *, ready: bool | None) -> None:
        """Show whether an endpoint is Ready; None for one that is gone or suspended."""
        ...


@dataclass(frozen=True, slots=True)
class EndpointDeps:
    """What the loop works with."""

    kube: KubeClient
    store: ObjectStore
    applier: Applier
    reporter: Reporter
    probing: Probing
    proving: Proving
    clock: Clock
    images: Images
    safety: Safety
    metrics: EndpointMetrics


class EndpointReconciler:
    """Reconciles one endpoint at a time."""

    def __init__(self, deps: EndpointDeps) -> None:
        self._deps = deps
        self._taken_over: dict[ObjectKey, float] = {}

    async def reconcile(self, key: ObjectKey) -> Result:
        """Bring one endpoint to its desired state and report."""
        obj = self._deps.store.get(kinds.MODEL_ENDPOINT, key.namespace, key.name)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            self._deps.probing.forget(key)
            self._taken_over.pop(key, None)
            self._deps.metrics.observe_endpoint(key.namespace, key.name, ready=None)
            return Result()
        try:
            endpoint = ModelEndpoint.read(obj)
        except UnreadableObject as error:
            self._deps.metrics.observe_endpoint(key.namespace, key.name, ready=False)
            await self._deps.reporter.refuse(obj, str(error), self._deps.clock.now())
            return Result()
        seen = await self._observe(key, endpoint)
        plan = decision.decide(seen)
        changed, failure = await self._act(plan, endpoint)
        if plan.accepted.status:
            self._deps.probing.look(key, endpoint, seen.credentials)
            for pod in seen.pods:
                if podstates.awaits_completion(pod):
                    self._deps.proving.look(key_of(pod))
        refused = str(failure.message) if isinstance(failure, errors.ApiError) else None
        status = decision.status_of(
            await self._observe(key, endpoint) if changed else seen,
            plan,
            refused if isinstance(failure, errors.Invalid | errors.Forbidden) else None,
            self._deps.clock.now(),
        )
        ready = None if endpoint.spec.suspend else is_true(status.conditions, ConditionType.READY)
        self._deps.metrics.observe_endpoint(key.namespace, key.name, ready=ready)
        await self._deps.reporter.report(obj, status, status.conditions)
        if failure is not None:
            return Result(failed=True)
        if status.active_revision != endpoint.status.active_revision:
            self._taken_over[key] = self._deps.clock.monotonic()
            return Result(requeue_after=TAKEOVER_SECONDS)
        return Result(requeue_after=_next_look(seen, plan))

    async def _observe(self, key: ObjectKey, endpoint: ModelEndpoint) -> EndpointSeen:
        deps, meta, now = self._deps, endpoint.metadata, self._deps.clock.monotonic()
        names = {ref.name for ref in references.wanted(endpoint)}
        secrets = {name: await deps.kube.get(kinds.SECRET, meta.namespace, name) for name in names}
        live = [each for kind in CHILD_KINDS for each in deps.store.owned(meta.uid, kind)]
        desired: list[Manifest] = []
        if endpoint.spec.managed is not None:
            owner = Owner(kinds.MODEL_ENDPOINT, meta.namespace, meta.name, meta.uid)
            desired = manifests.children(endpoint, owner, deps.images, _in_force(endpoint, live))
        return decision.EndpointSeen(
            endpoint=endpoint,
            safety=deps.safety,
            credentials=references.credentials(endpoint, secrets),
            health=deps.probing.record(key, endpoint),
            desired=desired,
            live=live,
            foreign=await deps.applier.foreign(desired, meta.uid),
            pods=pods_of(deps.store, endpoint),
            settling=now - self._taken_over.get(key, float("-inf")) < TAKEOVER_SECONDS,
        )

    async def _act(
        self, plan: EndpointPlan, endpoint: ModelEndpoint
    ) -> tuple[bool, Exception | None]:
        """Write what was planned; returns whether anything was sent, and what stopped it."""
        uid = endpoint.metadata.uid
        changed = False
        try:
            for child in plan.apply:
                changed |= await self._deps.applier.apply(child, uid)
            for child, replicas in plan.scale:
                changed |= await self._deps.applier.scale(child, replicas)
            for child in plan.delete:
                await self._deps.applier.delete(child, uid)
                changed = True
        except (errors.ApiError, NameTakenError) as error:
            return changed, error
        return changed, None


def pods_of(store: ObjectStore, endpoint: ModelEndpoint) -> tuple[Manifest, ...]:
    """Live pods of a managed endpoint, of all its revisions."""
    if endpoint.spec.managed is None:
        return ()
    meta = endpoint.metadata
    return store.labelled(kinds.POD, meta.namespace, **{labels.OWNER_UID: meta.uid})


def _in_force(endpoint: ModelEndpoint, live: list[Manifest]) -> manifests.InForce:
    serving = revisions.in_force(endpoint, live)
    if serving is None:
        return manifests.InForce()
    found = revisions.of_revision(revisions.deployments(endpoint, live), serving)
    return manifests.InForce(serving, max(int(each["spec"].get("replicas", 1)) for each in found))


def _next_look(seen: EndpointSeen, plan: EndpointPlan) -> float | None:
    if plan.accepted.reason is Reason.NAME_CONFLICT:
        return CONFLICT_SECONDS
    if seen.settling:
        return TAKEOVER_SECONDS
    if references.wanted(seen.endpoint) or any(Mark.of(each) for each in seen.live):
        return SECRETS_SECONDS
    return None
