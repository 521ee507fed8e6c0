"""`autoglm healer`: where the Lease, the runs, the actions and the API client meet.

Every replica watches and writes nothing until it holds the Lease. Losing the Lease ends the
process. Nothing here decides anything.
"""

import asyncio
import random
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from autoglm_api import kinds, labels
from autoglm_api.healingladder import ActionName
from autoglm_operator.actions.cleandisk import CleanDisk
from autoglm_operator.actions.isolatenode import IsolateNode
from autoglm_operator.actions.notify import Notify
from autoglm_operator.actions.restart import Restart
from autoglm_operator.actions.scaleout import ScaleOut
from autoglm_operator.clients import errors
from autoglm_operator.clients.alertmanager import AlertmanagerClient
from autoglm_operator.clients.events import EventRecorder, EventSource
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.clients.lease import Elector
from autoglm_operator.clients.lowlevel import Api, connect
from autoglm_operator.commands.healing_parts import (
    alert_watch_of,
    alertmanager_of,
    budget_of,
    metric_watch_of,
    notice_poster_of,
    retention_of,
)
from autoglm_operator.commands.healing_settings import Admission, HealerSettings
from autoglm_operator.commands.starting import client_of, elector_of, start
from autoglm_operator.commands.supervision import supervise
from autoglm_operator.decisions.healing import Actions
from autoglm_operator.handlers.healing import WATCHED, HealingWakeups, trim_run
from autoglm_operator.handlers.informer import Informer
from autoglm_operator.reconcilers.admission import AdmissionProof
from autoglm_operator.reconcilers.alertwatch import AlertWatch
from autoglm_operator.reconcilers.healing_metrics import HealingMetrics
from autoglm_operator.reconcilers.healingpolicy import HealingPolicyReconciler
from autoglm_operator.reconcilers.healingrun import HealerDeps, HealingRunReconciler
from autoglm_operator.reconcilers.ledger import RunLedger
from autoglm_operator.reconcilers.overview import Overview
from autoglm_operator.reconcilers.retention import Retention
from autoglm_operator.runtime.clock import SystemClock
from autoglm_operator.runtime.keys import ObjectKey
from autoglm_operator.runtime.metrics import Metrics
from autoglm_operator.runtime.probes import probe_app, serving
from autoglm_operator.runtime.store import ObjectStore
from autoglm_operator.runtime.workqueue import Backoff, Workers, WorkQueue

LONGEST_BACKOFF_SECONDS: Final = 15.0
"""A run whose reads fail is looked at as often as a held one, so that a repair is not late."""


@dataclass(frozen=True, slots=True)
class Loops:
    """The work of the leader."""

    runs: Workers[ObjectKey]
    policies: Workers[ObjectKey]
    wakeups: HealingWakeups
    informer: Informer
    admission: AdmissionProof
    alert_watch: AlertWatch
    overview: Overview
    retention: Retention


def main() -> int:
    """Run until SIGTERM; 2 if the environment cannot be used, 1 if the Lease was lost."""
    return start(HealerSettings, run)


async def run(settings: HealerSettings, kubeconfig: Path | None) -> int:
    """Run the healer in this event loop; returns the exit code."""
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        api = await connect(
            kubeconfig, user_agent=labels.HEALER, concurrency=settings.api_concurrency
        )
        stack.push_async_callback(api.close)
        elector = elector_of(settings, settings.lease_name, api, metrics)
        alertmanager = alertmanager_of(settings)
        if alertmanager is not None:
            stack.push_async_callback(alertmanager.close)
        loops = _loops(settings, api, elector, metrics, alertmanager)
        probes = probe_app(
            healthy=loops.informer.unhealthy,
            ready=loops.informer.unready,
            metrics=metrics.exposition,
        )
        await stack.enter_async_context(serving(probes, settings.probe_host, settings.probe_port))
        leading = partial(elector.run, partial(_lead, settings, loops))
        return await supervise(loops.informer, {"lead": leading})


