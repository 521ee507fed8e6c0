"""Alerts that fire because a test says so, sent by the cluster's real Alertmanager.

Exists so that a test need not wait until a rule of Prometheus holds. Alertmanager groups, sends and
repeats them as any others. Never talks to the receiver itself.
"""

import contextlib
import json
import threading
import urllib.request
from collections.abc import Generator, Iterable
from datetime import UTC, datetime, timedelta

from kubeconfig import Object

ALERTMANAGER = "http://alertmanager.monitoring.svc:9093/api/v2/alerts"
MOST_MINUTES = 10


@contextlib.contextmanager
def firing(
    name: str, namespace: str, pods: Iterable[str], pause_seconds: float = 0.0
) -> Generator[None]:
    """Let an alert fire about each pod, one after the other, until the block ends."""
    alerts: list[Object] = []
    try:
        for pod in pods:
            alerts.append(_an_alert(name, namespace, pod))
            post(alerts[-1:])
            threading.Event().wait(pause_seconds)
        yield
    finally:
        post([{**alert, "endsAt": _now()} for alert in alerts])


def post(alerts: list[Object]) -> None:
    """Tell Alertmanager about alerts, as Prometheus does."""
    request = urllib.request.Request(
        ALERTMANAGER, json.dumps(alerts).encode(), {"content-type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the cluster's own


def _an_alert(name: str, namespace: str, pod: str) -> Object:
    labels = {"alertname": name, "namespace": namespace, "pod": pod, "severity": "warning"}
    return {"labels": labels, "startsAt": _now(), "endsAt": _now(minutes=MOST_MINUTES)}


def _now(minutes: int = 0) -> str:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)  # noqa: TID251 - the real clock counts
    return moment.isoformat()
