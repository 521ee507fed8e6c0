"""What became of each alert of a delivery, for its sender and for our metrics.

One entry for every alert, or for every run of it if several policies matched. Never decides what is
stored.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

PROBLEMS_SHOWN: Final = 5
"""Problems named on top of an answer. Arbitrary, because the sender's log has room for few."""


class AlertOutcome(StrEnum):
    """What became of an alert, or of one of its runs if several policies matched."""

    STORED = "Stored"
    KNOWN = "Known"
    RESOLVED = "Resolved"
    UNMATCHED = "Unmatched"
    MALFORMED = "Malformed"
    REFUSED = "Refused"
    UNAVAILABLE = "Unavailable"


@dataclass(frozen=True, slots=True)
class AlertResult:
    """What became of one alert under one policy.

    Attributes:
        index: Place in the delivery.
        outcome: In one word.
        fingerprint: The alert's; empty if it could not be read.
        run: Namespace and name of its run; empty if there is none.
        reason: Why it was not stored; empty if it was.
    """

    index: int
    outcome: AlertOutcome
    fingerprint: str = ""
    run: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """As the sender reads it, without what is empty."""
        told = {
            "index": self.index,
            "fingerprint": self.fingerprint,
            "outcome": self.outcome,
            "run": self.run,
            "reason": self.reason,
        }
        return {name: value for name, value in told.items() if value != ""}


@dataclass(slots=True)
class Delivery:
    """What became of a delivery."""

    results: list[AlertResult] = field(default_factory=list[AlertResult])

    @property
    def outcomes(self) -> Counter[AlertOutcome]:
        """How often each outcome came about."""
        return Counter(result.outcome for result in self.results)

    @property
    def problems(self) -> list[str]:
        """The first few reasons."""
        return [result.reason for result in self.results if result.reason][:PROBLEMS_SHOWN]

    @property
    def repeat(self) -> bool:
        """Whether something could not be stored that a repetition may store."""
        return self.outcomes[AlertOutcome.UNAVAILABLE] > 0

    @property
    def useless(self) -> bool:
        """Whether not one alert of it could be read."""
        outcomes = self.outcomes
        return outcomes[AlertOutcome.MALFORMED] > 0 and len(outcomes) == 1

    def as_json(self) -> dict[str, Any]:
        """The answer to the sender."""
        return {
            "outcomes": dict(self.outcomes),
            "problems": self.problems,
            "alerts": [
                result.as_json() for result in sorted(self.results, key=lambda each: each.index)
            ],
        }
