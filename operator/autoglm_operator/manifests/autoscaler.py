"""The HorizontalPodAutoscaler of a workload whose number of pods the user leaves to one.

Never says how many pods there are; that is the autoscaler's business from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_api import kinds
from autoglm_operator.manifests import pods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoglm_api.autoscaling import Autoscaling
    from autoglm_operator.manifests.pods import Manifest, Owner


def autoscaler(
    owner: Owner, name: str, *, labels: Mapping[str, str], deployment: str, asked: Autoscaling
) -> Manifest:
    """An autoscaler in the words of its own API.

    Args:
        owner: Its controller.
        name: Its name.
        labels: Its labels.
        deployment: The Deployment that it scales.
        asked: Bounds and metrics.
    """
    built = pods.child(kinds.HORIZONTAL_POD_AUTOSCALER, owner, name, labels)
    asked_for = {key: value for key, value in asked.as_json().items() if value not in ([], {})}
    built["spec"] = {
        "scaleTargetRef": {
            "apiVersion": kinds.DEPLOYMENT.api_version,
            "kind": kinds.DEPLOYMENT.kind,
            "name": deployment,
        },
        **asked_for,
    }
    return built
