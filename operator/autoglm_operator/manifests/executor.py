"""The executors of a cluster: their Deployment, Service and budget.

Never knows what they are asked to do; the number of pods may belong to an autoscaler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autoglm_api import labels
from autoglm_operator.manifests import taskroles

if TYPE_CHECKING:
    from autoglm_operator.manifests.pods import Manifest
    from autoglm_operator.manifests.taskroles import TaskRole

PORT: Final = 8001
"""Probes and metrics; work comes from the queue."""


def children(executor: TaskRole) -> list[Manifest]:
    """All objects of the executors; the first is the Deployment."""
    return taskroles.children(executor, taskroles.Process(labels.Role.EXECUTOR, PORT))
