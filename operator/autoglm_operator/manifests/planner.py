"""The planner of a cluster: its Deployment, Service and budget.

Never knows which upstreams there are; it is told the one model that works on tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autoglm_api import durations, labels
from autoglm_operator.manifests import taskroles

if TYPE_CHECKING:
    from autoglm_api.autoglmcluster import CooperationStrategy
    from autoglm_operator.manifests.pods import Manifest
    from autoglm_operator.manifests.taskroles import TaskRole

PORT: Final = 8000
"""Where routers send tasks and virtual models."""


def children(planner: TaskRole, *, model: str, strategy: CooperationStrategy) -> list[Manifest]:
    """All objects of the planner; the first is the Deployment.

    Args:
        planner: What the cluster says about the role.
        model: The served model that plans and carries out subtasks; empty while none is known.
        strategy: How requests for the default virtual model are worked on.
    """
    environment = {
        "AUTOGLM_MODEL": model,
        "AUTOGLM_STRATEGY": str(strategy),
        "AUTOGLM_RUN_TIMEOUT": durations.format_duration(planner.timeout),
    }
    return taskroles.children(planner, taskroles.Process(labels.Role.PLANNER, PORT, environment))
