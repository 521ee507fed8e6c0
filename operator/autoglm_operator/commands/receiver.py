"""`autoglm receiver`: where the webhook, the policies and the API client meet.

Stateless: every replica watches the policies and stores alerts. Nothing here decides anything.
"""

import logging
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from autoglm_api import labels
from autoglm_api.settings import SettingsError
from autoglm_operator.clients.alertmanager import AlertmanagerClient
from autoglm_operator.clients.events import EventRecorder, EventSource
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.clients.lowlevel import connect
from autoglm_operator.commands.healing_settings import ReceiverSettings
from autoglm_operator.commands.starting import client_of, start
from autoglm_operator.commands.supervision import Part, supervise
from autoglm_operator.handlers.healing import WATCHED_BY_RECEIVER
from autoglm_operator.handlers.informer import Informer
from autoglm_operator.receiver.app import Limits, Webhook
from autoglm_operator.receiver.callers import Callers
from autoglm_operator.receiver.episodes import Episodes
from autoglm_operator.receiver.events import EventIntake
from autoglm_operator.receiver.gate import Gate
from autoglm_operator.receiver.intake import Intake
from autoglm_operator.receiver.policies import PolicyCatalogue
from autoglm_operator.receiver.poller import Poller
from autoglm_operator.receiver.storing import RunStore
from autoglm_operator.receiver.tls import ServerCertificate
from autoglm_operator.receiver.tokens import StaticTokens
from autoglm_operator.runtime.clock import Clock, SystemClock
from autoglm_operator.runtime.connections import TellingProtocol, shrink_tls_buffers
from autoglm_operator.runtime.metrics import Metrics
from autoglm_operator.runtime.probes import probe_app, serving
from autoglm_operator.runtime.store import ObjectStore

log = logging.getLogger(__name__)


def main() -> int:
    """Run until SIGTERM; 2 if the environment cannot be used, 1 if a part failed."""
    return start(ReceiverSettings, _begin)


def _begin(settings: ReceiverSettings, kubeconfig: Path | None) -> Coroutine[Any, Any, int]:
    try:
        certificate = ServerCertificate(settings.tls_directory, settings.client_authority_file)
    except OSError as error:
        raise SettingsError(
            f"AUTOGLM_TLS_DIRECTORY or AUTOGLM_CLIENT_AUTHORITY_FILE cannot be used: {error}."
        ) from error
    return run(settings, certificate, kubeconfig)


async def run(
    settings: ReceiverSettings, certificate: ServerCertificate, kubeconfig: Path | None
) -> int:
    """Run the receiver in this event loop; returns the exit code."""
    shrink_tls_buffers()
    clock, metrics = SystemClock(), Metrics()
    async with AsyncExitStack() as stack:
        api = await connect(
            kubeconfig, user_agent=labels.RECEIVER, concurrency=settings.api_concurrency
        )
        stack.push_async_callback(api.close)
        kube = client_of(settings, api, metrics)
        policies = PolicyCatalogue(
            frozenset(settings.trusted_namespaces), frozenset(settings.event_namespaces)
        )
        informer = Informer(
            WATCHED_BY_RECEIVER,
            kube,
            ObjectStore(),
            clock,
            on_change=policies.on_change,
            namespaces=settings.watch_namespaces,
            sweep_seconds=settings.sweep_seconds,
        )
        source = EventSource("autoglm.io/receiver", settings.pod_name or labels.RECEIVER)
        runs = RunStore(kube, EventRecorder(kube, clock, source), clock)
        intake = Intake(policies, runs, metrics.registry)
        tokens = StaticTokens(settings.token_directory, clock)
        webhook = Webhook(
            _gate(settings, kube, clock, tokens, certificate),
            intake,
            EventIntake(policies, intake, _episodes(settings, kube, clock)),
            unready=informer.unready,
            limits=Limits(settings.max_body_bytes, settings.max_bytes_at_once),
            registry=metrics.registry,
        )
        parts: dict[str, Part] = {"certificate": partial(certificate.follow, clock)}
        if tokens.configured:
            parts["tokens"] = tokens.follow
        if settings.alertmanager_urls:
            alertmanagers = AlertmanagerClient(settings.alertmanagers)
            stack.push_async_callback(alertmanagers.close)
            poller = Poller(
                alertmanagers,
                intake,
                clock,
                receiver=settings.alertmanager_receiver,
                unready=informer.unready,
                registry=metrics.registry,
            )
            intake.on_truncated = poller.pull
            parts["poller"] = poller.run
        probes = probe_app(
            healthy=informer.unhealthy, ready=informer.unready, metrics=metrics.exposition
        )
        await stack.enter_async_context(serving(probes, settings.probe_host, settings.probe_port))
        port = await stack.enter_async_context(
            serving(
                webhook.app(),
                settings.webhook_host,
                settings.webhook_port,
                tls=certificate.context,
                protocol=TellingProtocol,
            )
        )
        log.info("webhook open", extra={"port": port})
        return await supervise(informer, parts)


def _gate(
    settings: ReceiverSettings,
    kube: KubeClient,
    clock: Clock,
    tokens: StaticTokens,
    certificate: ServerCertificate,
) -> Gate:
    return Gate(
        Callers(kube, clock, settings.namespace),
        tokens,
        certificate,
        frozenset(settings.client_names),
        settings.namespace,
    )


def _episodes(settings: ReceiverSettings, kube: KubeClient, clock: Clock) -> Episodes | None:
    if not settings.event_namespaces:
        return None
    return Episodes(kube, clock, settings.namespace, settings.episodes_name)


if __name__ == "__main__":
    sys.exit(main())
