"""What a HealingPolicy's status says: whether it can be used, and what it would act on now."""

from datetime import datetime

from autoglm_api.conditions import ConditionType, Reason
from autoglm_api.healingpolicy import HealingPolicy, HealingPolicyStatus, LastRun, Mode
from autoglm_operator.decisions.healing import Denial
from autoglm_operator.decisions.statuses import Verdict, conditions_of, fails, holds, unknown


def status_of(
    policy: HealingPolicy,
    *,
    problem: Denial | None,
    references: Verdict | None,
    matching: int | None,
    last_run: LastRun | None,
    now: datetime,
) -> HealingPolicyStatus:
    """The whole status of a policy.

    Args:
        policy: The live policy.
        problem: Why it must not act, if so.
        references: Why a Secret that it names cannot be used, if so.
        matching: Objects that its selector matches now; None if they could not be counted.
        last_run: The run that ended last, as far as it is remembered.
        now: The time.
    """
    accepted = _accepted(problem)
    resolved = references or holds(Reason.RESOLVED, "Everything that the policy names is there.")
    verdicts = {
        ConditionType.ACCEPTED: accepted,
        ConditionType.RESOLVED_REFS: resolved,
        ConditionType.READY: _ready(policy, accepted, resolved, matching),
    }
    generation = policy.metadata.generation
    return HealingPolicyStatus(
        observed_generation=generation,
        matching=policy.status.matching if matching is None else matching,
        last_run=last_run or policy.status.last_run,
        conditions=conditions_of(policy.status.conditions, verdicts, generation, now),
    )


def _accepted(problem: Denial | None) -> Verdict:
    if problem is None:
        return holds(Reason.ACCEPTED, "The policy is in use.")
    if problem.reason is Reason.PROMETHEUS_UNAVAILABLE:
        return unknown(problem.reason, problem.message)
    return fails(problem.reason, problem.message)


def _ready(
    policy: HealingPolicy, accepted: Verdict, resolved: Verdict, matching: int | None
) -> Verdict:
    for verdict in (accepted, resolved):
        if verdict.status is not True:
            return fails(verdict.reason, verdict.message)
    if policy.spec.paused:
        return fails(Reason.PAUSED, "The policy is paused: its runs are held.")
    known = _counted(matching)
    if policy.spec.mode is Mode.DRY_RUN:
        return holds(Reason.DRY_RUN, f"It only records what it would do.{known}")
    return holds(Reason.READY, f"It acts on alerts.{known}")


def _counted(matching: int | None) -> str:
    if matching is None:
        return ""
    what = "1 object matches" if matching == 1 else f"{matching} objects match"
    return f" {what} its target now."
