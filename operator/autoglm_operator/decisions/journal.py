"""The status that a HealingRun gets with each transition: its journal, conditions and phase.

Each function returns the whole next status; a status that says nothing new equals the old one, so
that nothing is written. Never decides which transition it is.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from autoglm_api.conditions import (
    MESSAGE_LIMIT,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    set_condition,
)
from autoglm_api.healingevidence import Evidence
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import (
    ApprovalRecord,
    HealingRunStatus,
    LeaseState,
    RunTarget,
    StepOutcome,
    StepRecord,
)
from autoglm_operator.decisions import claims
from autoglm_operator.decisions.healing import Denial, Outcome, Seen
from autoglm_operator.decisions.statuses import Verdict
from autoglm_operator.decisions.verification import Judgement

_ACCEPTED: Final = Verdict(
    status=True, reason=Reason.ACCEPTED, message="The policy allows this run on its target."
)


def with_status(seen: Seen, *, target: RunTarget) -> Seen:
    """What is seen, with the target that was just resolved as part of the journal."""
    return with_whole_status(seen, seen.run.status.model_copy(update={"target": target}))


def with_whole_status(seen: Seen, status: HealingRunStatus) -> Seen:
    """What is seen, as if this status had been read."""
    return replace(seen, run=seen.run.model_copy(update={"status": status}))


def started(seen: Seen, step: StepRecord, now: datetime) -> HealingRunStatus:
    """A step began: its call is journaled and about to be made."""
    verb, name = step.intent.verb if step.intent else step.action, _object_of(step)
    progressing = Verdict(
        status=True, reason=Reason.ACTION_STARTED, message=f"{step.action}: {verb} {name}."
    )
    verdicts = {ConditionType.ACCEPTED: _ACCEPTED, ConditionType.PROGRESSING: progressing}
    if asked_since(seen.run.status) is not None:
        free = "The policy asks for no approval any more."
        verdicts[ConditionType.APPROVED] = Verdict(
            status=True, reason=Reason.AS_EXPECTED, message=free
        )
    return _next(seen, verdicts, now, steps=(*seen.run.status.steps, step))


def refused(seen: Seen, action: ActionName, why: Denial, now: datetime) -> HealingRunStatus:
    """An action refused the target; the next step of the ladder follows."""
    step = StepRecord(
        action=action,
        started_at=now,
        finished_at=now,
        outcome=StepOutcome.REFUSED,
        reason=why.reason,
        message=why.message,
    )
    return seen.run.status.model_copy(update={"steps": (*seen.run.status.steps, step)})


def held(seen: Seen, why: Denial, now: datetime) -> HealingRunStatus:
    """A guard holds the run."""
    progressing = Verdict(status=False, reason=why.reason, message=why.message)
    return _next(
        seen,
        {ConditionType.ACCEPTED: _ACCEPTED, ConditionType.PROGRESSING: progressing},
        now,
    )


def approved(seen: Seen, record: ApprovalRecord, now: datetime) -> HealingRunStatus:
    """Somebody allowed a step."""
    verdict = Verdict(
        status=True,
        reason=Reason.APPROVED,
        message=f"Step {record.step} was approved by {record.by}.",
    )
    status = _next(seen, {ConditionType.APPROVED: verdict}, now)
    return status.model_copy(update={"approvals": (*status.approvals, record)})


def asking(seen: Seen, why: Denial, now: datetime) -> HealingRunStatus:
    """A step waits for somebody's word."""
    asked = Verdict(status=None, reason=why.reason, message=why.message)
    return _next(
        seen,
        {
            ConditionType.ACCEPTED: _ACCEPTED,
            ConditionType.APPROVED: asked,
            ConditionType.PROGRESSING: Verdict(
                status=False, reason=why.reason, message=why.message
            ),
        },
        now,
    )


def asked_since(status: HealingRunStatus) -> datetime | None:
    """Since when a step has waited for somebody's word; None if none does."""
    found = find_condition(status.conditions, ConditionType.APPROVED)
    if found is None or found.status is not ConditionStatus.UNKNOWN:
        return None
    return found.last_transition_time


def waiting(seen: Seen, why: Denial, now: datetime) -> HealingRunStatus:
    """A journaled call could not be made yet, or its reply was lost."""
    step = seen.run.status.steps[-1]
    changed = step.model_copy(update={"reason": why.reason, "message": why.message})
    progressing = Verdict(status=False, reason=why.reason, message=why.message)
    return _next(
        seen,
        {ConditionType.PROGRESSING: progressing},
        now,
        steps=(*seen.run.status.steps[:-1], changed),
    )


def learnt(step: StepRecord, outcome: Outcome) -> StepRecord:
    """The journaled step with what its call has told."""
    told = {
        "intent": outcome.intent or step.intent,
        "before": _added(step.before, outcome.before),
        "after": _added(step.after, outcome.after),
    }
    return step.model_copy(update=told)


