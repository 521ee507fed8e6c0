"""When a change is undone, and what the next step back is.

A lease is due when it expires or its target is well again, step by step; and at once when its step
did not help, its policy or run was deleted, or the release is being uninstalled. Only what the live
mark and value confirm is undone: whatever another hand changed stays. Never makes a call.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from autoglm_api import labels
from autoglm_api.healingladder import LadderStep
from autoglm_api.healingrun import (
    HealingRun,
    HealingRunStatus,
    LeaseRecord,
    LeaseState,
    StepOutcome,
    StepRecord,
)
from autoglm_api.leases import Mark
from autoglm_operator.decisions.healing import Lease, ReversibleAction, Seen
from autoglm_operator.decisions.reading import Manifest, title, uid_of

LOOK: Final = timedelta(seconds=15)
"""Time between two looks at a run that holds a lease: policies and pauses change meanwhile."""
PACE: Final = timedelta(seconds=30)
"""Time between two steps back. Arbitrary, because it lets a load balancer and its clients notice
the one before."""


@dataclass(frozen=True, slots=True)
class Due:
    """That a lease is to be undone."""

    at_once: bool
    """Whether in one step."""
    why: str
    """The end of the sentence "Undone because ..."."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """What is next for a lease that is due."""

    ended: LeaseState | None
    """Reverted or Lost, if nothing is left to change; then only our mark is removed."""
    value: str
    """Else the value that the field gets next."""
    message: str
    """One sentence about the end, empty before it."""


def lease_of(run: HealingRun, record: LeaseRecord) -> Lease:
    """A record of a run's journal, with the run."""
    return Lease(run=run.metadata.name, run_uid=run.metadata.uid, record=record)


def held(status: HealingRunStatus) -> tuple[int, ...]:
    """Which steps hold a lease, by their index."""
    return tuple(
        index
        for index, step in enumerate(status.steps)
        if step.lease is not None and step.lease.state is LeaseState.HELD
    )


def ended(step: StepRecord) -> str | None:
    """How the lease of a step has ended, in a sentence; None if there is none or it is held."""
    record = step.lease
    if record is None or record.state is LeaseState.HELD:
        return None
    return record.message or "Its change was undone."


def is_closing(run: HealingRun) -> bool:
    """Whether no further action is taken for a run, so that only its leases are left."""
    return run.status.finished_at is not None or run.metadata.deletion_timestamp is not None


def needs_care(run: HealingRun) -> bool:
    """Whether the healer has something left to do for a run."""
    return not is_closing(run) or bool(held(run.status)) or labels.UNDO in run.metadata.finalizers


def blocks(status: HealingRunStatus) -> bool:
    """Whether a change that did not help still stands, so that the next step must wait."""
    return any(_was_no_help(status.steps[index], status) for index in held(status))


def due(seen: Seen, step: StepRecord, action: ReversibleAction, now: datetime) -> Due | None:
    """Tell whether a held lease is to be undone now.

    Args:
        seen: What one look at the run and its target showed.
        step: The step that holds the lease.
        action: The step's action.
        now: The time of the look.
    """
    record = step.lease
    if record is None or record.state is not LeaseState.HELD:
        return None
    commanded = _commanded(seen)
    if commanded is not None:
        return Due(at_once=True, why=commanded)
    return None if _is_paused(seen) else _due_in_time(seen, step, record, action, now)


def way_back(lease: Lease, live: Manifest | None, action: ReversibleAction, due: Due) -> WayBack:
    """The next step back from what the object shows.

    Args:
        lease: The lease that is due, as journaled.
        live: The object as it is now, None if it does not exist.
        action: What the lease is about.
        due: Why it is undone.
    """
    record = lease.record
    if live is None or uid_of(live) != record.object.uid:
        gone = f"{record.object.kind} {record.object.name} does not exist any more."
        return WayBack(LeaseState.LOST, record.value, gone)
    current = action.current(record, live)
    if current == record.previous:
        back = f"{title(live)} has {record.field} {record.previous or 'unset'} again"
        return WayBack(LeaseState.REVERTED, record.previous, f"{back}, because {due.why}.")
    marked = marked_value(lease, live)
    # A healer that died between a step back and the mark's move left the journaled value behind.
    if marked is None or current not in (marked, record.value):
        return WayBack(
            LeaseState.LOST,
            record.value,
            f"{title(live)} has {record.field} {current or 'unset'}: somebody else changed it"
            " since, so it is left as it is.",
        )
    following = record.previous if due.at_once else action.step_back(record, current)
    return WayBack(None, following, "")


def rest(
    lease: Lease, live: Manifest, action: ReversibleAction, due: Due, now: datetime
) -> timedelta | None:
    """How much longer the latest step back must stand before the next one; None if it need not.

    Args:
        lease: The lease that is due, as journaled.
        live: The object as it is now.
        action: What the lease is about.
        due: Why it is undone.
        now: The time of the look.
    """
    record = lease.record
    if due.at_once or record.stepped_at is None or action.current(record, live) != record.value:
        return None
    left = record.stepped_at + PACE - now
    return left if left > timedelta() else None


def marked_value(lease: Lease, live: Manifest) -> str | None:
    """The value that the object's mark names, None if the mark is not this lease's."""
    mark = Mark.of(live)
    mine = lease.mark
    if mark is None or (mark.run, mark.run_uid, mark.field) != (mine.run, mine.run_uid, mine.field):
        return None
    return mark.value


def foreign_mark(live: Manifest, run: HealingRun) -> Mark | None:
    """The mark of another run on an object."""
    mark = Mark.of(live)
    return mark if mark is not None and mark.run_uid != run.metadata.uid else None


def _commanded(seen: Seen) -> str | None:
    """Why everything that a run holds is undone now, whatever else is so."""
    if seen.run.metadata.deletion_timestamp is not None:
        return "the run was deleted"
    if seen.pauses.reverting:
        return "the release is being uninstalled"
    copy, live = seen.run.spec.policy, seen.policy
    if live is None or live.metadata.uid != copy.uid:
        return f"HealingPolicy {copy.name} was deleted"
    return None


def _due_in_time(
    seen: Seen, step: StepRecord, record: LeaseRecord, action: ReversibleAction, now: datetime
) -> Due | None:
    """Why a lease is undone that nobody asked to undo."""
    if _was_no_help(step, seen.run.status):
        return Due(at_once=True, why="it did not help")
    if now >= record.expires:
        return Due(at_once=False, why="its time had passed")
    if seen.run.status.finished_at is None:
        return None
    recovered = action.returns_at(_wish(seen.run, step), record, seen)
    if recovered is None or now < recovered:
        return None
    return Due(at_once=False, why="the target was well again")


def _is_paused(seen: Seen) -> bool:
    """Whether somebody asked the healer to keep its hands off."""
    paused = seen.policy is not None and seen.policy.spec.paused
    everywhere = seen.pauses.everywhere is not None or seen.pauses.namespace
    return paused or everywhere or not seen.admission_proven


def _wish(run: HealingRun, step: StepRecord) -> LadderStep:
    """The entry of the ladder that a step carried out."""
    ladder, index = run.spec.policy.ladder, run.status.steps.index(step)
    same = [each for each in ladder if each.action is step.action]
    return ladder[index] if index < len(ladder) and ladder[index] in same else same[0]


def _was_no_help(step: StepRecord, status: HealingRunStatus) -> bool:
    if step.outcome is StepOutcome.FAILED or step.helped is False:
        return True
    return status.finished_at is not None and step.helped is None
