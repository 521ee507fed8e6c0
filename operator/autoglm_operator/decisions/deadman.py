"""Whether alerting is alive: an alert that always fires must keep on arriving.

Without it nobody knows what fires, what has resolved and what is silenced, so nothing is done.
Prometheus sends a firing alert again every minute or two; Alertmanager itself goes on listing it
for minutes after Prometheus has died, so what counts is when it was last told. Never asks anybody.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from autoglm_api.durations import format_duration


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is known of that alert."""

    asked: bool = False
    """Whether any question was asked yet."""
    answered: bool = False
    """Whether any Alertmanager answered the last question."""
    updated_at: datetime | None = None
    """When an Alertmanager was last told of the alert, by its own clock; None if never."""
    beat_at: float = 0.0
    """When that last moved on, in seconds of our own monotonic clock."""


def heard(
    pulse: Pulse, updated_at: datetime | None, *, answered: bool, now: datetime, moment: float
) -> Pulse:
    """What is known after one more question.

    Args:
        pulse: What was known before.
        updated_at: When the youngest listed alert was told; None if none is listed.
        answered: Whether any Alertmanager answered.
        now: The wall time of the answer.
        moment: The same in seconds of the monotonic clock.
    """
    pulse = replace(pulse, asked=True, answered=answered)
    if updated_at is None:
        return pulse
    if pulse.updated_at is None:
        # How old it is can only be told by comparing clocks; one that runs ahead is no harm.
        age = max((now - updated_at).total_seconds(), 0.0)
        return replace(pulse, updated_at=updated_at, beat_at=moment - age)
    if updated_at > pulse.updated_at:
        return replace(pulse, updated_at=updated_at, beat_at=moment)
    return pulse


def frozen(pulse: Pulse, *, alert: str, timeout: timedelta, moment: float) -> str | None:
    """Why healing is frozen; None while alerting is alive.

    Args:
        pulse: What is known.
        alert: Name of the alert that always fires.
        timeout: How long it may not arrive.
        moment: Now, in seconds of the monotonic clock.
    """
    if not pulse.asked:
        return "Alertmanager has not been asked yet."
    if not pulse.answered:
        return (
            "No Alertmanager of alertmanager.urls answers, so nobody knows what fires and what is"
            " silenced: repair the connection, or set deadMan.mode to Off in the chart."
        )
    if pulse.updated_at is None:
        return (
            f"No Alertmanager lists alert {alert}, which must always fire: add such a rule to"
            " Prometheus, name yours in deadMan.alert, or set deadMan.mode to Off in the chart."
        )
    if moment - pulse.beat_at > timeout.total_seconds():
        return (
            f"Alert {alert}, which always fires, was not sent to any Alertmanager for"
            f" {format_duration(timeout)} or longer: alerting is broken, look at Prometheus."
        )
    return None
