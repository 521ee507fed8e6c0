"""What the operator and the healer show to monitoring."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from autoglm_api.healingrun import (
    HealingRun,
    HealingRunStatus,
    Intent,
    IntentVerb,
    LeaseRecord,
    LeaseState,
    ObjectRef,
    StepRecord,
)
from autoglm_operator.reconcilers.healing_metrics import HealingMetrics
from autoglm_operator.reconcilers.operator_metrics import OperatorMetrics
from episodes import a_run

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NODE = ObjectRef(api_version="v1", kind="Node", name="node1", uid="u-1")
SHOWN = "autoglm_endpoint_ready"


def _labels(name: str) -> dict[str, str]:
    return {"resource_namespace": "team-a", "modelendpoint": name}


def test_an_endpoint_is_shown_until_it_is_gone_or_suspended() -> None:
    metrics = OperatorMetrics()
    metrics.observe_endpoint("team-a", "never-seen", ready=None)
    metrics.observe_endpoint("team-a", "local", ready=True)
    metrics.observe_endpoint("team-a", "vendor", ready=False)
    assert metrics.registry.get_sample_value(SHOWN, _labels("local")) == 1
    assert metrics.registry.get_sample_value(SHOWN, _labels("vendor")) == 0
    metrics.observe_endpoint("team-a", "vendor", ready=None)
    assert metrics.registry.get_sample_value(SHOWN, _labels("vendor")) is None


def _step(lease: LeaseState | None = None, *, refused: bool = False) -> StepRecord:
    record = LeaseRecord(
        object=NODE, field="unschedulable", previous="false", value="true", expires=NOW
    )
    return StepRecord.model_validate(
        {
            "action": "IsolateNode",
            "intent": None if refused else Intent(verb=IntentVerb.QUARANTINE, object=NODE),
            "started_at": NOW,
            "lease": record.model_copy(update={"state": lease}) if lease else None,
        }
    )


def _run_of(*steps: StepRecord) -> HealingRun:
    run = a_run()
    stored = (NOW - timedelta(seconds=3)).isoformat().replace("+00:00", "Z")
    meta = run.metadata.model_copy(update={"creation_timestamp": stored})
    status = HealingRunStatus(steps=steps)
    return run.model_copy(update={"metadata": meta, "status": status})


def test_the_reaction_is_measured_once_and_not_for_a_refusal() -> None:
    registry = CollectorRegistry()
    metrics, held = HealingMetrics(registry), Counter[str]()
    refused, begun = _run_of(_step(refused=True)), _run_of(_step(refused=True), _step())
    metrics.journaled(HealingRunStatus(), refused, held)
    metrics.journaled(refused.status, begun, held)
    metrics.journaled(begun.status, begun, held)
    assert registry.get_sample_value("autoglm_healing_reaction_seconds_count") == 1
    assert registry.get_sample_value("autoglm_healing_reaction_seconds_sum") == 3


def test_a_lease_is_counted_once_as_held_and_once_as_it_ends() -> None:
    registry = CollectorRegistry()
    metrics, nobody = HealingMetrics(registry), Counter[str]()
    taken, ended = _run_of(_step(LeaseState.HELD)), _run_of(_step(LeaseState.REVERTED))
    metrics.journaled(HealingRunStatus(), taken, nobody)
    metrics.journaled(taken.status, taken, nobody)
    metrics.journaled(taken.status, ended, nobody)

    def counted(state: str) -> float | None:
        labels = {"action": "IsolateNode", "outcome": state}
        return registry.get_sample_value("autoglm_healing_leases_total", labels)

    assert [counted(state) for state in ("Held", "Reverted", "Lost")] == [1, 1, None]
