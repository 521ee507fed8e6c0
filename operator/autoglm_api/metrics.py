"""Names of every metric, with the labels each may carry.

One table for all processes, dashboards and alert rules. A label is allowed only if its values are
bounded by this code, by the size of a spec or by the number of endpoints: never a request's text, a
pod or a run. This module never registers or counts anything.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class MetricType(StrEnum):
    """Prometheus' types that we use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Label(StrEnum):
    """Label names; the comment says what bounds the values."""

    ACTION = "action"  # the actions of a HealingPolicy
    BUDGET = "budget"  # the chart's healing.budget: concurrent, hourly, nodes
    CODE = "code"  # HTTP status codes
    ENDPOINT = "modelendpoint"  # names of endpoints; `endpoint` belongs to prometheus-operator
    KIND = "kind"  # the table in kinds.py
    MODEL = "model"  # served model names of one cluster, at most one per upstream
    NAMESPACE = "resource_namespace"  # of an endpoint; `namespace` is that of the process
    OUTCOME = "outcome"  # a few words per metric
    REASON = "reason"  # the enum in conditions.py
    STRATEGY = "strategy"  # the cooperation strategies
    VERB = "verb"  # the verbs of the API client


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family."""

    name: str
    type: MetricType
    help: str
    labels: tuple[Label, ...] = ()


def _counter(name: str, text: str, *labels: Label) -> Metric:
    return Metric(f"autoglm_{name}_total", MetricType.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: Label) -> Metric:
    return Metric(f"autoglm_{name}", MetricType.GAUGE, text, labels)


def _seconds(name: str, text: str, *labels: Label) -> Metric:
    return Metric(f"autoglm_{name}_seconds", MetricType.HISTOGRAM, text, labels)


# Operator and healer
LEADER: Final = _gauge("leader", "1 while this process holds its Lease.")
RECONCILES: Final = _counter("reconciles", "Reconciliations that ended.", Label.KIND, Label.OUTCOME)
RECONCILE_DURATION: Final = _seconds(
    "reconcile_duration", "Length of a reconciliation.", Label.KIND
)
QUEUE_DEPTH: Final = _gauge("queue_depth", "Keys that wait to be reconciled.", Label.KIND)
QUEUE_WAIT: Final = _seconds("queue_wait", "Time that a due key waited for a worker.", Label.KIND)
API_REQUESTS: Final = _counter(
    "api_requests", "Requests to the API server.", Label.VERB, Label.KIND, Label.CODE
)
API_DURATION: Final = _seconds("api_duration", "Length of a request to the API server.", Label.VERB)
ENDPOINT_PROBES: Final = _counter("endpoint_probes", "Probes of model endpoints.", Label.OUTCOME)
ENDPOINT_READY: Final = _gauge(
    "endpoint_ready",
    "1 while a model endpoint is Ready, 0 while it is not; absent while it is suspended.",
    Label.NAMESPACE,
    Label.ENDPOINT,
)
ROUTING_PUSHES: Final = _counter("routing_pushes", "Pushes of routing documents.", Label.OUTCOME)

# Receiver and healer
ALERTS: Final = _counter("alerts", "Alerts received, each with its outcome.", Label.OUTCOME)
ALERTS_POLLED: Final = _counter(
    "alerts_polled",
    "Alerts found firing in Alertmanager that had not arrived, each with its outcome.",
    Label.OUTCOME,
)
ALERTS_TRUNCATED: Final = _counter(
    "alerts_truncated", "Alerts that a sender left out of its deliveries by max_alerts."
)
DELIVERIES: Final = _counter(
    "deliveries", "Deliveries and events answered, by HTTP status.", Label.CODE
)
POLL_TIMESTAMP: Final = _gauge(
    "poll_timestamp_seconds", "Unix time at which an Alertmanager last answered a poll, 0 if never."
)
ALERTMANAGERS_SILENT: Final = _gauge(
    "alertmanagers_silent", "Configured Alertmanagers that did not answer the last poll."
)
HEALING_RUNS: Final = _counter(
    "healing_runs", "Healing runs that ended.", Label.OUTCOME, Label.REASON
)
HEALING_HELD: Final = _gauge("healing_held", "Healing runs that a guard holds.", Label.REASON)
HEALING_PAUSED: Final = _gauge(
    "healing_paused", "1 while the ConfigMap autoglm-healing pauses all healing."
)
HEALING_FROZEN: Final = _gauge(
    "healing_frozen",
    "1 while all healing is held because the alert that always fires does not arrive.",
)
HEALING_STORMS: Final = _gauge(
    "healing_storms", "Healing policies of which so many targets are sick that runs are held."
)
HEALING_BUDGET_USED: Final = _gauge(
    "healing_budget_used",
    "How much of a budget over the whole cluster healing runs use.",
    Label.BUDGET,
)
HEALING_BUDGET_LIMIT: Final = _gauge(
    "healing_budget_limit", "How much of it they may use.", Label.BUDGET
)
HEALING_REACTION: Final = _seconds(
    "healing_reaction", "From a stored alert to the beginning of the first action."
)
HEALING_LEASES: Final = _counter(
    "healing_leases",
    "Changes that are to be undone: each once as Held, and once as Reverted or Lost.",
    Label.ACTION,
    Label.OUTCOME,
)
HEALING_ACTIONS: Final = _counter(
    "healing_actions", "Healing actions carried out.", Label.ACTION, Label.OUTCOME
)

# Router agent
ROUTING_VERSION: Final = _gauge("routing_version", "Version of the routing document in force.")
ROUTING_APPLIES: Final = _counter(
    "routing_applies", "Routing documents that the agent was given.", Label.OUTCOME
)

# Planner and executor
RUNS: Final = _counter("runs", "Planned requests that ended.", Label.STRATEGY, Label.OUTCOME)
RUN_DURATION: Final = _seconds("run_duration", "Length of a planned request.", Label.STRATEGY)
TASKS: Final = _counter("tasks", "Subtasks that ended on an executor.", Label.OUTCOME)
TASK_DURATION: Final = _seconds("task_duration", "Length of a subtask.")
TASKS_WAITING: Final = _gauge("tasks_waiting", "Subtasks that wait for a slot of this executor.")
TASK_SLOTS: Final = _gauge("task_slots", "Subtasks that this executor works on at once.")
STORE_UP: Final = _gauge("store_up", "1 while the task store answers.")

# Simulator
SIMULATED_REQUESTS: Final = _counter(
    "simulated_requests", "Requests that the simulator answered.", Label.MODEL, Label.CODE
)
