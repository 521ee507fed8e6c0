"""`autoglm operator`: where settings, clients, store, queues and reconcilers meet.

Every replica watches, probes nothing and writes nothing until it holds the Lease. Losing the Lease
ends the process: the next container starts clean. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import random
import secrets as randomness
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from autoglm_api import kinds, labels
from autoglm_operator.clients import errors
from autoglm_operator.clients.agent import AgentClient
from autoglm_operator.clients.events import EventRecorder, EventSource
from autoglm_operator.clients.lowlevel import connect
from autoglm_operator.clients.probe import EndpointProber
from autoglm_operator.commands.operator_safety import safety_of
from autoglm_operator.commands.operator_settings import OperatorSettings
from autoglm_operator.commands.starting import client_of, elector_of, start
from autoglm_operator.commands.supervision import supervise
from autoglm_operator.decisions.addresses import address_problem
from autoglm_operator.handlers.informer import Informer
from autoglm_operator.handlers.operator import WATCHED, Wakeups, trim_pod
from autoglm_operator.manifests.pods import Images
from autoglm_operator.reconcilers.applying import Applier
from autoglm_operator.reconcilers.authority import Authority
from autoglm_operator.reconcilers.autoglmcluster import ClusterDeps, ClusterReconciler
from autoglm_operator.reconcilers.internal import InternalTokens
from autoglm_operator.reconcilers.modelendpoint import EndpointDeps, EndpointReconciler
from autoglm_operator.reconcilers.operator_metrics import OperatorMetrics
from autoglm_operator.reconcilers.probing import Probing
from autoglm_operator.reconcilers.proving import Proving
from autoglm_operator.reconcilers.receiver_certificate import ReceiverCertificate
from autoglm_operator.reconcilers.reporting import Reporter
from autoglm_operator.reconcilers.routing import RoutingPublisher
from autoglm_operator.runtime.clock import SystemClock
from autoglm_operator.runtime.keys import ObjectKey
from autoglm_operator.runtime.probes import probe_app, serving
from autoglm_operator.runtime.store import ObjectStore
from autoglm_operator.runtime.workqueue import Workers, WorkQueue

if TYPE_CHECKING:
    from pathlib import Path

    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.clients.lease import Elector
    from autoglm_operator.clients.lowlevel import Api
    from autoglm_operator.decisions.addresses import Safety

# Spread of the keys that a sweep wakes up.
RESYNC_SPREAD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Loops:
    """The work of the leader."""

    clusters: Workers[ObjectKey]
    endpoints: Workers[ObjectKey]
    probes: Workers[ObjectKey]
    proofs: Workers[ObjectKey]
    wakeups: Wakeups
    informer: Informer
    receiver_certificate: ReceiverCertificate


def main() -> int:
    """Run until SIGTERM; 2 if the environment cannot be used, 1 if the Lease was lost."""
    return start(OperatorSettings, run)


async def run(settings: OperatorSettings, kubeconfig: Path | None) -> int:
    """Run the operator in this event loop; returns the exit code."""
    metrics = OperatorMetrics()
    async with AsyncExitStack() as stack:
        api = await connect(
            kubeconfig, user_agent=labels.OPERATOR, concurrency=settings.api_concurrency
        )
        stack.push_async_callback(api.close)
        elector = elector_of(settings, settings.lease_name, api, metrics)
        agents = AgentClient()
        stack.push_async_callback(agents.close)
        loops = await _loops(settings, api, elector, agents, metrics)
        app = probe_app(
            healthy=loops.informer.unhealthy,
            ready=loops.informer.unready,
            metrics=metrics.exposition,
        )
        await stack.enter_async_context(serving(app, settings.probe_host, settings.probe_port))
        work = partial(elector.run, partial(_lead, settings, loops))
        return await supervise(loops.informer, {"leader": work})


async def _lead(settings: OperatorSettings, loops: Loops) -> None:
    await loops.informer.synced.wait()
    for queue, key in loops.wakeups.all_keys():
        queue.add(key)
    async with asyncio.TaskGroup() as group:
        group.create_task(loops.clusters.run(settings.workers))
        group.create_task(loops.endpoints.run(settings.workers))
        group.create_task(loops.probes.run(settings.probe_workers))
        group.create_task(loops.proofs.run(settings.probe_workers))
        group.create_task(loops.receiver_certificate.keep())


@dataclass(frozen=True, slots=True)
class _Machinery:
    """What all loops share."""

    settings: OperatorSettings
    metrics: OperatorMetrics
    clock: SystemClock
    kube: KubeClient
    store: ObjectStore
    clusters: WorkQueue[ObjectKey]
    endpoints: WorkQueue[ObjectKey]
    probes: WorkQueue[ObjectKey]
    proofs: WorkQueue[ObjectKey]
    rng: random.Random

    @property
    def images(self) -> Images:
        """What pods run."""
        told = self.settings
        return Images(told.image, told.haproxy_image, told.valkey_image, told.image_pull_policy)


def _machinery(
    settings: OperatorSettings, api: Api, elector: Elector, metrics: OperatorMetrics
) -> _Machinery:
    clock, rng = SystemClock(), random.Random()  # noqa: S311 - jitter, not secrets
    kube = client_of(settings, api, metrics, elector)
    clusters, endpoints, probes, proofs = (
        WorkQueue[ObjectKey](name, clock, rng=rng, metrics=metrics)
        for name in (kinds.AUTOGLM_CLUSTER.kind, kinds.MODEL_ENDPOINT.kind, "Probe", "Proof")
    )
    store = ObjectStore({kinds.POD: trim_pod})
    queues = (clusters, endpoints, probes, proofs)
    return _Machinery(settings, metrics, clock, kube, store, *queues, rng)


async def _loops(
    settings: OperatorSettings,
    api: Api,
    elector: Elector,
    agents: AgentClient,
    metrics: OperatorMetrics,
) -> Loops:
    machinery = _machinery(settings, api, elector, metrics)
    kube, clock = machinery.kube, machinery.clock
    safety = await safety_of(settings, api, kube)
    prober = EndpointProber(partial(address_problem, safety=safety))
    probing = Probing(
        kube,
        machinery.store,
        prober,
        safety,
        clock,
        queue=machinery.probes,
        jitter=machinery.rng.random,
        metrics=metrics,
    )
    probing.on_change = machinery.endpoints.add
    proving = Proving(
        kube,
        machinery.store,
        prober,
        clock,
        queue=machinery.proofs,
        metrics=metrics,
        manager=labels.OPERATOR,
    )
    authority = Authority(kube, clock, settings.namespace)
    endpoint, cluster = _reconcilers(machinery, probing, proving, safety, authority, agents)
    wakeups = Wakeups(machinery.store, machinery.clusters, machinery.endpoints)
    work = partial(Workers[ObjectKey], clock=clock, metrics=metrics, fatal=(errors.NotLeader,))
    return Loops(
        clusters=work(machinery.clusters, cluster.reconcile),
        endpoints=work(machinery.endpoints, endpoint.reconcile),
        probes=work(machinery.probes, probing.probe),
        proofs=work(machinery.proofs, proving.prove),
        wakeups=wakeups,
        informer=_informer(machinery, wakeups, elector),
        receiver_certificate=ReceiverCertificate(
            kube, clock, authority, namespace=settings.namespace, service=settings.receiver_service
        ),
    )


def _informer(machinery: _Machinery, wakeups: Wakeups, elector: Elector) -> Informer:
    informer = Informer(
        WATCHED,
        machinery.kube,
        machinery.store,
        machinery.clock,
        on_change=wakeups.on_change,
        namespaces=machinery.settings.watch_namespaces,
        sweep_seconds=machinery.settings.sweep_seconds,
    )

    def resync() -> None:
        if elector.leading:
            for queue, key in wakeups.all_keys():
                queue.add_after(key, machinery.rng.random() * RESYNC_SPREAD_SECONDS)

    informer.on_sweep = resync
    return informer


def _reconcilers(
    machinery: _Machinery,
    probing: Probing,
    proving: Proving,
    safety: Safety,
    authority: Authority,
    agents: AgentClient,
) -> tuple[EndpointReconciler, ClusterReconciler]:
    kube, store, clock = machinery.kube, machinery.store, machinery.clock
    pod = machinery.settings.pod_name or labels.OPERATOR
    events = EventRecorder(kube, clock, EventSource("autoglm.io/operator", pod))
    applier = Applier(kube, store, labels.OPERATOR, clock)
    reporter = Reporter(kube, store, events, labels.OPERATOR)
    new_token = partial(randomness.token_urlsafe, 32)
    endpoint = EndpointDeps(
        kube=kube,
        store=store,
        applier=applier,
        reporter=reporter,
        probing=probing,
        proving=proving,
        clock=clock,
        images=machinery.images,
        safety=safety,
        metrics=machinery.metrics,
    )
    cluster = ClusterDeps(
        kube=kube,
        store=store,
        applier=applier,
        reporter=reporter,
        publisher=RoutingPublisher(
            applier, agents, clock, new_token=new_token, metrics=machinery.metrics
        ),
        authority=authority,
        tokens=InternalTokens(clock),
        probing=probing,
        clock=clock,
        images=machinery.images,
        safety=safety,
        new_token=new_token,
    )
    return EndpointReconciler(endpoint), ClusterReconciler(cluster)


if __name__ == "__main__":
    sys.exit(main())
