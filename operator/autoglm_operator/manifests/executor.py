"""The executors of a cluster: their Deployment, Service and budget.

Never knows what they are asked to do; the number of pods may belong to an autoscaler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autoglm_api import labels
from autoglm_operator.manifests import taskroles
from autoglm_operator.manifests.autoscaler import autoscaler

if TYPE_CHECKING:
    from autoglm_api.autoscaling import Autoscaling
    from autoglm_operator.manifests.pods import Manifest
    from autoglm_operator.manifests.taskroles import TaskRole

PORT: Final = 8001
"""Probes and metrics; work comes from the queue."""


def children(executor: TaskRole, autoscaling: Autoscaling | None = None) -> list[Manifest]:
    """All objects of the executors; the first is the Deployment.

    Args:
        executor: What the cluster says about them.
        autoscaling: Who chooses their number, if the cluster does not.
    """
    built = taskroles.children(executor, taskroles.Process(labels.Role.EXECUTOR, PORT))
    if autoscaling is None:
        return built
    deployment = built[0]
    deployment["metadata"]["annotations"] = {labels.INITIAL_REPLICAS: str(autoscaling.min_replicas)}
    name = str(deployment["metadata"]["name"])
    own = labels.role_labels(executor.owner.name, labels.Role.EXECUTOR, executor.owner.uid)
    scaler = autoscaler(executor.owner, name, labels=own, deployment=name, asked=autoscaling)
    return [*built, scaler]
