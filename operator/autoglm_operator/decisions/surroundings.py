"""What is so around a run: what Alertmanager says of its alert, and what else is going on.

Guards decide by these; the reconcilers fill them in. Nothing here asks anybody.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlertNews:
    """What the Alertmanagers together say of one alert now."""

    firing: bool | None = None
    """Whether any of them still has it, muted or not; None if nobody knows."""
    silence: str | None = None
    """Whose silence mutes it and why, None if none does."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a budget other runs use."""

    acting: int = 0
    """Runs that act now: their call or its verification is under way."""
    begun: int = 0
    """Runs that began to act within the last hour."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may go on over the whole cluster, besides what each policy allows itself."""

    max_concurrent: int = 5
    """Runs that may act at the same time."""
    max_runs_per_hour: int = 30
    """Runs that may begin to act within an hour."""
    max_node_actions: int = 1
    """Actions on nodes that may stand at the same time."""


@dataclass(frozen=True, slots=True)
class Load:
    """What all other runs are doing."""

    policy: Usage = Usage()
    """Those of the same policy."""
    cluster: Usage = Usage()
    """All of them."""
    nodes: int = 0
    """Actions on nodes that are under way."""
    isolations: int = 0
    """Isolations of nodes that are under way, or stand and wait to be undone."""
    unhealthy: int = 0
    """Distinct targets with an open run of the same policy, this run's own included."""
    unresolved: int = 0
    """How many of those are only known by what an alert calls them: two may be one."""
    matching: int | None = None
    """Objects that the policy's target matches now; None if nobody has counted them."""
