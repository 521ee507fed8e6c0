"""What waits for a person's word, in mode Approve.

Who may give it is enforced by an admission policy: the annotation holds the name of the user who
set it, and no other. Here it only counts whether it was given for this step.
"""

from datetime import datetime
from typing import Final

from autoglm_api import labels
from autoglm_api.conditions import Reason
from autoglm_api.durations import format_duration
from autoglm_api.healingguards import Approval
from autoglm_api.healingpolicy import Mode
from autoglm_api.healingrun import ApprovalRecord, HealingRun
from autoglm_operator.decisions.guards.case import Case
from autoglm_operator.decisions.healing import Denial, Seen

_STRICTNESS: Final = (Mode.DRY_RUN, Mode.APPROVE, Mode.ENFORCE)
_NAME_LIMIT: Final = 256


def mode_of(seen: Seen) -> Mode:
    """How far a run may go: the stricter of what the policy said and what it says now."""
    said = [seen.run.spec.policy.mode]
    if seen.policy is not None:
        said.append(seen.policy.spec.mode)
    return min(said, key=_STRICTNESS.index)


def given(run: HealingRun, number: int, now: datetime) -> ApprovalRecord | None:
    """The approval of a step that a run's annotation holds, None if it holds none for it.

    Args:
        run: The run as it is.
        number: The step, from 1.
        now: When it is seen.
    """
    step, separator, name = run.metadata.annotations.get(labels.APPROVED, "").partition("/")
    if not separator or step != str(number) or not 0 < len(name) <= _NAME_LIMIT:
        return None
    return ApprovalRecord(step=number, by=name, at=now)


def is_needed(seen: Seen, number: int) -> bool:
    """Whether a step waits for an approval that is not recorded yet."""
    if mode_of(seen) is not Mode.APPROVE:
        return False
    return all(record.step != number for record in seen.run.status.approvals)


def approval_unproven(case: Case) -> Denial | None:
    """Anybody could have written the approval."""
    if case.seen.approvals_proven or not is_needed(case.seen, case.number):
        return None
    return Denial(
        Reason.ADMISSION_MISSING,
        "The admission policy that says who may approve is not in force: install it with the"
        " chart.",
    )


def approval_missing(case: Case) -> Denial | None:
    """Nobody has approved the step; a step that the action refuses needs nobody."""
    if isinstance(case.intended, Denial) or not is_needed(case.seen, case.number):
        return None
    run, live = case.seen.run, case.seen.policy
    within = (live.spec.approval if live is not None else Approval()).timeout
    what = f"{case.intended.verb} {case.intended.object.kind} {case.intended.object.name}"
    return Denial(
        Reason.AWAITING_APPROVAL,
        f"Step {case.number}, {what}, waits for approval within {format_duration(within)}:"
        f" autoglm approve {run.metadata.name}, or annotate the run with"
        f' {labels.APPROVED}="{case.number}/<your user name>".',
    )
