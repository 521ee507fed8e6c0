"""What follows for one HealingRun from what was seen of it: the state machine of healing.

Every transition is journaled before anything is done, so a healer that dies at any moment leaves a
record from which another one goes on. Never makes a call, never waits.

    begin:  a guard denies -> Skipped, or Held and begin again later
            a person has to approve -> AwaitingApproval and begin again later
            the action refuses -> begin with the next step
            else the intent is journaled -> call
            a change that did not help still stands -> begin once it is undone
    call:   its outcome is journaled -> verify; failed -> begin with the next step
    verify: healthy for long enough -> Succeeded; too late -> begin with the next step
    no step left: Escalated, or Skipped if no action was ever allowed
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from autoglm_api.conditions import ConditionStatus, ConditionType, Reason, find_condition
from autoglm_api.healingguards import Approval, Guards
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingrun import (
    HealingRunStatus,
    Intent,
    LeaseRecord,
    StepOutcome,
    StepRecord,
)
from autoglm_operator.decisions import (
    claims,
    guards,
    journal,
    leases,
    metricchecks,
    target,
    verification,
)
from autoglm_operator.decisions.guards import Case
from autoglm_operator.decisions.healing import (
    Actions,
    Denial,
    HealingAction,
    Outcome,
    OutcomeKind,
    Plan,
    ReversibleAction,
    Seen,
)

HELD: Final = timedelta(seconds=15)
"""Time between two looks at a held run."""
CROWDED: Final = timedelta(seconds=1)
"""Time between two looks while targets of a storm are known by name only: soon they are resolved,
and some of them may turn out to be one."""
UNDER_WAY: Final = timedelta(seconds=5)
"""Time between two looks at a call that goes on without us."""
LASTING: Final = (Reason.DISRUPTION_BUDGET, Reason.NODE_LEASED, Reason.NOTICE_NOT_DELIVERED)
"""Refusals that do not pass within seconds."""
LOOKS_PER_SECOND: Final = 20
"""Looks at the held runs of a policy, all of them together. Arbitrary: each costs the API server
some ten reads, and while thousands of runs wait it has enough to do."""
_LED_TO_BY_STORMS: Final = (Reason.STORM, Reason.MAX_WAIT_PASSED, Reason.APPROVAL_TIMED_OUT)
UNCLEAR: Final = timedelta(seconds=2)
"""Time before a call whose reply was lost is looked into: its effect is soon visible."""


def decide(seen: Seen, actions: Actions, now: datetime) -> Plan:
    """Plan the next transition of a run; an ended run plans nothing.

    Args:
        seen: What one look showed.
        actions: Every action by its name in a ladder.
        now: The time of the look.
    """
    status = seen.run.status
    if status.finished_at is not None:
        return Plan(status=status)
    if status.target is None:
        found = target.resolve(seen.run, seen.sighting)
        if not isinstance(found, Denial):
            seen = journal.with_status(seen, target=found)
    steps = seen.run.status.steps
    if begins(seen.run.status):
        return _begin(seen, actions, now)
    if steps[-1].outcome is None:
        return _resume(seen, actions, now)
    return _verify(seen, actions, now)


def begins(status: HealingRunStatus) -> bool:
    """Whether the next transition of an open run is the begin of a step."""
    return not status.steps or journal.is_over(status.steps[-1])


def awaits_count(plan: Plan) -> bool:
    """Whether a plan may be another one once somebody has counted what the policy matches.

    While nobody has, every second target looks like a storm; so whatever a storm can lead to may
    be wrong.
    """
    found = find_condition(plan.status.conditions, ConditionType.PROGRESSING)
    return found is not None and found.reason in _LED_TO_BY_STORMS


def spread(plan: Plan, held: int) -> Plan:
    """The plan for a run that waits for its step, with its next look put off while many wait.

    Args:
        plan: What was decided.
        held: How many runs of its policy are held, this one included.
    """
    if plan.requeue_after is None or not journal.held_by(plan.status) or not begins(plan.status):
        return plan
    fair = timedelta(seconds=held / LOOKS_PER_SECOND)
    return replace(plan, requeue_after=max(plan.requeue_after, fair))


def after_call(plan: Plan, seen: Seen, outcome: Outcome, now: datetime) -> Plan:
    """Plan what follows from the outcome of the plan's call."""
    seen = journal.with_whole_status(seen, plan.status)
    step = journal.learnt(plan.status.steps[-1], outcome)
    if outcome.kind is OutcomeKind.UNDER_WAY:
        going_on = journal.going_on(seen, step, Denial(outcome.reason, outcome.message), now)
        return Plan(status=going_on, requeue_after=UNDER_WAY)
    if outcome.kind is OutcomeKind.RETRYABLE:
        waiting = outcome.reason in LASTING
        return Plan(
            status=journal.waiting(seen, Denial(outcome.reason, outcome.message), now),
            requeue_after=HELD if waiting else UNCLEAR,
        )
    if outcome.kind is OutcomeKind.FAILED:
        status = journal.step_ended(
            seen, step, StepOutcome.FAILED, Denial(outcome.reason, outcome.message), now
        )
        return Plan(status=status, requeue_after=timedelta())
    return _succeeded(seen, step, outcome.message, now)


