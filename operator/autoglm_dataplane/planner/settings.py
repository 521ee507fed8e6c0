"""What a planner is told by its environment."""

from typing import Annotated

from pydantic import Field

from autoglm_api.autoglmcluster import CooperationStrategy
from autoglm_api.durations import Between, Duration
from autoglm_dataplane.taskstore.settings import TaskSettings


class PlannerSettings(TaskSettings):
    """One planner."""

    model: Annotated[str, Field(max_length=256)]
    """Model that plans and carries out subtasks, as the router's upstreams serve it; empty while
    the cluster has none, and requests are refused."""
    strategy: CooperationStrategy = CooperationStrategy.PLAN
    """How requests for the virtual model `autoglm` are worked on: Single or Plan."""
    run_timeout: Annotated[Duration, Between("1s", "1h")] = Field(
        default="5m", validate_default=True
    )
    """Time for a whole request; then its client gets an error."""
    max_runs: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Runs that this planner works on at once; more wait in the queue."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 8 * 1024 * 1024
    """Largest request. Default 8 MiB: requests lie in the store's memory until they are over."""
