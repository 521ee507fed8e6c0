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
import signal
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
from autoglm_operator.clients.lease import Elector, LeaseLostError, LeaseName
from autoglm_operator.clients.probe import EndpointProber
from autoglm_operator.commands.operator_settings import OperatorSettings
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
        return await _supervise(settings, elector, loops)


async def _supervise(settings: OperatorSettings, elector: Elector, loops: Loops) -> int:
    """Run everything until a signal or until a part ends; the leader's work ends first."""
    ready, stop_watching, stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()
    watching = asyncio.create_task(loops.informer.watch(ready, stop_watching))
    sweeping = asyncio.create_task(loops.informer.sweep_forever())
    leading = asyncio.create_task(elector.run(partial(_lead, settings, loops)))
    signals = asyncio.create_task(_own_signals(ready, stopped))
    stopping = asyncio.create_task(stopped.wait())
    tasks = {watching, sweeping, leading, stopping}
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    clean = stopped.is_set() or (watching.done() and watching.exception() is None)
    leading.cancel()
    outcome = (await asyncio.gather(leading, return_exceptions=True))[0]
    stop_watching.set()
    for task in (sweeping, stopping, signals):
        task.cancel()
    results = await asyncio.gather(watching, sweeping, return_exceptions=True)
    for failure in (outcome, *results):
        if isinstance(failure, LeaseLostError):
            log.error("lease lost", extra={"error": str(failure)})
        elif isinstance(failure, Exception):
            log.error("a part of the operator failed", exc_info=failure)
    return 0 if clean else 1


async def _own_signals(ready: asyncio.Event, stopped: asyncio.Event) -> None:
    """Take the signals over from Kopf, which installs handlers of its own while it starts."""
    await ready.wait()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)


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


async def _loops(
    settings: OperatorSettings,
    api: Api,
    elector: Elector,
    agents: AgentClient,
    metrics: OperatorMetrics,
) -> Loops:
    clock, rng = SystemClock(), random.Random()  # noqa: S311 - jitter, not secrets
    kube = KubeClient(
        api,
        timeout=settings.api_timeout_seconds,
        concurrency=settings.api_concurrency,
        metrics=metrics,
        may_write=lambda: elector.leading,
    )
    store = ObjectStore({kinds.POD: trim_pod})
    clusters, endpoints, probes = (
        WorkQueue[ObjectKey](name, clock, rng=rng, metrics=metrics)
        for name in (kinds.AUTOGLM_CLUSTER.kind, kinds.MODEL_ENDPOINT.kind, "Probe")
    )
    wakeups = Wakeups(store, clusters, endpoints)
    informer = Informer(
        WATCHED,
        kube,
        store,
        clock,
        on_change=wakeups.on_change,
        namespaces=settings.watch_namespaces,
        sweep_seconds=settings.sweep_seconds,
    )

    def resync() -> None:
        if elector.leading:
            for queue, key in wakeups.all_keys():
                queue.add_after(key, rng.random() * RESYNC_SPREAD_SECONDS)

    informer.on_sweep = resync
    safety = await _safety(settings, api, kube)
    prober = EndpointProber(partial(_judge, safety))
    probing = Probing(
        kube, store, prober, safety, clock, queue=probes, jitter=rng.random, metrics=metrics
    )
    probing.on_change = endpoints.add
    namespace = settings.pod_namespace or "default"
    source = EventSource("autoglm.io/operator", settings.pod_name or labels.OPERATOR)
    applier = Applier(kube, store, labels.OPERATOR)
    reporter = Reporter(kube, store, EventRecorder(kube, clock, source), labels.OPERATOR)
    images = Images(
        settings.image, settings.haproxy_image, settings.valkey_image, settings.image_pull_policy
    )
    authority = Authority(kube, clock, namespace)
    new_token = partial(randomness.token_urlsafe, 32)
    endpoint = EndpointReconciler(
        EndpointDeps(kube, store, applier, reporter, probing, clock, images, safety)
    )
    cluster = ClusterReconciler(
        ClusterDeps(
            kube=kube,
            store=store,
            applier=applier,
            reporter=reporter,
            publisher=RoutingPublisher(
                applier, agents, clock, new_token=new_token, metrics=metrics
            ),
            authority=authority,
            tokens=InternalTokens(clock),
            probing=probing,
            clock=clock,
            images=images,
            safety=safety,
            new_token=new_token,
        )
    )
    fatal = (errors.NotLeader,)
    return Loops(
        clusters=Workers(clusters, cluster.reconcile, clock, metrics=metrics, fatal=fatal),
        endpoints=Workers(endpoints, endpoint.reconcile, clock, metrics=metrics, fatal=fatal),
        probes=Workers(probes, probing.probe, clock, metrics=metrics, fatal=fatal),
        wakeups=wakeups,
        informer=informer,
        receiver_certificate=ReceiverCertificate(
            kube, clock, authority, namespace=namespace, service=settings.receiver_service
        ),
    )


def _judge(safety: addresses.Safety, address: addresses.Address) -> str | None:
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
    found: list[addresses.Network] = []
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
