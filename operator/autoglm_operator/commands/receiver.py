"""`autoglm receiver`: where the webhook, the policies and the API client meet.

Stateless: every replica watches the policies and stores alerts. Nothing here decides anything.
"""

import asyncio
import logging
import os
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from autoglm_api import labels
from autoglm_operator.clients.events import EventRecorder, EventSource
from autoglm_operator.clients.kube import KubeClient, connect
from autoglm_operator.commands.healing_settings import ReceiverSettings
from autoglm_operator.commands.supervision import supervise
from autoglm_operator.handlers.healing import WATCHED_BY_RECEIVER
from autoglm_operator.handlers.informer import Informer
from autoglm_operator.receiver.app import Webhook
from autoglm_operator.receiver.callers import Callers
from autoglm_operator.receiver.intake import Intake
from autoglm_operator.receiver.policies import PolicyCatalogue
from autoglm_operator.receiver.tls import ServerCertificate
from autoglm_operator.runtime import logging as logs
from autoglm_operator.runtime import settings as reading
from autoglm_operator.runtime.clock import SystemClock
from autoglm_operator.runtime.metrics import Metrics
from autoglm_operator.runtime.probes import probe_app, serving
from autoglm_operator.runtime.store import ObjectStore

log = logging.getLogger(__name__)

USAGE = 2


def main() -> int:
    """Run until SIGTERM; 2 if the environment cannot be used, 1 if a part failed."""
    try:
        settings = reading.read(ReceiverSettings)
        certificate = ServerCertificate(settings.tls_directory)
    except reading.SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a sentence for the person who set it
        return USAGE
    except OSError as error:
        print(f"AUTOGLM_TLS_DIRECTORY holds no usable certificate: {error}.", file=sys.stderr)  # noqa: T201
        return USAGE
    logs.configure(settings.log_level)
    path = os.environ.get("KUBECONFIG")
    return asyncio.run(run(settings, certificate, Path(path) if path else None))


async def run(
    settings: ReceiverSettings, certificate: ServerCertificate, kubeconfig: Path | None
) -> int:
    """Run the receiver in this event loop; returns the exit code."""
    clock, metrics = SystemClock(), Metrics()
    namespace = settings.pod_namespace or "default"
    async with AsyncExitStack() as stack:
        api = await connect(
            kubeconfig, user_agent=labels.RECEIVER, concurrency=settings.api_concurrency
        )
        stack.push_async_callback(api.close)
        kube = KubeClient(
            api,
            timeout=settings.api_timeout_seconds,
            concurrency=settings.api_concurrency,
            metrics=metrics,
        )
        policies = PolicyCatalogue(frozenset(settings.trusted_namespaces))
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
        webhook = Webhook(
            Callers(kube, clock, namespace),
            Intake(kube, policies, EventRecorder(kube, clock, source), metrics.registry),
            unready=informer.unready,
            release_namespace=namespace,
            max_body_bytes=settings.max_body_bytes,
        )
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
            )
        )
        log.info("webhook open", extra={"port": port})
        return await supervise(informer, {"certificate": partial(certificate.follow, clock)})


if __name__ == "__main__":
    sys.exit(main())
