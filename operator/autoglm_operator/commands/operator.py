"""`autoglm operator`: where settings, clients, store, queues and reconcilers meet.

Every replica watches, probes nothing and writes nothing until it holds the Lease. Losing the Lease
ends the process: the next container starts clean. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets as randomness
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autoglm_api import kinds, labels
from autoglm_api import metrics as names
from autoglm_operator.clients import errors
from autoglm_operator.clients.agent import AgentClient
from autoglm_operator.clients.events import EventRecorder, EventSource
from autoglm_operator.clients.kube import KubeClient, connect, server_of
from autoglm_operator.clients.lease import Elector, LeaseName
from autoglm_operator.clients.probe import EndpointProber
from autoglm_operator.commands.operator_settings import OperatorSettings
from autoglm_operator.commands.supervision import supervise
from autoglm_operator.decisions import addresses
from autoglm_operator.handlers.informer import Informer
from autoglm_operator.handlers.operator import WATCHED, Wakeups, trim_pod
from autoglm_operator.manifests.pods import Images
from autoglm_operator.reconcilers.applying import Applier
from autoglm_operator.reconcilers.authority import Authority
from autoglm_operator.reconcilers.autoglmcluster import ClusterDeps, ClusterReconciler
from autoglm_operator.reconcilers.internal import InternalTokens
from autoglm_operator.reconcilers.modelendpoint import EndpointDeps, EndpointReconciler
from autoglm_operator.reconcilers.probing import Probing
from autoglm_operator.reconcilers.receiver_certificate import ReceiverCertificate
from autoglm_operator.reconcilers.reporting import Reporter
from autoglm_operator.reconcilers.routing import RoutingPublisher
from autoglm_operator.runtime import logging as logs
from autoglm_operator.runtime import settings as reading
from autoglm_operator.runtime.clock import SystemClock
from autoglm_operator.runtime.keys import ObjectKey
from autoglm_operator.runtime.metrics import Metrics, counter
from autoglm_operator.runtime.probes import probe_app, serving
from autoglm_operator.runtime.store import ObjectStore
from autoglm_operator.runtime.workqueue import Workers, WorkQueue

if TYPE_CHECKING:
    from autoglm_api.endpointsafety import Address, Network
    from autoglm_operator.clients.kube import Api

log = logging.getLogger(__name__)

# Each call of the elector must fail early enough for several to fit into the renew deadline.
LEASE_CALL_SECONDS = 2.0
# Spread of the keys that a sweep wakes up.
RESYNC_SPREAD_SECONDS = 60.0
USAGE = 2


class OperatorMetrics(Metrics):
    """The operator's own counters besides those of the machinery."""

    def __init__(self) -> None:
        super().__init__()
        self._probes = counter(names.ENDPOINT_PROBES, self.registry)
        self._pushes = counter(names.ROUTING_PUSHES, self.registry)

    def observe_probe(self, outcome: str) -> None:
        """Count one probe of an endpoint by its reason."""
        self._probes.labels(outcome).inc()

    def observe_push(self, outcome: str) -> None:
        """Count one push of a routing document."""
        self._pushes.labels(outcome).inc()


@dataclass(frozen=True, slots=True)
class Loops:
    """The work of the leader."""

    clusters: Workers[ObjectKey]
    endpoints: Workers[ObjectKey]
    probes: Workers[ObjectKey]
    wakeups: Wakeups
    informer: Informer
    receiver_certificate: ReceiverCertificate


def main() -> int:
    """Run until SIGTERM; 2 if the environment cannot be used, 1 if the Lease was lost."""
    try:
        settings = reading.read(OperatorSettings)
    except reading.SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a sentence for the person who set it
        return USAGE
    logs.configure(settings.log_level)
    path = os.environ.get("KUBECONFIG")
    return asyncio.run(run(settings, Path(path) if path else None))


async def run(settings: OperatorSettings, kubeconfig: Path | None) -> int:
    """Run the operator in this event loop; returns the exit code."""
    metrics = OperatorMetrics()
    async with AsyncExitStack() as stack:
        api = await connect(
            kubeconfig, user_agent=labels.OPERATOR, concurrency=settings.api_concurrency
        )
        stack.push_async_callback(api.close)
        elector = _elector(settings, api, metrics)
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
        group.create_task(loops.receiver_certificate.keep())


