"""Reconciles the status of HealingPolicies: whether one can be used, and what it did last.

Writes only when something changed, and never touches a spec.
"""

from autoglm_api import kinds
from autoglm_api.conditions import ConditionType, Reason, set_condition
from autoglm_api.healingpolicy import HealingPolicy, HealingPolicyStatus
from autoglm_operator.decisions import matching
from autoglm_operator.reconcilers.healingrun import HealerDeps
from autoglm_operator.runtime.keys import ObjectKey
from autoglm_operator.runtime.workqueue import Result


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
        status = self._status(policy)
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
        return Result()

    def _status(self, policy: HealingPolicy) -> HealingPolicyStatus:
        problem = matching.problem_of(policy)
        generation = policy.metadata.generation
        return HealingPolicyStatus(
            observed_generation=generation,
            last_run=self._deps.ledger.last_run(policy.metadata.uid) or policy.status.last_run,
            conditions=set_condition(
                policy.status.conditions,
                ConditionType.ACCEPTED,
                status=problem is None,
                reason=Reason.ACCEPTED if problem is None else Reason.INVALID_SPEC,
                message=problem or "The policy is in use.",
                generation=generation,
                now=self._deps.clock.now(),
            ),
        )
