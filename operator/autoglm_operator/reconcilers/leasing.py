"""Holds and undoes leases: finalizer and mark before a change, and every step of the way back.

The order of the writes is what makes a crash harmless: whoever comes later finds in the journal
what may stand, and on the object whether it does. Each write may be repeated. Never decides when a
lease is due, and never makes the change itself.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from autoglm_api import kinds, labels
from autoglm_api.conditions import Reason
from autoglm_api.healingrun import HealingRun, HealingRunStatus, LeaseRecord, LeaseState
from autoglm_operator.clients import errors
from autoglm_operator.decisions import journal, leases
from autoglm_operator.decisions.healing import (
    ActionIO,
    Actions,
    BorrowingAction,
    Lease,
    Outcome,
    OutcomeKind,
    ReversibleAction,
    Seen,
)
from autoglm_operator.decisions.reading import Manifest, part, title, uid_of

log = logging.getLogger(__name__)

PASSING = (errors.Conflict, errors.TooManyRequests, errors.Unavailable)
"""Refusals that another look or a little patience overcomes; the queue repeats after them."""

_SOON = timedelta(seconds=1)

Journal = Callable[[HealingRun, HealingRunStatus], Awaitable[HealingRun]]
"""Stores a status on exactly the version of the run that was read."""


class Leasing:
    """The engine of reversible actions; see `decisions.healing.ReversibleAction`."""

    def __init__(
        self, kube: ActionIO, actions: Actions, write: Journal, now: Callable[[], datetime]
    ) -> None:
        self._kube = kube
        self._actions = actions
        self._journal = write
        self._now = now

    async def prepare(self, run: HealingRun) -> tuple[HealingRun, Outcome | None]:
        """Put finalizer and mark of the last step's lease in place, before its change is made.

        Returns:
            The run as it is now, and what forbids the change; None if nothing does.

        Raises:
            ApiError: it is unknown whether they are in place.
        """
        record = run.status.steps[-1].lease
        if record is None:
            return run, None
        if labels.UNDO not in run.metadata.finalizers:
            run = await self._set_finalizers(run, (*run.metadata.finalizers, labels.UNDO))
        return run, await self._mark(run, record)

    async def settle(self, run: HealingRun, status: HealingRunStatus) -> None:
        """Give back what steps borrowed that come to their end with a status not yet stored."""
        for before, after in zip(run.status.steps, status.steps, strict=False):
            action = self._actions.get(after.action)
            ends = before.outcome is None and after.outcome is not None
            if ends and after.intent is not None and isinstance(action, BorrowingAction):
                await action.settle(run.metadata.namespace, after.intent, self._kube)

    async def tend(self, seen: Seen) -> tuple[HealingRun, timedelta | None]:
        """Undo what is due, and drop the finalizer of a run that holds nothing any more.

        An open run keeps it for its next step, unless the release is being uninstalled: then
        nobody may be there for its end, and a step that begins after all sets it anew.

        Returns:
            The run as it is now, and when to look at its leases again; None if it holds none.

        Raises:
            ApiError: a step back was refused for now or is unknown.
        """
        run = seen.run
        waits: list[timedelta] = []
        for index in leases.held(run.status):
            step = run.status.steps[index]
            action = self._actions.get(step.action)
            if step.lease is None or not isinstance(action, ReversibleAction):
                log.error("lease of an unknown action", extra={"action": step.action})
                waits.append(leases.LOOK)
                continue
            due = leases.due(seen, step, action, self._now())
            if due is not None:
                run, pause = await self._step_back(run, index, action, due)
                waits.append(pause)
            else:
                waits.append(min(leases.LOOK, max(step.lease.expires - self._now(), _SOON)))
        if leases.held(run.status):
            return run, min(waits)
        closing = leases.is_closing(run) or seen.pauses.reverting
        if closing and labels.UNDO in run.metadata.finalizers:
            kept = tuple(each for each in run.metadata.finalizers if each != labels.UNDO)
            run = await self._set_finalizers(run, kept)
        return run, None

    async def _step_back(
        self, run: HealingRun, index: int, action: ReversibleAction, due: leases.Due
    ) -> tuple[HealingRun, timedelta]:
        """Make the next step back, or end a lease of which nothing is left.

        Returns:
            The run as it is now, and how long the object is left as it is.
        """
        lease, now = _lease(run, index), self._now()
        live = await self._read(run, lease.record)
        back = leases.way_back(lease, live, action, due)
        if back.ended is None and live is not None:
            rest = leases.rest(lease, live, action, due, now)
            if rest is not None:
                await self._try(run, index, self._move_mark(run, lease, live))
                return run, rest
            if back.value != lease.record.value:
                # Else a healer died behind this write: made anew, it could be all that each does.
                moved = journal.lease_moves(run.status, index, back.value, now)
                run = await self._journal(run, moved)
            live = await self._try(run, index, self._undo(run, index, action, live))
            lease = _lease(run, index)
            if back.value != lease.record.previous:
                return run, leases.PACE
            back = leases.way_back(lease, live, action, due)
        if live is not None and leases.marked_value(lease, live) is not None:
            await self._try(run, index, self._annotate(run, lease.record, live, None))
        ended = back.ended or LeaseState.LOST
        log.info("lease ended", extra={"action": action.name, "state": ended, "why": due.why})
        status = journal.lease_ended(run.status, index, ended, back.message, now)
        return await self._journal(run, status), leases.PACE

    async def _undo(
        self, run: HealingRun, index: int, action: ReversibleAction, live: Manifest
    ) -> Manifest | None:
        """Change the field to what is journaled, and move the mark there unless it was the last."""
        lease = _lease(run, index)
        await action.undo(run.metadata.namespace, lease, live, self._kube)
        after = await self._read(run, lease.record)
        if after is None or lease.record.value == lease.record.previous:
            return after
        return await self._move_mark(run, lease, after)

    async def _move_mark(self, run: HealingRun, lease: Lease, live: Manifest) -> Manifest:
        """Have the mark name the value of the latest step back; a mark that is gone stays gone."""
        if leases.marked_value(lease, live) in (None, lease.record.value):
            return live
        return await self._annotate(run, lease.record, live, lease.mark.text())

    async def _try(
        self, run: HealingRun, index: int, call: Awaitable[Manifest | None]
    ) -> Manifest | None:
        """Make a call; what the API server refuses for good stands in the journal."""
        try:
            return await call
        except errors.ApiError as error:
            if not isinstance(error, PASSING):
                await self._journal(run, journal.lease_stuck(run.status, index, error.message))
            raise

    async def _mark(self, run: HealingRun, record: LeaseRecord) -> Outcome | None:
        live = await self._read(run, record)
        what = f"{record.object.kind} {record.object.name}"
        if live is None or uid_of(live) != record.object.uid:
            return _failed(Reason.TARGET_GONE, f"{what} is gone.")
        other = leases.foreign_mark(live, run)
        if other is not None:
            return _failed(
                Reason.LEASE_HELD, f"HealingRun {other.run} holds {title(live)} by a change."
            )
        mark = leases.lease_of(run, record).mark.text()
        if part(live, "metadata", "annotations").get(labels.LEASE) == mark:
            return None
        try:
            await self._annotate(run, record, live, mark)
        except errors.ApiError as error:
            if isinstance(error, PASSING):
                raise
            return _failed(Reason.ACTION_FAILED, error.message)
        return None

    async def _read(self, run: HealingRun, record: LeaseRecord) -> Manifest | None:
        kind = kinds.find(record.object.api_version, record.object.kind)
        if kind is None:
            return None
        return await self._kube.get(kind, run.metadata.namespace, record.object.name)

    async def _annotate(
        self, run: HealingRun, record: LeaseRecord, live: Manifest, text: str | None
    ) -> Manifest:
        """Set or remove the mark, on exactly this version of the object."""
        meta = {
            "resourceVersion": live["metadata"]["resourceVersion"],
            "uid": record.object.uid,
            "annotations": {labels.LEASE: text},
        }
        kind = kinds.kind_of(live)
        return await self._kube.patch(
            kind, run.metadata.namespace, record.object.name, {"metadata": meta}
        )

    async def _set_finalizers(self, run: HealingRun, wanted: tuple[str, ...]) -> HealingRun:
        meta = run.metadata
        body: dict[str, Any] = {
            "resourceVersion": meta.resource_version,
            "uid": meta.uid,
            "finalizers": list(wanted),
        }
        written = await self._kube.patch(
            kinds.HEALING_RUN, meta.namespace, meta.name, {"metadata": body}
        )
        return HealingRun.read(written)


def _lease(run: HealingRun, index: int) -> Lease:
    record = run.status.steps[index].lease
    if record is None:
        raise LookupError(f"step {index} of {run.metadata.name} holds no lease")
    return leases.lease_of(run, record)


def _failed(reason: Reason, message: str) -> Outcome:
    return Outcome(OutcomeKind.FAILED, reason, message)
