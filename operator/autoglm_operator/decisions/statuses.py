"""Verdicts about conditions, and the conditions that follow from them.

Each condition has one writer, its transition time moves only on a flip, and a status that says
nothing new compares equal to the old one, so that nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    set_condition,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

# These are True when something is wrong.
NEGATIVE = frozenset({ConditionType.DEGRADED, ConditionType.INSECURE})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said about one condition; a status of None means Unknown."""

    status: bool | None
    reason: Reason
    message: str


def holds(reason: Reason, message: str) -> Verdict:
    """The condition is True."""
    return Verdict(status=True, reason=reason, message=message)


def fails(reason: Reason, message: str) -> Verdict:
    """The condition is False."""
    return Verdict(status=False, reason=reason, message=message)


def unknown(reason: Reason, message: str) -> Verdict:
    """The condition is Unknown."""
    return Verdict(status=None, reason=reason, message=message)


@dataclass(frozen=True, slots=True)
class Transition:
    """A condition that changed, for an Event.

    Attributes:
        reason: Its new reason.
        message: Its new sentence.
        wrong: Whether the change is for the worse.
    """

    reason: Reason
    message: str
    wrong: bool


def conditions_of(
    before: Iterable[Condition],
    verdicts: Mapping[ConditionType, Verdict],
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """The conditions after the verdicts, in the order of the verdicts."""
    conditions = tuple(each for each in before if each.type in verdicts)
    for about, verdict in verdicts.items():
        conditions = set_condition(
            conditions,
            about,
            status=verdict.status,
            reason=verdict.reason,
            message=verdict.message,
            generation=generation,
            now=now,
        )
    order = {str(about): at for at, about in enumerate(verdicts)}
    return tuple(sorted(conditions, key=lambda each: order[each.type]))


def transitions(before: Iterable[Condition], after: Iterable[Condition]) -> tuple[Transition, ...]:
    """The conditions whose status or reason changed; a first status that is fine is no news."""
    known = tuple(before)
    found: list[Transition] = []
    for each in after:
        about = ConditionType(each.type)
        wrong = (each.status is ConditionStatus.TRUE) is (about in NEGATIVE)
        old = find_condition(known, about)
        changed = wrong if old is None else (old.status, old.reason) != (each.status, each.reason)
        if changed:
            found.append(Transition(Reason(each.reason), each.message, wrong))
    return tuple(found)
