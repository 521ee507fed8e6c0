"""Reads what a scale-out must know: who else scales the target, and room for more pods.

All of it is read live. It never writes, and never judges what it finds.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from autoglm_api import kinds
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import HealingRun
from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors
from autoglm_operator.decisions import capacity
from autoglm_operator.decisions.healing import Room
from autoglm_operator.decisions.reading import Manifest, part


class ScaleReader(Protocol):
    """The list of the API client."""

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        """Read all objects of a kind that carry these labels."""
        ...


def scales_out(run: HealingRun) -> bool:
    """Whether a run may scale its target out, now or later."""
    return any(step.action is ActionName.SCALE_OUT for step in run.spec.policy.ladder)


def scales_out_next(run: HealingRun) -> bool:
    """Whether the next step that the run would begin adds pods."""
    ladder, done = run.spec.policy.ladder, len(run.status.steps)
    return done < len(ladder) and ladder[done].action is ActionName.SCALE_OUT


async def autoscalers(
    kube: ScaleReader, namespace: str, chain: Sequence[Manifest]
) -> tuple[Manifest, ...]:
    """The HorizontalPodAutoscalers that scale one of these objects."""
    aims = {(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in chain}
    found = await kube.list(kinds.HORIZONTAL_POD_AUTOSCALER, namespace)
    return tuple(each for each in found if _aim(each) in aims)


async def room(kube: ScaleReader, namespace: str, workload: Manifest) -> Room | None:
    """Room for more pods of a workload.

    None if nodes or the pods of other namespaces may not be read and no quota limits them: then
    only the new pods themselves will tell.
    """
    spec = part(workload, "spec", "template", "spec")
    quotas = await kube.list(kinds.RESOURCE_QUOTA, namespace)
    allowed, quota = capacity.quota_room(quotas, spec)
    try:
        nodes, pods = await asyncio.gather(kube.list(kinds.NODE), kube.list(kinds.POD))
    except errors.Forbidden:
        return Room(allowed, f"ResourceQuota {quota}") if quota else None
    fitting = capacity.node_room(nodes, pods, spec)
    if allowed < fitting:
        return Room(allowed, f"ResourceQuota {quota}")
    return Room(fitting, "the nodes")


def _aim(autoscaler: Manifest) -> tuple[str, str, str]:
    aim = part(autoscaler, "spec", "scaleTargetRef")
    return str(aim.get("apiVersion", "")), str(aim.get("kind", "")), str(aim.get("name", ""))
