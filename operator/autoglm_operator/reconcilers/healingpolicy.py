"""Reconciles the status of HealingPolicies: whether one can be used, what it matches, what it did.

Writes only when something changed, and never touches a spec.
"""

import asyncio
import logging
from typing import Final

from autoglm_api import kinds
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_operator.clients import errors
from autoglm_operator.decisions import notices, policystatus, references
from autoglm_operator.decisions.statuses import Verdict
from autoglm_operator.reconcilers import acceptance, census
from autoglm_operator.reconcilers.healingrun import HealerDeps
from autoglm_operator.runtime.keys import ObjectKey
from autoglm_operator.runtime.workqueue import Result

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS: Final = 60.0
"""Time between two looks at what a policy matches and names. Arbitrary, because people read it."""
UNUSABLE_SECONDS: Final = 15.0
"""The same for a policy that cannot be used: whoever repairs the catalogue or a Secret waits."""


class HealingPolicyReconciler:
    """Keeps the status of one policy true."""

    def __init__(self, deps: HealerDeps) -> None:
        self._deps = deps

    async def reconcile(self, key: ObjectKey) -> Result:
        """Write the status if it changed.

        Raises:
            ApiError: the policy could not be read or written.
        """
        found = await self._deps.kube.get(kinds.HEALING_POLICY, key.namespace, key.name)
        if found is None:
            return Result()
        policy = HealingPolicy.read(found)
        unusable = await acceptance.problem_of(policy, self._deps.metric_watch)
        unresolved, count = await asyncio.gather(self._unresolved(policy), self._matching(policy))
        status = policystatus.status_of(
            policy,
            problem=unusable,
            references=unresolved,
            matching=count,
            last_run=self._deps.ledger.last_run(policy.metadata.uid),
            now=self._deps.clock.now(),
        )
        if status != policy.status:
            meta = policy.metadata
            await self._deps.kube.patch(
                kinds.HEALING_POLICY,
                meta.namespace,
                meta.name,
                {
                    "metadata": {"resourceVersion": meta.resource_version, "uid": meta.uid},
                    "status": status.as_json(),
                },
                subresource="status",
            )
        fine = unusable is None and unresolved is None
        return Result(requeue_after=LOOK_AGAIN_SECONDS if fine else UNUSABLE_SECONDS)

    async def _unresolved(self, policy: HealingPolicy) -> Verdict | None:
        """Why a Secret that the policy names cannot be used; None if all can."""
        refs = [ref for target in policy.spec.notify for ref in notices.refs_of(target)]
        namespace = policy.metadata.namespace
        secrets = {
            name: await self._deps.kube.get(kinds.SECRET, namespace, name)
            for name in sorted({ref.name for ref in refs})
        }
        return references.first_problem(refs, secrets)

    async def _matching(self, policy: HealingPolicy) -> int | None:
        try:
            return await census.matching(self._deps.kube, policy)
        except errors.Forbidden as error:
            log.warning("targets not counted", extra={"error": str(error)})
            return None
