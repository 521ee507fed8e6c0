"""Restart: evict one pod, or roll a whole workload over.

Guarantees: the same intent carried out twice restarts once: an eviction names the pod's UID, a
    roll-out the stamp that was journaled, and both look before they call. Disruption budgets are
    respected; nothing is ever deleted directly.
Assumptions: the intent was journaled, and the target's controller makes evicted pods anew.
Errors: a budget that refuses, and a lost reply, are retryable; everything else that the API server
    refuses has failed.
"""

from datetime import datetime, timedelta

from autoglm_api import kinds, labels
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingrun import Intent, IntentVerb, StepRecord
from autoglm_operator.clients import errors
from autoglm_operator.decisions import evictions, restart, verification
from autoglm_operator.decisions.healing import (
    ActionIO,
    Denial,
    Health,
    Outcome,
    OutcomeKind,
    Seen,
    Sighting,
)
from autoglm_operator.decisions.reading import Manifest, is_terminating, uid_of


class Restart:
    """The action of this module's name."""

    name = ActionName.RESTART
    # Two calls with the client's own limit each.
    timeout = timedelta(seconds=30)

    def plan(self, step: LadderStep, seen: Seen, now: datetime) -> Intent | Denial:
        """Choose the pod or the stamp, or say why a restart is refused."""
        return restart.plan(step, seen, now)

    def is_done(self, intent: Intent, sighting: Sighting) -> bool:
        """Tell whether the pod is gone, or the stamp is there."""
        return restart.is_done(intent, sighting)

    def health(self, seen: Seen, step: StepRecord | None) -> Health:  # same before and after
        """Judge the workload behind the target."""
        return verification.workload_health(seen.sighting)

    async def execute(self, namespace: str, intent: Intent, io: ActionIO) -> Outcome:
        """Make the journaled call."""
        try:
            if intent.verb is IntentVerb.EVICT:
                return await _evict(namespace, intent, io)
            return await _roll_out(namespace, intent, io)
        except errors.TooManyRequests as error:
            return Outcome(OutcomeKind.RETRYABLE, Reason.DISRUPTION_BUDGET, error.message)
        except errors.Unavailable as error:
            return _unanswered(error)
        except errors.Conflict as error:
            # Another object has the name by now, or it changed under the call: the next look tells.
            return Outcome(OutcomeKind.RETRYABLE, Reason.TARGET_CHANGED, error.message)
        except errors.ApiError as error:
            return Outcome(OutcomeKind.FAILED, Reason.ACTION_FAILED, error.message)


def _unanswered(error: errors.Unavailable) -> Outcome:
    if evictions.SEVERAL_BUDGETS in error.message:
        return Outcome(OutcomeKind.FAILED, Reason.DISRUPTION_BUDGET, error.message)
    return Outcome(OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, error.message)


async def _evict(namespace: str, intent: Intent, io: ActionIO) -> Outcome:
    pod = await io.get(kinds.POD, namespace, intent.object.name)
    if pod is None or uid_of(pod) != intent.object.uid or is_terminating(pod):
        return _succeeded(f"Pod {intent.object.name} was gone already.")
    try:
        name, uid = intent.object.name, intent.object.uid
        await io.evict(namespace, name, uid=uid, grace_seconds=evictions.grace(pod))
    except errors.NotFound:
        return _succeeded(f"Pod {intent.object.name} was gone already.")
    return _succeeded(f"Pod {intent.object.name} was evicted.")


async def _roll_out(namespace: str, intent: Intent, io: ActionIO) -> Outcome:
    kind = kinds.find(intent.object.api_version, intent.object.kind)
    live = await io.get(kind, namespace, intent.object.name) if kind is not None else None
    if live is None or uid_of(live) != intent.object.uid:
        return Outcome(OutcomeKind.FAILED, Reason.TARGET_GONE, "The workload is gone.")
    if restart.stamp_of(live) != restart.stamp(intent):
        await io.apply(_stamped(namespace, intent), manager=labels.HEALER, force=True)
    return _succeeded(f"{intent.object.kind} {intent.object.name} is being rolled out.")


def _stamped(namespace: str, intent: Intent) -> Manifest:
    """The one field that the healer sets, on exactly the workload that was journaled."""
    annotations = {labels.RESTARTED_AT: restart.stamp(intent)}
    return {
        "apiVersion": intent.object.api_version,
        "kind": intent.object.kind,
        "metadata": {
            "namespace": namespace,
            "name": intent.object.name,
            "uid": intent.object.uid,
        },
        "spec": {"template": {"metadata": {"annotations": annotations}}},
    }


def _succeeded(message: str) -> Outcome:
    return Outcome(OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED, message)
