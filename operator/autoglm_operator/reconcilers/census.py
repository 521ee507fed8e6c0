"""Counts the objects that a policy's target matches now.

For people, who read it in the policy's status, and for whoever judges how much is wrong at once.
Never looks at anything but labels.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from autoglm_api import kinds
from autoglm_api.healingpolicy import HealingPolicy, TargetKind
from autoglm_api.kinds import Kind
from autoglm_operator.decisions import target
from autoglm_operator.decisions.reading import Manifest

COUNTED: Final[Mapping[TargetKind, tuple[Kind, ...]]] = {
    TargetKind.POD: (kinds.POD,),
    TargetKind.WORKLOAD: target.WORKLOADS,
    TargetKind.MODEL_ENDPOINT: (kinds.MODEL_ENDPOINT,),
    TargetKind.NODE: (kinds.NODE,),
    TargetKind.PERSISTENT_VOLUME_CLAIM: (kinds.PERSISTENT_VOLUME_CLAIM,),
}
"""What each kind of target may be."""


class Lister(Protocol):
    """The one call that is needed of the API client."""

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        """Read all objects of a kind that carry these labels."""
        ...


async def matching(kube: Lister, policy: HealingPolicy) -> int:
    """How many objects carry the labels of a policy's selector.

    Raises:
        ApiError: they could not be listed.
    """
    wanted = policy.spec.target.selector.match_labels
    if not wanted:
        return 0
    selector = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
    found = await asyncio.gather(
        *(
            kube.list(kind, policy.metadata.namespace if kind.namespaced else None, selector)
            for kind in COUNTED[policy.spec.target.kind]
        )
    )
    return sum(len(each) for each in found)