def _begin(seen: Seen, actions: Actions, now: datetime) -> Plan:
    """Start the next step of the ladder, unless a guard denies it or none is left."""
    run = seen.run
    ladder = run.spec.policy.ladder
    index = len(run.status.steps)
    if index >= len(ladder):
        return _exhausted(seen, now)
    if leases.blocks(run.status):
        return Plan(status=run.status, requeue_after=UNCLEAR)
    step = ladder[index]
    action = actions[step.action]
    seen = _with_approval(seen, index + 1, now)
    intended = action.plan(step, seen, now)
    case = _case(seen, intended, now)
    ending = guards.first_denial(guards.ENDING, case)
    if ending is not None:
        return Plan(status=journal.ended_by_guard(seen, ending, now))
    holding = _holding(step, intended, case)
    if holding is not None:
        return _hold(seen, holding, now)
    if isinstance(intended, Denial):
        return _begin(
            journal.with_whole_status(seen, journal.refused(seen, step.action, intended, now)),
            actions,
            now,
        )
    before = action.health(seen, None).evidence
    record = StepRecord(
        action=step.action,
        intent=intended,
        started_at=now,
        before=before,
        logs=seen.sighting.logs,
        message=claims.advice(seen.sighting),
        lease=_lease(action, step, intended, seen, now),
    )
    return Plan(
        status=journal.started(seen, record, now),
        call=intended,
        action=step.action,
    )


def _resume(seen: Seen, actions: Actions, now: datetime) -> Plan:
    """Go on from a journaled call of which no outcome is known: it may have been made or not."""
    step = seen.run.status.steps[-1]
    action = actions[step.action]
    intent = step.intent
    if intent is None:
        gone = Denial(Reason.ACTION_FAILED, "The journal holds no intent for this step.")
        return _give_up(seen, step, gone, now)
    undone = leases.ended(step)
    if undone is not None:
        # A change that were made now would stand for ever: nothing is undone twice.
        return _give_up(seen, step, Denial(Reason.ACTION_FAILED, undone), now)
    if action.is_done(intent, seen.sighting):
        return _succeeded(seen, step, "Its effect is there.", now)
    # Whatever the guards say by now, a Job that was begun is only followed to its end.
    stopped = None if intent.job_uid is not None else _stopped(seen, step, intent, now)
    return stopped or Plan(status=seen.run.status, call=intent, action=step.action)


def _stopped(seen: Seen, step: StepRecord, intent: Intent, now: datetime) -> Plan | None:
    """What follows if a journaled call must not be made, or not now."""
    seen = _with_approval(seen, len(seen.run.status.steps), now)
    case = _case(seen, intent, now)
    for guard in (guards.policy_deleted, guards.dry_run):
        ending = guard(case)
        if ending is not None:
            return _give_up(seen, step, ending, now)
    if now >= (intent.deadline or step.started_at + _limits(seen).max_wait):
        reason = Reason(step.reason) if step.reason else Reason.MAX_WAIT_PASSED
        late = Denial(reason, step.message or "The call could not be made in time.")
        return _give_up(seen, step, late, now)
    holding = None
    if step.action is not ActionName.NOTIFY:
        asked = (
            guards.UNDER_WAY if _is_taken(seen, step) else (*guards.UNDER_WAY, *guards.NOT_TAKEN)
        )
        holding = guards.first_denial(asked, case)
    if holding is not None:
        return Plan(status=journal.waiting(seen, holding, now), requeue_after=HELD)
    return None


def _verify(seen: Seen, actions: Actions, now: datetime) -> Plan:
    step = seen.run.status.steps[-1]
    health = metricchecks.with_readings(
        actions[step.action].health(seen, step), seen.run.spec.policy.verify, seen.readings
    )
    judged = verification.judge(step, health, seen.run.spec.policy.verify, now)
    status = journal.judged(seen, step, judged, now)
    return Plan(status=status, requeue_after=None if judged.helped else judged.look_again)


def _succeeded(seen: Seen, step: StepRecord, message: str, now: datetime) -> Plan:
    done = Denial(Reason.ACTION_SUCCEEDED, message)
    if step.action is ActionName.NOTIFY:
        return Plan(status=journal.notified(seen, step, done, now), requeue_after=timedelta())
    status = journal.step_ended(seen, step, StepOutcome.SUCCEEDED, done, now)
    return Plan(status=status, requeue_after=verification.POLL)


