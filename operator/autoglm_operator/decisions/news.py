"""What a change of a run's status is worth saying as an Event.

One transition, one Event, with the reason that the condition carries. Never writes one.
"""

from dataclasses import dataclass
from typing import Final

from autoglm_api import kinds
from autoglm_api.conditions import ConditionType, Reason, find_condition
from autoglm_api.healingrun import HealingRun, HealingRunStatus
from autoglm_operator.decisions.reading import Manifest

_ON_TARGET: Final = frozenset({Reason.ACTION_STARTED, Reason.HEALED, Reason.ESCALATED})
"""Reasons that whoever looks at the target itself should read, too."""

_FINE: Final = frozenset(
    {
        Reason.ACTION_STARTED,
        Reason.VERIFICATION_PENDING,
        Reason.HEALED,
        Reason.DRY_RUN,
        Reason.DUPLICATE,
        Reason.COOLDOWN_RUNNING,
        Reason.PAUSED,
    }
)


@dataclass(frozen=True, slots=True)
class News:
    """One Event to be written."""

    reason: Reason
    message: str
    warning: bool
    also: tuple[Manifest, ...]
    """Further objects that it is about."""
    minor: bool = False
    """Whether nothing was done and nobody is asked for anything: in a storm that is said of
    thousands of runs, and each run says it itself."""


def between(before: HealingRunStatus, after: HealingRun) -> tuple[News, ...]:
    """What is new in a run's status."""
    old = find_condition(before.conditions, ConditionType.PROGRESSING)
    new = find_condition(after.status.conditions, ConditionType.PROGRESSING)
    if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
        return ()
    reason = Reason(new.reason)
    also = _target(after) if reason in _ON_TARGET else ()
    minor = not after.status.steps and reason is not Reason.AWAITING_APPROVAL
    return (News(reason, new.message, reason not in _FINE, also, minor),)


def regarding(run: HealingRun) -> Manifest:
    """The run itself, as an Event names it."""
    meta = run.metadata
    return {
        "apiVersion": kinds.HEALING_RUN.api_version,
        "kind": kinds.HEALING_RUN.kind,
        "metadata": {"namespace": meta.namespace, "name": meta.name, "uid": meta.uid},
    }


def _target(run: HealingRun) -> tuple[Manifest, ...]:
    target = run.status.target
    if target is None:
        return ()
    meta = {"name": target.name, "uid": target.uid}
    kind = kinds.find(target.api_version, target.kind)
    if kind is None or kind.namespaced:
        meta["namespace"] = run.metadata.namespace
    return ({"apiVersion": target.api_version, "kind": target.kind, "metadata": meta},)