def _elector(settings: OperatorSettings, api: Api, metrics: OperatorMetrics) -> Elector:
    """The elector, with a client of its own: a busy operator must not starve its Lease."""
    kube = KubeClient(api, timeout=LEASE_CALL_SECONDS, concurrency=2, metrics=metrics)
    identity = settings.pod_uid or randomness.token_hex(8)
    lease = LeaseName(settings.pod_namespace or "default", settings.lease_name, identity)
    return Elector(kube, SystemClock(), lease, metrics=metrics)


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
    rng: random.Random

    @property
    def namespace(self) -> str:
        """Where the operator itself lives."""
        return self.settings.pod_namespace or "default"

    @property
    def images(self) -> Images:
        """What pods run."""
        told = self.settings
        return Images(told.image, told.haproxy_image, told.valkey_image, told.image_pull_policy)


def _machinery(
    settings: OperatorSettings, api: Api, elector: Elector, metrics: OperatorMetrics
) -> _Machinery:
    clock, rng = SystemClock(), random.Random()  # noqa: S311 - jitter, not secrets
    kube = KubeClient(
        api,
        timeout=settings.api_timeout_seconds,
        concurrency=settings.api_concurrency,
        metrics=metrics,
        may_write=lambda: elector.leading,
    )
    clusters, endpoints, probes = (
        WorkQueue[ObjectKey](name, clock, rng=rng, metrics=metrics)
        for name in (kinds.AUTOGLM_CLUSTER.kind, kinds.MODEL_ENDPOINT.kind, "Probe")
    )
    store = ObjectStore({kinds.POD: trim_pod})
    return _Machinery(settings, metrics, clock, kube, store, clusters, endpoints, probes, rng)


async def _loops(
    settings: OperatorSettings,
    api: Api,
    elector: Elector,
    agents: AgentClient,
    metrics: OperatorMetrics,
) -> Loops:
    machinery = _machinery(settings, api, elector, metrics)
    kube, clock = machinery.kube, machinery.clock
    safety = await _safety(settings, api, kube)
    prober = EndpointProber(partial(_judge, safety))
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
    authority = Authority(kube, clock, machinery.namespace)
    endpoint, cluster = _reconcilers(machinery, probing, safety, authority, agents)
    wakeups = Wakeups(machinery.store, machinery.clusters, machinery.endpoints)
    work = partial(Workers[ObjectKey], clock=clock, metrics=metrics, fatal=(errors.NotLeader,))
    return Loops(
        clusters=work(machinery.clusters, cluster.reconcile),
        endpoints=work(machinery.endpoints, endpoint.reconcile),
        probes=work(machinery.probes, probing.probe),
        wakeups=wakeups,
        informer=_informer(machinery, wakeups, elector),
        receiver_certificate=ReceiverCertificate(
            kube, clock, authority, namespace=machinery.namespace, service=settings.receiver_service
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
    safety: addresses.Safety,
    authority: Authority,
    agents: AgentClient,
) -> tuple[EndpointReconciler, ClusterReconciler]:
    kube, store, clock = machinery.kube, machinery.store, machinery.clock
    pod = machinery.settings.pod_name or labels.OPERATOR
    events = EventRecorder(kube, clock, EventSource("autoglm.io/operator", pod))
    applier = Applier(kube, store, labels.OPERATOR)
    reporter = Reporter(kube, store, events, labels.OPERATOR)
    new_token = partial(randomness.token_urlsafe, 32)
    endpoint = EndpointDeps(
        kube, store, applier, reporter, probing, clock, machinery.images, safety
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


def _judge(safety: addresses.Safety, address: Address) -> str | None:
    return addresses.address_problem(address, safety)


async def _safety(settings: OperatorSettings, api: Api, kube: KubeClient) -> addresses.Safety:
    """The administrator's rules, plus the API server's own addresses."""
    hosts = {str(urlsplit(server_of(api)).hostname)}
    hosts.add(os.environ.get("KUBERNETES_SERVICE_HOST", ""))
    try:
        # Source: the API server keeps its own addresses in this object.
        own = await kube.get(kinds.ENDPOINT_SLICE, "default", "kubernetes")
        for each in (own or {}).get("endpoints") or ():
            hosts.update(each.get("addresses") or ())
    except errors.ApiError as error:
        log.warning("addresses of the API server not read", extra={"error": str(error)})
    found: list[Network] = []
    for host in sorted(hosts):
        literal = addresses.literal(host)
        if literal is not None and not literal.is_loopback:
            found.append(ip_network(str(ip_address(host))))
    return addresses.Safety(
        denied=(*settings.denied_cidrs, *found),
        allowed=settings.allowed_addresses,
        allowed_namespaces=settings.allowed_namespaces,
    )


if __name__ == "__main__":
    sys.exit(main())
