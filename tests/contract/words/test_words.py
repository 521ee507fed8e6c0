"""Words that dashboards, scripts and people rely on: none is promised that no process ever says."""

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from autoglm_api import conditions, labels, metrics
from autoglm_api.metrics import Metric, MetricType
from autoglm_dataplane.executor.service import Executor
from autoglm_dataplane.planner.duties import Planner
from autoglm_dataplane.router_agent.measures import Measures
from autoglm_dataplane.simulator.settings import SimulatorSettings
from autoglm_dataplane.simulator.state import Simulation
from autoglm_dataplane.taskstore.outages import Outages
from autoglm_operator.receiver.app import Webhook
from autoglm_operator.receiver.intake import Intake
from autoglm_operator.receiver.poller import Poller
from autoglm_operator.reconcilers.alertwatch import AlertWatch, DeadMan
from autoglm_operator.reconcilers.healing_metrics import HealingMetrics
from autoglm_operator.reconcilers.operator_metrics import OperatorMetrics

SOURCE = "\n".join(
    each.read_text(encoding="utf-8")
    for each in sorted((Path(__file__).parents[3] / "operator").rglob("*.py"))
)
NOTHING = cast("Any", None)


class AStore:
    """A store that nobody asks anything."""

    tasks = runs = outages = NOTHING


def exposed() -> str:
    """What all processes together show at `/metrics`."""
    operator = OperatorMetrics()
    registry = operator.registry
    HealingMetrics(registry)
    AlertWatch(None, NOTHING, registry, dead_man=DeadMan(), settle=timedelta())
    Intake(NOTHING, NOTHING, registry)
    Poller(NOTHING, NOTHING, NOTHING, receiver="", unready=NOTHING, registry=registry)
    Webhook(NOTHING, NOTHING, NOTHING, unready=NOTHING, limits=NOTHING, registry=registry)
    Measures(registry)
    Outages(registry)
    Planner(NOTHING, NOTHING, NOTHING, registry, 1)
    Executor("executor-1", 1, cast("Any", AStore()), NOTHING, registry)
    simulator = CollectorRegistry()
    Simulation(SimulatorSettings(), simulator)
    return (generate_latest(registry) + generate_latest(simulator)).decode()


def test_the_table_of_metrics_is_what_processes_expose() -> None:
    table = [each for each in vars(metrics).values() if isinstance(each, Metric)]
    told = re.findall(r"^# TYPE (autoglm_\w+) (\w+)$", exposed(), re.MULTILINE)
    shown = {(name, kind) for name, kind in told if not name.endswith("_created")}
    assert shown == {(each.name, str(each.type)) for each in table}
    assert {each.type for each in table} == set(MetricType)


def test_every_label_of_metrics_is_used() -> None:
    table = [each for each in vars(metrics).values() if isinstance(each, Metric)]
    assert {label for each in table for label in each.labels} == set(metrics.Label)


@pytest.mark.parametrize("words", [conditions.ConditionType, conditions.Reason])
def test_every_word_of_a_condition_is_said_somewhere(words: type[StrEnum]) -> None:
    said = set(re.findall(rf"\b{words.__name__}\.([A-Z_]+)\b", SOURCE))
    assert said == {each.name for each in words}


def test_every_label_is_put_on_something() -> None:
    ours = {
        name for name, value in vars(labels).items() if name.isupper() and value != "autoglm.io"
    }
    unused = {name for name in ours if len(re.findall(rf"\b{name}\b", SOURCE)) < 2}
    assert not unused