def _give_up(seen: Seen, step: StepRecord, why: Denial, now: datetime) -> Plan:
    """End a step whose call must not be made any more."""
    status = journal.step_ended(seen, step, StepOutcome.FAILED, why, now)
    return Plan(status=status, requeue_after=timedelta())


def _hold(seen: Seen, holding: Denial, now: datetime) -> Plan:
    """Hold a run, or end it when it was held long enough."""
    asked = journal.asked_since(seen.run.status)
    if asked is not None or holding.reason is Reason.AWAITING_APPROVAL:
        return _ask(seen, holding, now - (asked or now), now)
    created = seen.run.metadata.creation_timestamp
    since = datetime.fromisoformat(created) if created else now
    steps = seen.run.status.steps
    if steps:
        since = steps[-1].verified_at or steps[-1].finished_at or since
    # The time that a person took to approve is not counted.
    since = max([since, *(each.at for each in seen.run.status.approvals)])
    if now - since < _limits(seen).max_wait:
        uncounted = seen.load.unresolved > 0 or seen.load.matching is None
        crowded = holding.reason is Reason.STORM and uncounted
        return Plan(
            status=journal.held(seen, holding, now), requeue_after=CROWDED if crowded else HELD
        )
    late = Denial(Reason.MAX_WAIT_PASSED, f"Held for too long. {holding.message}")
    return Plan(status=journal.ended_by_guard(seen, late, now))


def _ask(seen: Seen, holding: Denial, waited: timedelta, now: datetime) -> Plan:
    """Wait for a person's word, whatever else holds the run, or end it when none came in time."""
    approval = seen.policy.spec.approval if seen.policy is not None else Approval()
    if waited >= approval.timeout:
        late = Denial(Reason.APPROVAL_TIMED_OUT, f"Nobody approved in time. {holding.message}")
        return Plan(status=journal.ended_by_guard(seen, late, now))
    asks = holding.reason is Reason.AWAITING_APPROVAL
    status = journal.asking(seen, holding, now) if asks else journal.held(seen, holding, now)
    return Plan(status=status, requeue_after=min(HELD, approval.timeout - waited))


def _with_approval(seen: Seen, number: int, now: datetime) -> Seen:
    """What is seen, with the approval that the run carries for a step as part of the journal."""
    if not seen.approvals_proven or not guards.is_needed(seen, number):
        return seen
    record = guards.given(seen.run, number, now)
    if record is None:
        return seen
    return journal.with_whole_status(seen, journal.approved(seen, record, now))


def _is_taken(seen: Seen, step: StepRecord) -> bool:
    """Whether the call of a step was taken and goes on without us."""
    found = find_condition(seen.run.status.conditions, ConditionType.PROGRESSING)
    going_on = found is not None and found.status is ConditionStatus.TRUE
    return going_on and step.reason is not None


def _exhausted(seen: Seen, now: datetime) -> Plan:
    """End a run whose ladder has no step left."""
    steps = seen.run.status.steps
    futile = any(step.reason == Reason.RESTARTED_OFTEN for step in steps)
    if not futile and all(step.outcome is StepOutcome.REFUSED for step in steps):
        last = steps[-1]
        reason = Reason(last.reason or Reason.ACTION_REFUSED)
        why = Denial(reason, last.message or "The action was refused.")
        return Plan(status=journal.ended_by_guard(seen, why, now))
    return Plan(status=journal.escalated(seen, now))


def _holding(step: LadderStep, intended: Intent | Denial, case: Case) -> Denial | None:
    """What holds a step: a guard, or the action itself."""
    # Telling people disturbs nothing, so nothing holds it.
    if step.action is not ActionName.NOTIFY:
        held = guards.first_denial(guards.HOLDING, case)
        if held is not None:
            return held
    return intended if isinstance(intended, Denial) and intended.holds else None


def _lease(
    action: HealingAction, step: LadderStep, intent: Intent, seen: Seen, now: datetime
) -> LeaseRecord | None:
    """What the call changes and will be undone, for actions that are reversible."""
    if isinstance(action, ReversibleAction):
        return action.lease(step, intent, seen, now)
    return None


def _case(seen: Seen, intended: Intent | Denial, now: datetime) -> Case:
    found = seen.run.status.target or target.resolve(seen.run, seen.sighting)
    return Case(seen=seen, target=found, intended=intended, now=now)


def _limits(seen: Seen) -> Guards:
    """The live guards; those of the schema when the policy is gone."""
    return seen.policy.spec.guards if seen.policy is not None else Guards()