def _added(known: Evidence | None, told: Evidence | None) -> Evidence | None:
    """What was known of a disk before its call measured it, and what the call measured."""
    if known is None or known.disk is None or told is None or told.disk is None:
        return told or known
    measured = told.disk.model_dump(by_alias=False, exclude_none=True)
    return told.model_copy(update={"disk": known.disk.model_copy(update=measured)})


def going_on(seen: Seen, step: StepRecord, what: Denial, now: datetime) -> HealingRunStatus:
    """A journaled call was taken and goes on without us."""
    changed = step.model_copy(update={"reason": what.reason, "message": what.message})
    progressing = Verdict(status=True, reason=what.reason, message=what.message)
    return _next(
        seen,
        {ConditionType.PROGRESSING: progressing},
        now,
        steps=(*seen.run.status.steps[:-1], changed),
    )


def step_ended(
    seen: Seen, step: StepRecord, outcome: StepOutcome, why: Denial, now: datetime
) -> HealingRunStatus:
    """The outcome of a call is known."""
    changed = step.model_copy(
        update={
            "finished_at": now,
            "outcome": outcome,
            "reason": why.reason,
            "message": why.message,
        }
    )
    verdicts = {
        ConditionType.PROGRESSING: Verdict(status=True, reason=why.reason, message=why.message)
    }
    if outcome is StepOutcome.SUCCEEDED:
        pending = "The action was carried out; the target is watched."
        verdicts = {
            about: Verdict(status=status, reason=Reason.VERIFICATION_PENDING, message=pending)
            for about, status in (
                (ConditionType.PROGRESSING, True),
                (ConditionType.VERIFIED, None),
            )
        }
    return _next(seen, verdicts, now, steps=(*seen.run.status.steps[:-1], changed))


def notified(seen: Seen, step: StepRecord, why: Denial, now: datetime) -> HealingRunStatus:
    """People were told; that never heals, so there is nothing to watch."""
    status = step_ended(seen, step, StepOutcome.SUCCEEDED, why, now)
    told = status.steps[-1].model_copy(update={"helped": False, "verified_at": now})
    return seen.run.status.model_copy(update={"steps": (*status.steps[:-1], told)})


def judged(seen: Seen, step: StepRecord, judgement: Judgement, now: datetime) -> HealingRunStatus:
    """A look during verification; it ends the run if the target is healed."""
    after = judgement.evidence if judgement.healthy_since != step.healthy_since else step.after
    changed = step.model_copy(
        update={
            "healthy_since": judgement.healthy_since,
            "after": after if judgement.helped is None else judgement.evidence,
            "helped": judgement.helped,
            "verified_at": None if judgement.helped is None else now,
        }
    )
    steps = (*seen.run.status.steps[:-1], changed)
    message = judgement.message
    if judgement.helped is None:
        pending = Verdict(status=None, reason=Reason.VERIFICATION_PENDING, message=message)
        return _next(seen, {ConditionType.VERIFIED: pending}, now, steps=steps)
    if judgement.helped:
        healed = Verdict(status=True, reason=Reason.HEALED, message=message)
        return _ended(
            seen,
            {ConditionType.VERIFIED: healed, ConditionType.SUCCEEDED: healed},
            Denial(Reason.HEALED, message),
            now,
            steps=steps,
        )
    late = Verdict(status=False, reason=Reason.VERIFICATION_TIMED_OUT, message=message)
    over = Verdict(status=True, reason=Reason.NOT_HEALED, message=message)
    return _next(
        seen,
        {ConditionType.VERIFIED: late, ConditionType.PROGRESSING: over},
        now,
        steps=steps,
    )


def lease_moves(
    status: HealingRunStatus, index: int, value: str, now: datetime
) -> HealingRunStatus:
    """The next step back of a lease is about to be made."""
    return _with_lease(status, index, value=value, message=None, stepped_at=now)


def lease_stuck(status: HealingRunStatus, index: int, why: str) -> HealingRunStatus:
    """A change could not be undone yet; a person can read why."""
    return _with_lease(status, index, message=why[:MESSAGE_LIMIT])


def lease_ended(
    status: HealingRunStatus, index: int, state: LeaseState, message: str, now: datetime
) -> HealingRunStatus:
    """A change was undone, or is another hand's now."""
    return _with_lease(status, index, state=state, message=message, reverted_at=now)


def ended_by_guard(seen: Seen, why: Denial, now: datetime) -> HealingRunStatus:
    """No (further) action is allowed: Skipped if none was ever taken, else Failed."""
    offer = claims.advice(seen.sighting) if why.reason is Reason.DRY_RUN else None
    why = replace(why, message=f"{why.message} {offer}") if offer else why
    denied = Verdict(status=False, reason=why.reason, message=why.message)
    about = ConditionType.SUCCEEDED if has_acted(seen.run.status) else ConditionType.ACCEPTED
    return _ended(seen, {about: denied}, why, now)


