"""The actions of a HealingPolicy's ladder and their options.

These types only describe; what an action does, refuses and undoes stands in its own module.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from autoglm_api.base import Quantity, SpecModel
from autoglm_api.durations import Between, Duration
from autoglm_api.rules import SET, Rule, rules

PERCENT_PATTERN: Final = r"^([1-9][0-9]?|100)%$"
COUNT_OR_PERCENT_PATTERN: Final = r"^([1-9][0-9]{0,3}|([1-9][0-9]?|100)%)$"

Percent = Annotated[str, Field(max_length=4, pattern=PERCENT_PATTERN)]
"""A share from 1% to 100%."""

CountOrPercent = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(max_length=4, pattern=COUNT_OR_PERCENT_PATTERN),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": COUNT_OR_PERCENT_PATTERN,
            "maxLength": 4,
        }
    ),
    Rule(
        f"string(self).matches(r'{COUNT_OR_PERCENT_PATTERN}')",
        "write a count from 1 to 9999 or a share from 1% to 100%, like 2 or 25%",
    ),
]
"""A count, or a share of what is there now; always text in code."""


class ActionName(StrEnum):
    """What the healer can do."""

    RESTART = "Restart"
    CLEAN_DISK = "CleanDisk"
    ISOLATE_NODE = "IsolateNode"
    SCALE_OUT = "ScaleOut"
    NOTIFY = "Notify"


class RestartScope(StrEnum):
    """How much is restarted."""

    POD = "Pod"
    WORKLOAD = "Workload"


class RestartOptions(SpecModel):
    """How to restart."""

    scope: RestartScope
    """Pod evicts one pod, so that its workload makes a new one; Workload rolls all its pods over,
    as kubectl rollout restart does."""


class Rubbish(StrEnum):
    """What may be removed from a node's disk."""

    IMAGES = "Images"
    CONTAINERS = "Containers"
    LOGS = "Logs"
    JOURNAL = "Journal"
    TEMPORARY_FILES = "TemporaryFiles"


class CleanDiskOptions(SpecModel):
    """What is removed from a node's disk; never data, and never an open file."""

    remove: Annotated[tuple[Rubbish, ...], Field(min_length=1, max_length=5), SET] = (
        Rubbish.IMAGES,
        Rubbish.CONTAINERS,
        Rubbish.LOGS,
        Rubbish.JOURNAL,
        Rubbish.TEMPORARY_FILES,
    )
    """Images that no container uses, Containers that have exited, rotated Logs, the Journal, and
    TemporaryFiles. Default all of them."""
    minimum_age: Annotated[Duration, Between("10m", "2160h")] = timedelta(hours=24)
    """Files that were changed within this time stay, 10m to 2160h. Default 24h."""
    minimum_size: Quantity = "1Mi"
    """Smaller files stay. Default 1Mi."""
    minimum_freed: Quantity = "64Mi"
    """If less becomes free, the action has not helped. Default 64Mi."""


class IsolationLevel(StrEnum):
    """How far a node is isolated."""

    QUARANTINE = "Quarantine"
    DRAIN = "Drain"


class IsolateNodeOptions(SpecModel):
    """How a node is isolated, and when that ends."""

    level: IsolationLevel
    """Quarantine: no new pods are scheduled to the node. Drain: its pods are evicted as well,
    disruption budgets respected."""
    min_healthy: CountOrPercent = "51%"
    """Nodes of its pool and of its zone that must stay healthy without it, as a count or a share.
    Default 51%."""
    healthy_delay: Annotated[Duration, Between("10s", "24h")] = timedelta(minutes=15)
    """How long the node must be healthy before the isolation is undone, 10s to 24h. Default 15m."""
    expires_after: Annotated[Duration, Between("1m", "24h")] = timedelta(hours=6)
    """When the isolation is undone although the node is not healthy, 1m to 24h. Default 6h."""
    drain_timeout: Annotated[Duration, Between("10s", "6h")] = timedelta(minutes=10)
    """How long evictions are tried before the pods in the way are reported, 10s to 6h.
    Default 10m."""
    evict_bare_pods: bool = False
    """Whether Drain also evicts pods that nobody would make anew. Default false."""
    evict_local_data: bool = False
    """Whether Drain also evicts pods with an emptyDir on the node's disk, which is lost.
    Default false."""


class ScaleOutOptions(SpecModel):
    """How far a target is scaled out, and for how long."""

    step: CountOrPercent = "25%"
    """Replicas that are added: a count, or a share of the present ones, at least 1. Default 25%."""
    max_replicas: Annotated[int, Field(ge=1, le=10_000)]
    """Replicas that are never exceeded, 1 to 10000."""
    revert_after: Annotated[Duration, Between("1m", "23h")] = timedelta(minutes=30)
    """How long the replicas stay raised, 1m to 23h; then they are lowered step by step, if nobody
    else has changed them. Default 30m."""
    allow_stateful_set: bool = False
    """Whether a StatefulSet may be scaled: new members need storage and may change a quorum.
    Default false."""


class LadderStep(SpecModel):
    """One action, tried once."""

    model_config = rules(
        Rule(
            "self.action != 'Restart' || has(self.restart)",
            "action Restart needs a scope: write restart: {scope: Pod} or {scope: Workload}",
        ),
        Rule(
            "self.action != 'IsolateNode' || has(self.isolateNode)",
            "action IsolateNode needs a level: write isolateNode: {level: Quarantine} or"
            " {level: Drain}",
        ),
        Rule(
            "self.action != 'ScaleOut' || has(self.scaleOut)",
            "action ScaleOut needs a ceiling: write scaleOut: {maxReplicas: 10}",
        ),
        Rule(
            "(!has(self.restart) || self.action == 'Restart') &&"
            " (!has(self.cleanDisk) || self.action == 'CleanDisk') &&"
            " (!has(self.isolateNode) || self.action == 'IsolateNode') &&"
            " (!has(self.scaleOut) || self.action == 'ScaleOut')",
            "options belong to another action: keep only the block of the step's own action",
        ),
    )

    action: ActionName
    """What to do."""
    restart: RestartOptions | None = None
    """How to restart, for action Restart."""
    clean_disk: CleanDiskOptions | None = None
    """What to remove, for action CleanDisk; the defaults if it is absent."""
    isolate_node: IsolateNodeOptions | None = None
    """How to isolate, for action IsolateNode."""
    scale_out: ScaleOutOptions | None = None
    """How far to scale, for action ScaleOut."""
