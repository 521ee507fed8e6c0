"""Starts a process of the control plane: settings, logs, event loop, clients of the API server.

Exists so that operator, receiver and healer start and refuse bad settings alike. Never knows what a
process does.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from autoglm_api import logs
from autoglm_api.settings import SettingsError, read
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.clients.lease import Elector, LeaseName
from autoglm_operator.clients.lowlevel import Api
from autoglm_operator.runtime.clock import SystemClock
from autoglm_operator.runtime.metrics import Metrics
from autoglm_operator.runtime.settings import ProcessSettings

USAGE: Final = 2
"""Exit code of a process whose settings cannot be used, as argparse's."""
LEASE_CALL_SECONDS: Final = 2.0
"""Each call of the elector must fail early enough for several to fit into the renew deadline."""

S = TypeVar("S", bound=ProcessSettings)
Run = Callable[[S, Path | None], Coroutine[Any, Any, int]]
"""Begins the work with settings and kubeconfig; may raise `SettingsError` before the event loop."""


def start(kind: type[S], run: Run[S]) -> int:
    """Run until the work ends; returns its exit code, or 2 if the environment cannot be used."""
    path = os.environ.get("KUBECONFIG")
    try:
        settings = read(kind)
        work = run(settings, Path(path) if path else None)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a sentence for the person who set it
        return USAGE
    logs.configure(settings.log_level)
    return asyncio.run(work)


def elector_of(settings: ProcessSettings, lease: str, api: Api, metrics: Metrics) -> Elector:
    """The elector, with a client of its own: a busy process must not starve its Lease."""
    kube = KubeClient(api, timeout=LEASE_CALL_SECONDS, concurrency=2, metrics=metrics)
    identity = settings.pod_uid or secrets.token_hex(8)
    name = LeaseName(settings.namespace, lease, identity)
    return Elector(kube, SystemClock(), name, metrics=metrics)


def client_of(
    settings: ProcessSettings, api: Api, metrics: Metrics, elector: Elector | None = None
) -> KubeClient:
    """The client of all other work; with an elector it writes only while that leads."""
    return KubeClient(
        api,
        timeout=settings.api_timeout_seconds,
        concurrency=settings.api_concurrency,
        metrics=metrics,
        may_write=None if elector is None else lambda: elector.leading,
    )
