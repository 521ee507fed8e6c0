"""An intake without sockets: one policy, and an API server that answers as a test says.

Exists so that tests of intake and poller share it. Never checks what it is given.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from prometheus_client import CollectorRegistry

from autoglm_api.alerts import AlertGroup
from autoglm_operator.clients.events import EventRecorder, EventSource
from autoglm_operator.receiver.intake import Intake
from autoglm_operator.receiver.policies import PolicyCatalogue
from autoglm_operator.receiver.storing import RunStore
from customresources import a_policy
from fake_runs import FakeRuns
from manual_clock import ManualClock

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient

STARTS = datetime(2026, 3, 1, tzinfo=UTC)


class IntakeScene:
    """An intake with one policy in namespace team-a; creates end as the faults say."""

    def __init__(self, *faults: Exception | None) -> None:
        self.api = FakeRuns(list(faults))
        self.clock = ManualClock()
        self.policies = PolicyCatalogue(frozenset(), frozenset({"team-a"}))
        stored = a_policy("crash")
        meta = {"namespace": "team-a", "uid": "p-1", "generation": 1, "name": "crash"}
        self.policies.put({**stored, "metadata": meta})
        kube = cast("KubeClient", self.api)
        events = EventRecorder(kube, self.clock, EventSource("test", "test"))
        self.registry = CollectorRegistry()
        self.intake = Intake(self.policies, RunStore(kube, events, self.clock), self.registry)

    def counted(self, metric: str, outcome: str) -> float:
        """A counter's value."""
        return self.registry.get_sample_value(f"{metric}_total", {"outcome": outcome}) or 0.0


def an_alert(pod: str = "web-1", **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """An alert that the policy is about, as the webhook brings it."""
    labels = {"alertname": "KubePodCrashLooping", "namespace": "team-a", "pod": pod}
    return {
        "status": "firing",
        "labels": labels,
        "startsAt": STARTS.isoformat(),
        "fingerprint": f"f-{pod}",
        **changes,
    }


def a_group(*alerts: dict[str, Any], truncated: int = 0) -> AlertGroup:
    """One delivery."""
    return AlertGroup(
        version="4", group_key="{}", receiver="ours", truncated_alerts=truncated, alerts=[*alerts]
    )