async def _lead(settings: HealerSettings, loops: Loops) -> None:
    await loops.informer.synced.wait()
    # Another leader may have written what the watch has not brought yet.
    await loops.informer.sweep()
    loops.wakeups.wake_all()
    async with asyncio.TaskGroup() as group:
        group.create_task(loops.admission.keep())
        group.create_task(loops.alert_watch.keep(loops.wakeups.wake_all))
        group.create_task(loops.overview.keep(loops.wakeups.wake_all))
        group.create_task(loops.retention.keep())
        group.create_task(loops.runs.run(settings.workers))
        group.create_task(loops.policies.run(1))


def _loops(
    settings: HealerSettings,
    api: Api,
    elector: Elector,
    metrics: Metrics,
    alertmanager: AlertmanagerClient | None,
) -> Loops:
    clock, rng = SystemClock(), random.Random()  # noqa: S311 - jitter, not secrets
    kube = client_of(settings, api, metrics, elector)
    backoff = Backoff(limit_seconds=LONGEST_BACKOFF_SECONDS)
    runs, policies = (
        WorkQueue[ObjectKey](kind.kind, clock, rng=rng, backoff=backoff, metrics=metrics)
        for kind in (kinds.HEALING_RUN, kinds.HEALING_POLICY)
    )
    store, ledger = ObjectStore({kinds.HEALING_RUN: trim_run}), RunLedger()
    wakeups = HealingWakeups(store, ledger, runs, policies)
    informer = Informer(
        WATCHED,
        kube,
        store,
        clock,
        on_change=wakeups.on_change,
        namespaces=settings.watch_namespaces,
        sweep_seconds=settings.sweep_seconds,
    )
    watch = alert_watch_of(settings, alertmanager, clock, metrics.registry)
    deps = _deps(settings, kube, ledger, metrics, actions_of(settings, api), watch)
    run_of, policy_of = HealingRunReconciler(deps), HealingPolicyReconciler(deps)
    fatal = (errors.NotLeader,)
    return Loops(
        runs=Workers(runs, run_of.reconcile, clock, metrics=metrics, fatal=fatal),
        policies=Workers(policies, policy_of.reconcile, clock, metrics=metrics, fatal=fatal),
        wakeups=wakeups,
        informer=informer,
        admission=deps.admission,
        alert_watch=watch,
        overview=Overview(deps),
        retention=retention_of(settings, kube, alertmanager, clock),
    )


def actions_of(settings: HealerSettings, api: Api) -> Actions:
    """What the healer can do."""
    return {
        ActionName.RESTART: Restart(),
        ActionName.CLEAN_DISK: CleanDisk(settings.cleaning_site),
        ActionName.ISOLATE_NODE: IsolateNode(SystemClock().now, enabled=settings.node_healing),
        ActionName.SCALE_OUT: ScaleOut(),
        ActionName.NOTIFY: Notify(notice_poster_of(settings, api)),
    }


def _deps(
    settings: HealerSettings,
    kube: KubeClient,
    ledger: RunLedger,
    metrics: Metrics,
    actions: Actions,
    alert_watch: AlertWatch,
) -> HealerDeps:
    clock = SystemClock()
    source = EventSource("autoglm.io/healer", settings.pod_name or labels.HEALER)
    return HealerDeps(
        kube=kube,
        clock=clock,
        ledger=ledger,
        actions=actions,
        metric_watch=metric_watch_of(settings),
        alert_watch=alert_watch,
        budget=budget_of(settings),
        events=EventRecorder(kube, clock, source),
        metrics=HealingMetrics(metrics.registry),
        admission=AdmissionProof(
            kube,
            clock,
            namespace=settings.namespace,
            deployment=settings.deployment_name,
            required=settings.admission is Admission.REQUIRED,
        ),
        release_namespace=settings.namespace,
        protected_namespaces=frozenset({settings.namespace, *settings.protected_namespaces}),
        trusted_namespaces=frozenset(settings.trusted_namespaces),
    )


if __name__ == "__main__":
    sys.exit(main())
