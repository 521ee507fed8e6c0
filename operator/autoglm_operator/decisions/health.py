"""From single probes to a verdict: thresholds, reasons, and when not to believe oneself.

A record lives in the memory of the leader; what others must know stands in the endpoint's status.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from autoglm_api.conditions import Reason

if TYPE_CHECKING:
    from collections.abc import Collection

    from autoglm_api.modelendpoint import HealthCheck

# Below this number, "all failed at once" says nothing about the prober.
SWEEP_MINIMUM = 2
# The endpoint said something: our own network cannot be what failed.
ANSWERED = frozenset(
    {
        Reason.AUTHENTICATION_FAILED,
        Reason.MODEL_NOT_SERVED,
        Reason.UNEXPECTED_ANSWER,
        Reason.ADDRESS_REFUSED,
    }
)


class Outcome(Protocol):
    """What one probe found."""

    @property
    def ok(self) -> bool:
        """Whether the endpoint would have served."""
        ...

    @property
    def reason(self) -> Reason:
        """Why."""
        ...

    @property
    def message(self) -> str:
        """One sentence, always the same for the same fault."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """Models that the endpoint listed; empty if it was not asked."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """What is believed about one endpoint.

    Attributes:
        about: What was probed; another URL or model makes the record worthless.
        healthy: The verdict; None before there is one.
        reason: Reason of the verdict.
        message: Sentence of the verdict.
        failures: Failed probes in a row.
        successes: Good probes in a row.
        failing_since: Monotonic time of the first of the failures; None while there are none.
        models: Models that the endpoint listed last; empty if it never was asked.
    """

    about: str
    healthy: bool | None = None
    reason: Reason = Reason.NOT_PROBED
    message: str = "The endpoint has not been probed yet."
    failures: int = 0
    successes: int = 0
    failing_since: float | None = None
    models: tuple[str, ...] = ()


def advance(health: Health, outcome: Outcome, check: HealthCheck, now: float) -> Health:
    """The record after one more probe.

    Args:
        health: The record before it.
        outcome: What the probe found.
        check: Thresholds.
        now: Monotonic time.
    """
    if outcome.ok:
        counted = replace(
            health,
            failures=0,
            successes=health.successes + 1,
            failing_since=None,
            models=outcome.models or health.models,
        )
        convinced = counted.successes >= check.success_threshold or health.healthy is True
    else:
        since = now if health.failing_since is None else health.failing_since
        counted = replace(health, failures=health.failures + 1, successes=0, failing_since=since)
        # An endpoint that never worked, or must not be used, gets no benefit of the doubt.
        convinced = (
            counted.failures >= check.failure_threshold
            or health.healthy is not True
            or outcome.reason is Reason.ADDRESS_REFUSED
        )
    if not convinced:
        return counted
    return replace(counted, healthy=outcome.ok, reason=outcome.reason, message=outcome.message)


def looks_different(before: Health | None, after: Health) -> bool:
    """Whether a status that shows the record would change."""
    return before is None or (before.healthy, before.reason, before.message, before.models) != (
        after.healthy,
        after.reason,
        after.message,
        after.models,
    )


def probes_unreliable(records: Collection[Health], window: float) -> bool:
    """Whether all endpoints stopped answering at once, which is more likely our own fault.

    Args:
        records: All endpoints that are probed.
        window: Seconds within which failures count as one event.
    """
    since = [
        record.failing_since
        for record in records
        if record.failing_since is not None and record.reason not in ANSWERED
    ]
    if len(since) < SWEEP_MINIMUM or len(since) < len(records):
        return False
    return max(since) - min(since) <= window
