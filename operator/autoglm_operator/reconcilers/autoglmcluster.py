"""The level-triggered loop of AutoGLMCluster: observe, decide, act, report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from autoglm_api import kinds, labels, routing, virtualmodels
from autoglm_api.autoglmcluster import AutoGLMCluster
from autoglm_api.conditions import ConditionType, Reason, set_condition
from autoglm_api.modelendpoint import ModelEndpoint
from autoglm_api.resource import UnreadableObject
from autoglm_operator.clients import errors
from autoglm_operator.decisions import access, circuits, drift, references, revisions, statuses
from autoglm_operator.decisions import cluster as decision
from autoglm_operator.decisions import routing as table
from autoglm_operator.manifests import cluster as manifests
from autoglm_operator.manifests import secrets
from autoglm_operator.manifests.pods import Owner
from autoglm_operator.reconcilers.applying import NameTakenError
from autoglm_operator.reconcilers.modelendpoint import pods_of
from autoglm_operator.reconcilers.routing import document_in
from autoglm_operator.runtime.workqueue import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoglm_api.autoglmcluster import AutoGLMClusterStatus
    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.decisions.addresses import Safety
    from autoglm_operator.decisions.statuses import Verdict
    from autoglm_operator.manifests.pods import Images
    from autoglm_operator.reconcilers.applying import Applier
    from autoglm_operator.reconcilers.authority import Authority
    from autoglm_operator.reconcilers.internal import InternalTokens
    from autoglm_operator.reconcilers.probing import Probing
    from autoglm_operator.reconcilers.reporting import Reporter
    from autoglm_operator.reconcilers.routing import Published, RoutingPublisher
    from autoglm_operator.runtime.certificates import KeyPair
    from autoglm_operator.runtime.clock import Clock
    from autoglm_operator.runtime.keys import ObjectKey
    from autoglm_operator.runtime.store import ObjectStore

Manifest = dict[str, Any]

# Source: the design's bound for noticing a changed Secret or a stale router is 15 s.
LOOK_SECONDS = 10.0
# While a router has not taken the table yet.
PENDING_SECONDS = 1.0
CHILD_KINDS = (
    kinds.DEPLOYMENT,
    kinds.STATEFUL_SET,
    kinds.SERVICE,
    kinds.POD_DISRUPTION_BUDGET,
    kinds.HORIZONTAL_POD_AUTOSCALER,
)
# The names under which clients reach planner and executors.
VIRTUAL_MODELS = tuple(virtualmodels.NAMES)


@dataclass(frozen=True, slots=True)
class ClusterDeps:
    """What the loop works with."""

    kube: KubeClient
    store: ObjectStore
    applier: Applier
    reporter: Reporter
    publisher: RoutingPublisher
    authority: Authority
    tokens: InternalTokens
    probing: Probing
    clock: Clock
    images: Images
    safety: Safety
    new_token: Callable[[], str]


@dataclass(slots=True)
class _Work:
    """One reconcile: what is known so far.

    Attributes:
        cluster: The cluster.
        owner: The same as owner of children.
        desired: Desired children.
        upstreams: Upstreams with what stands behind them.
        accepted: The verdict so far.
        routing: Where the routing table stands.
        kept: Upstreams that stay although their probes fail.
        unresolved: Why a reference of the cluster itself leads nowhere.
        failure: What went wrong in a way that time may heal.
    """

    cluster: AutoGLMCluster
    owner: Owner
    desired: list[Manifest]
    upstreams: tuple[table.UpstreamSeen, ...]
    accepted: Verdict
    routing: decision.RoutingSeen
    kept: frozenset[str] = frozenset()
    unresolved: Verdict | None = None
    failure: Exception | None = None


class ClusterReconciler:
    """Reconciles one cluster at a time."""

    def __init__(self, deps: ClusterDeps) -> None:
        self._deps = deps
        self._uids: dict[ObjectKey, str] = {}

    async def reconcile(self, key: ObjectKey) -> Result:
        """Bring one cluster to its desired state and report."""
        deps = self._deps
        obj = deps.store.get(kinds.AUTOGLM_CLUSTER, key.namespace, key.name)
        uid = None if obj is None else str(obj["metadata"]["uid"])
        self._remember(key, uid)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return Result()
        try:
            cluster = AutoGLMCluster.read(obj)
        except UnreadableObject as error:
            await deps.reporter.refuse(obj, str(error), deps.clock.now())
            return Result()
        if cluster.spec.paused:
            await self._report_paused(obj, cluster)
            return Result()
        work = await self._observe(cluster)
        if work.accepted.status:
            await self._act(work)
        await self._report(obj, work)
        if work.failure is not None:
            return Result(failed=True)
        pending = work.routing.acknowledged < work.routing.routers
        return Result(requeue_after=PENDING_SECONDS if pending else LOOK_SECONDS)

    def _remember(self, key: ObjectKey, uid: str | None) -> None:
        """Drop what is remembered about a cluster that is gone or has a successor."""
        before = self._uids.get(key)
        if before is not None and before != uid:
            self._deps.publisher.forget(before)
            self._deps.tokens.forget(before)
        if uid is None:
            self._uids.pop(key, None)
        else:
            self._uids[key] = uid

    async def _observe(self, cluster: AutoGLMCluster) -> _Work:
        deps, meta = self._deps, cluster.metadata
        owner = Owner(kinds.AUTOGLM_CLUSTER, meta.namespace, meta.name, meta.uid)
        upstreams = await self._upstreams(cluster)
        model = table.task_model(upstreams)
        desired = manifests.children(cluster, owner, deps.images, model)
        foreign = await deps.applier.foreign(desired, meta.uid)
        accepted = decision.name_conflict(foreign) or statuses.holds(
            Reason.ACCEPTED, "The cluster is accepted."
        )
        return _Work(
            cluster=cluster,
            owner=owner,
            desired=desired,
            upstreams=upstreams,
            accepted=accepted,
            routing=_reported(cluster),
        )

    async def _upstreams(self, cluster: AutoGLMCluster) -> tuple[table.UpstreamSeen, ...]:
        deps, namespace = self._deps, cluster.metadata.namespace
        read: dict[str, Manifest | None] = {}
        found: list[table.UpstreamSeen] = []
        for upstream in cluster.spec.upstreams:
            endpoint = self._endpoint(namespace, upstream.endpoint_ref.name)
            if endpoint is None:
                found.append(table.UpstreamSeen(upstream, None, references.Credentials()))
                continue
            for ref in references.wanted(endpoint):
                if ref.name not in read:
                    read[ref.name] = await deps.kube.get(kinds.SECRET, namespace, ref.name)
            credentials = references.credentials(endpoint, read)
            served, pods = _serving(deps.store, endpoint)
            found.append(table.UpstreamSeen(upstream, served, credentials, pods))
        return tuple(found)

    def _endpoint(self, namespace: str, name: str) -> ModelEndpoint | None:
        obj = self._deps.store.get(kinds.MODEL_ENDPOINT, namespace, name)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return None
        try:
            return ModelEndpoint.read(obj)
        except UnreadableObject:
            return None

    async def _act(self, work: _Work) -> None:
        """Write in the order in which pods need it: Secrets first, then workloads, then push."""
        deps, uid = self._deps, work.owner.uid
        try:
            authority = await deps.authority.pair()
            published = await self._publish(work, authority)
            for child in work.desired:
                await deps.applier.apply(child, uid)
            for child in self._superfluous(work):
                await deps.applier.delete(child, uid)
            if published is not None:
                pods = self._role_pods(work.owner, labels.Role.ROUTER)
                work.routing = await deps.publisher.bring_into_force(
                    work.owner, published, pods, authority
                )
        except NameTakenError as error:
            work.accepted = decision.name_conflict([str(error)]) or work.accepted
            work.failure = error
        except (errors.Invalid, errors.Forbidden) as error:
            work.accepted = statuses.fails(Reason.REFUSED_BY_API_SERVER, error.message)
            work.failure = error
        except errors.ApiError as error:
            work.failure = error

    async def _publish(self, work: _Work, authority: KeyPair) -> Published | None:
        deps, owner = self._deps, work.owner
        clients = await self._client_keys(owner)
        internal = await self._internal(owner)
        live = await deps.kube.get(kinds.SECRET, owner.namespace, labels.routing_secret(owner.name))
        before = document_in(live)
        if deps.probing.unreliable() and before is not None:
            work.kept = frozenset(each.name for each in before.upstreams)
        found = await self._access(work, before)
        if found is None:
            return None
        known = work.cluster.status.routing.version if work.cluster.status.routing else 0
        try:
            wanted = table.table_of(
                table.TableInputs(
                    cluster=work.cluster,
                    upstreams=work.upstreams,
                    planners=self._role_pods(owner, labels.Role.PLANNER),
                    planner_models=VIRTUAL_MODELS,
                    keys=table.Keys(clients, internal),
                    safety=deps.safety,
                    kept=work.kept,
                    access=found,
                )
            )
            return await deps.publisher.publish(owner, wanted, live, authority, known)
        except routing.RoutingTooLargeError as error:
            self._refuse(work, Reason.ROUTING_TOO_LARGE, f"{error}: use fewer upstreams or keys.")
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            self._refuse(work, Reason.INVALID_SPEC, f"routing {place}: {first['msg']}.")
        return None

    async def _access(
        self, work: _Work, before: routing.RoutingDocument | None
    ) -> access.Access | None:
        """What the references of the cluster itself lead to; None if no table can be without."""
        kube, namespace = self._deps.kube, work.owner.namespace
        names = {ref.name for ref in access.wanted(work.cluster)}
        secrets_read = {name: await kube.get(kinds.SECRET, namespace, name) for name in names}
        found = access.access(work.cluster, secrets_read, before)
        work.unresolved = found.problem
        if work.cluster.spec.router.tls is None or found.certificate is not None:
            return found
        work.routing = replace(work.routing, problem=found.problem)
        return None

    def _refuse(self, work: _Work, reason: Reason, message: str) -> None:
        work.accepted = statuses.fails(reason, message[:1].upper() + message[1:])
        work.routing = replace(work.routing, problem=work.accepted)

    async def _client_keys(self, owner: Owner) -> tuple[str, ...]:
        """Every client key; the first is made once, and nothing in the Secret is ever changed."""
        deps, name = self._deps, labels.client_key_secret(owner.name)
        live = await deps.kube.get(kinds.SECRET, owner.namespace, name)
        if live is None:
            data = secrets.client_key_data(deps.new_token())
            made = secrets.secret(owner, name, secrets.cluster_labels(owner), data)
            live = await deps.applier.replace(made, owner.uid, live=None)
        elif not drift.controlled_by(live, owner.uid):
            raise NameTakenError(f"Secret {name}")
        return secrets.client_keys(references.data_of(live))

    async def _internal(self, owner: Owner) -> tuple[str, ...]:
        """The internal tokens that routers accept."""
        deps, name = self._deps, labels.internal_secret(owner.name)
        live = await deps.kube.get(kinds.SECRET, owner.namespace, name)
        fresh = (deps.new_token(), deps.new_token())
        data = secrets.internal_data(references.data_of(live), fresh)
        desired = secrets.secret(owner, name, secrets.cluster_labels(owner), data)
        await deps.applier.apply(desired, owner.uid, live=live)
        return deps.tokens.accepted(owner.uid, data[secrets.INTERNAL_TOKEN].decode())

    def _role_pods(self, owner: Owner, role: labels.Role) -> tuple[Manifest, ...]:
        wanted = {labels.OWNER_UID: owner.uid, labels.ROLE: str(role)}
        return self._deps.store.labelled(kinds.POD, owner.namespace, **wanted)

    def _live(self, work: _Work) -> list[Manifest]:
        return [
            each for kind in CHILD_KINDS for each in self._deps.store.owned(work.owner.uid, kind)
        ]

    def _superfluous(self, work: _Work) -> list[Manifest]:
        wanted = {(each["kind"], each["metadata"]["name"]) for each in work.desired}
        return [
            each
            for each in self._live(work)
            if (each["kind"], each["metadata"]["name"]) not in wanted
            and drift.controlled_by(each, work.owner.uid)
            and "deletionTimestamp" not in each["metadata"]
        ]

    async def _report(self, obj: Manifest, work: _Work) -> None:
        seen = decision.ClusterSeen(
            cluster=work.cluster,
            accepted=work.accepted,
            upstreams=work.upstreams,
            shares=table.shares(work.upstreams, work.kept),
            desired=work.desired,
            live=self._live(work),
            routing=work.routing,
            probes_unreliable=bool(work.kept),
            unresolved=work.unresolved,
        )
        status = decision.status_of(seen, self._deps.clock.now())
        if await self._deps.reporter.report(obj, status, status.conditions):
            await self._tell_circuits(work.cluster, status)

    async def _tell_circuits(self, cluster: AutoGLMCluster, status: AutoGLMClusterStatus) -> None:
        """Write what changed about circuits as Events of the endpoints, after the status has it."""
        namespace = cluster.metadata.namespace
        for each in circuits.news(cluster, cluster.status.upstreams, status.upstreams):
            endpoint = self._deps.store.get(kinds.MODEL_ENDPOINT, namespace, each.endpoint)
            if endpoint is not None:
                await self._deps.reporter.tell(
                    endpoint, each.reason, each.message, wrong=each.warning
                )

    async def _report_paused(self, obj: Manifest, cluster: AutoGLMCluster) -> None:
        """Say that nothing is done; all else stays as it was last seen."""
        conditions = set_condition(
            cluster.status.conditions,
            ConditionType.ACCEPTED,
            status=True,
            reason=Reason.PAUSED,
            message="The cluster is paused: the operator leaves everything as it is.",
            generation=cluster.metadata.generation,
            now=self._deps.clock.now(),
        )
        status = cluster.status.model_copy(
            update={"conditions": conditions, "observed_generation": cluster.metadata.generation}
        )
        await self._deps.reporter.report(obj, status, conditions)


def _serving(
    store: ObjectStore, endpoint: ModelEndpoint
) -> tuple[ModelEndpoint, tuple[Manifest, ...]]:
    """An endpoint as its revision in force serves it, with the pods that requests may go to."""
    children = store.owned(endpoint.metadata.uid, kinds.DEPLOYMENT)
    served = revisions.as_served(endpoint, children)
    return served, revisions.serving_pods(served, children, pods_of(store, endpoint))


def _reported(cluster: AutoGLMCluster) -> decision.RoutingSeen:
    """What the status says about routing, until more is known."""
    said = cluster.status.routing
    if said is None:
        return decision.RoutingSeen()
    return decision.RoutingSeen(
        version=said.version, hash=said.hash, routers=said.routers, acknowledged=said.acknowledged
    )
