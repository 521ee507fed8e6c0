"""ScaleOut: more pods for a while, at the place where their number is decided.

Guarantees: the number that was journaled is written at most once, and only over the number that was
    there when it was journaled; bounds of an autoscaler are raised, its choice never overwritten.
    The way back leads over numbers that are confirmed by the live mark.
Assumptions: intent and lease were journaled, and the mark stands on the object.
Errors: a conflict and a lost reply are retryable; everything else that the API server refuses has
    failed.
"""

from datetime import datetime, timedelta

from autoglm_api import kinds, labels
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingrun import Intent, LeaseRecord, ObjectRef, StepRecord
from autoglm_api.leases import Mark
from autoglm_operator.clients import errors
from autoglm_operator.decisions import scaleout
from autoglm_operator.decisions.healing import (
    ActionIO,
    Denial,
    Health,
    Lease,
    Outcome,
    OutcomeKind,
    Seen,
    Sighting,
)
from autoglm_operator.decisions.reading import Manifest, uid_of


class ScaleOut:
    """The action of this module's name."""

    name = ActionName.SCALE_OUT
    # Two calls with the client's own limit each.
    timeout = timedelta(seconds=30)

    def plan(self, step: LadderStep, seen: Seen, now: datetime) -> Intent | Denial:
        """Choose number and object, or say why a scale-out is refused."""
        return scaleout.plan(step, seen)

    def is_done(self, intent: Intent, sighting: Sighting) -> bool:
        """Tell whether the number is there."""
        return scaleout.is_done(intent, sighting)

    def health(self, seen: Seen, step: StepRecord | None) -> Health:
        """Judge the workload behind the target, and whether its new pods are there."""
        if step is None:
            return scaleout.health(seen, None, None)
        before = step.before.workload if step.before is not None else None
        return scaleout.health(seen, step.intent, before.desired if before is not None else None)

    async def execute(self, namespace: str, intent: Intent, io: ActionIO) -> Outcome:
        """Write the journaled number."""
        field, number = scaleout.field_of(intent), scaleout.wanted(intent)
        kind = kinds.find(intent.object.api_version, intent.object.kind)
        try:
            live = await io.get(kind, namespace, intent.object.name) if kind is not None else None
            if live is None or uid_of(live) != intent.object.uid:
                return Outcome(OutcomeKind.FAILED, Reason.TARGET_GONE, "The target is gone.")
            current = scaleout.read(field, live)
            if current != number:
                mark = Mark.of(live)
                if mark is None or str(current) != mark.previous:
                    return _changed(intent.object, field, current)
                await _write(namespace, intent.object, field, number, live, io)
        except (errors.Conflict, errors.TooManyRequests, errors.Unavailable) as error:
            return Outcome(OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, error.message)
        except errors.ApiError as error:
            return Outcome(OutcomeKind.FAILED, Reason.ACTION_FAILED, error.message)
        said = f"{intent.object.kind} {intent.object.name} has {field} {number}."
        return Outcome(OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED, said)

    def lease(self, step: LadderStep, intent: Intent, seen: Seen, now: datetime) -> LeaseRecord:
        """What the intent changes, and until when."""
        return scaleout.lease(step, intent, seen, now)

    def current(self, record: LeaseRecord, live: Manifest) -> str:
        """The number that the field has now."""
        return str(scaleout.read(record.field, live))

    def step_back(self, record: LeaseRecord, current: str) -> str:
        """The next lower number."""
        return scaleout.step_back(record, current)

    def returns_at(self, step: LadderStep, record: LeaseRecord, seen: Seen) -> datetime | None:
        """Never before it expires: `revertAfter` says how long the pods are wanted."""
        return None

    async def undo(self, namespace: str, lease: Lease, live: Manifest, io: ActionIO) -> None:
        """Write the number that the lease's record names."""
        record = lease.record
        await _write(namespace, record.object, record.field, int(record.value), live, io)


async def _write(
    namespace: str, where: ObjectRef, field: str, number: int, live: Manifest, io: ActionIO
) -> None:
    """Write a number on exactly this version of the object."""
    kind = kinds.kind_of(live)
    version = live["metadata"]["resourceVersion"]
    if kind != kinds.HORIZONTAL_POD_AUTOSCALER:
        scale = {"metadata": {"resourceVersion": version}, "spec": {"replicas": number}}
        await io.patch(kind, namespace, where.name, scale, subresource="scale")
        return
    bounds = {
        "apiVersion": where.api_version,
        "kind": where.kind,
        "metadata": {
            "namespace": namespace,
            "name": where.name,
            "uid": where.uid,
            "resourceVersion": version,
        },
        "spec": {field.rpartition(".")[2]: number},
    }
    await io.apply(bounds, manager=labels.HEALER, force=True)


def _changed(where: ObjectRef, field: str, current: int) -> Outcome:
    return Outcome(
        OutcomeKind.FAILED,
        Reason.TARGET_CHANGED,
        f"{where.kind} {where.name} has {field} {current}: somebody changed it meanwhile.",
    )
