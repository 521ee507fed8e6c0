"""Whether a policy that the API server stored can be used: what CEL cannot parse.

Every process that asks gets the same answer, and a policy with a problem never acts.
"""

from autoglm_api.conditions import Reason
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_operator.decisions import matching, windows
from autoglm_operator.decisions.healing import Denial
from autoglm_operator.reconcilers.metricwatch import MetricWatch


async def problem_of(policy: HealingPolicy | None, metric_watch: MetricWatch) -> Denial | None:
    """Why a policy cannot be used as it stands; None if it can, or does not exist."""
    if policy is None:
        return None
    expression = matching.problem_of(policy)
    if expression is not None:
        return Denial(Reason.INVALID_SPEC, expression)
    window = windows.problem_of(policy.spec.guards.windows)
    return window if window is not None else await metric_watch.problem_of(policy)