def escalated(seen: Seen, now: datetime) -> HealingRunStatus:
    """Every step of the ladder was tried and none helped."""
    last = seen.run.status.steps[-1].message or "No step of the ladder helped."
    verified = find_condition(seen.run.status.conditions, ConditionType.VERIFIED)
    found = verified.message if verified is not None else last
    offer = claims.advice(seen.sighting)
    why = Denial(
        Reason.ESCALATED, f"The whole ladder did not help; look yourself. {offer or found}"
    )
    verdict = Verdict(status=False, reason=why.reason, message=why.message)
    return _ended(seen, {ConditionType.SUCCEEDED: verdict}, why, now)


def has_acted(status: HealingRunStatus) -> bool:
    """Whether a call was journaled, and so may have been made."""
    return any(step.intent is not None for step in status.steps)


def is_over(step: StepRecord) -> bool:
    """Whether nothing follows of a step any more."""
    return step.helped is not None or step.outcome in (StepOutcome.REFUSED, StepOutcome.FAILED)


def has_begun(status: HealingRunStatus) -> bool:
    """Whether a call was journaled that changes something; telling people changes nothing."""
    return any(changes(step) for step in status.steps)


def is_acting(status: HealingRunStatus) -> bool:
    """Whether such a call or its verification is under way."""
    if status.finished_at is not None or not status.steps:
        return False
    return changes(status.steps[-1]) and not is_over(status.steps[-1])


def changes(step: StepRecord) -> bool:
    """Whether a call was journaled for a step that changes something."""
    return step.intent is not None and step.action is not ActionName.NOTIFY


def held_by(status: HealingRunStatus) -> str:
    """The reason that holds an open run, empty if none does."""
    progressing = find_condition(status.conditions, ConditionType.PROGRESSING)
    is_held = progressing is not None and progressing.status is ConditionStatus.FALSE
    if status.finished_at is not None or progressing is None or not is_held:
        return ""
    return progressing.reason


def phase_of(conditions: tuple[Condition, ...]) -> str:
    """One word for people; the conditions decide."""
    accepted = find_condition(conditions, ConditionType.ACCEPTED)
    if accepted is not None and accepted.status is ConditionStatus.FALSE:
        return "Skipped"
    succeeded = find_condition(conditions, ConditionType.SUCCEEDED)
    if succeeded is not None:
        if succeeded.status is ConditionStatus.TRUE:
            return "Succeeded"
        return "Escalated" if succeeded.reason == Reason.ESCALATED else "Failed"
    return "AwaitingApproval" if _is_asked(conditions) else _phase_of_open(conditions)


def _phase_of_open(conditions: tuple[Condition, ...]) -> str:
    progressing = find_condition(conditions, ConditionType.PROGRESSING)
    if progressing is None:
        return "Pending"
    if progressing.status is ConditionStatus.FALSE:
        return "Held"
    return "Verifying" if progressing.reason == Reason.VERIFICATION_PENDING else "Running"


def _with_lease(status: HealingRunStatus, index: int, **changes: object) -> HealingRunStatus:
    step = status.steps[index]
    if step.lease is None:
        return status
    changed = step.model_copy(update={"lease": step.lease.model_copy(update=changes)})
    steps = (*status.steps[:index], changed, *status.steps[index + 1 :])
    return status.model_copy(update={"steps": steps})


def _is_asked(conditions: tuple[Condition, ...]) -> bool:
    found = find_condition(conditions, ConditionType.APPROVED)
    return found is not None and found.status is ConditionStatus.UNKNOWN


def _object_of(step: StepRecord) -> str:
    return f"{step.intent.object.kind} {step.intent.object.name}" if step.intent else "nothing"


def _ended(
    seen: Seen,
    verdicts: Mapping[ConditionType, Verdict],
    why: Denial,
    now: datetime,
    *,
    steps: tuple[StepRecord, ...] | None = None,
) -> HealingRunStatus:
    stopped = Verdict(status=False, reason=why.reason, message=why.message)
    if _is_asked(seen.run.status.conditions):
        verdicts = {**verdicts, ConditionType.APPROVED: stopped}
    status = _next(seen, {**verdicts, ConditionType.PROGRESSING: stopped}, now, steps=steps)
    return status.model_copy(update={"finished_at": now})


def _next(
    seen: Seen,
    verdicts: Mapping[ConditionType, Verdict],
    now: datetime,
    *,
    steps: tuple[StepRecord, ...] | None = None,
) -> HealingRunStatus:
    status = seen.run.status
    conditions = status.conditions
    for about, verdict in verdicts.items():
        conditions = set_condition(
            conditions,
            about,
            status=verdict.status,
            reason=verdict.reason,
            message=verdict.message,
            generation=seen.run.metadata.generation,
            now=now,
        )
    return status.model_copy(
        update={
            "conditions": conditions,
            "phase": phase_of(conditions),
            "steps": status.steps if steps is None else steps,
        }
    )
