"""The alerts of the bench: as usual rules make them, and as Alertmanager sends them. Pure."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from autoglm_api.alerts import Alert
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_operator.decisions import matching

Object = dict[str, Any]

ALERT_NAME: Final = "KubePodCrashLooping"


def alert(namespace: str, pod: str, starts_at: str) -> Object:
    """A firing alert about a pod; each pod has a fingerprint of its own."""
    labels = {
        "alertname": ALERT_NAME,
        "cluster": "bench",
        "container": "main",
        "endpoint": "http",
        "instance": "10.0.0.7:8080",
        "job": "kube-state-metrics",
        "namespace": namespace,
        "pod": pod,
        "prometheus": "monitoring/k8s",
        "reason": "CrashLoopBackOff",
        "service": "kube-state-metrics",
        "severity": "warning",
    }
    return {
        "status": "firing",
        "labels": labels,
        "annotations": {
            "description": f"Pod {namespace}/{pod} (main) is in waiting state.",
            "runbook_url": f"https://runbooks.example.com/{ALERT_NAME}",
            "summary": "Pod is crash looping.",
        },
        "startsAt": starts_at,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example.com/graph?g0.expr=up&g0.tab=1",
        "fingerprint": hashlib.sha256(f"{namespace}/{pod}".encode()).hexdigest()[:16],
    }


def group(alerts: Sequence[Object], number: int) -> Object:
    """One delivery of Alertmanager."""
    labels = {"alertname": ALERT_NAME, "shard": str(number)}
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{ALERT_NAME}", shard="{number}"}}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "autoglm",
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com",
        "alerts": list(alerts),
    }


def pods(prefix: str, count: int) -> list[str]:
    """Names of so many pods."""
    return [f"{prefix}-{number:05d}" for number in range(count)]


def portions(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """The items in order, so many at a time."""
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def run_of(policy: HealingPolicy, about: Object) -> Object:
    """The run that the receiver makes of an alert."""
    return matching.run_for(policy, Alert.model_validate(about))


def losses(expected: Iterable[str], found: Iterable[Object]) -> tuple[int, int]:
    """How many alerts have no run, and how many runs there are beside the first of an alert.

    Args:
        expected: Fingerprint of every alert that was acknowledged.
        found: Every run.
    """
    runs = Counter(str(run["spec"]["alert"]["fingerprint"]) for run in found)
    lost = sum(fingerprint not in runs for fingerprint in set(expected))
    return lost, sum(count - 1 for count in runs.values())
