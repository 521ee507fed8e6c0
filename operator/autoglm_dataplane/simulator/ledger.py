"""Counts what arrived, by request id, so that a test can compare it with what its clients saw.

Forgets the oldest ids beyond a bound; never looks into a request.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Final

MOST_IDS: Final = 200_000
"""Arbitrary, because it covers a long load test with some 30 MB."""
REQUEST_ID: Final = "x-request-id"


@dataclass(slots=True)
class Ledger:
    """Everything this process was asked since it started, or since it was cleared."""

    total: int = 0
    in_flight: int = 0
    by_status: Counter[str] = field(default_factory=Counter[str])
    """How requests ended: an HTTP status, "cut" or "hung"."""
    by_id: OrderedDict[str, int] = field(default_factory=OrderedDict[str, int])
    """How often each request id arrived; more than once is a retry."""

    def arrived(self, request_id: str) -> None:
        """Count one request."""
        self.total += 1
        self.in_flight += 1
        if request_id:
            self.by_id[request_id] = self.by_id.get(request_id, 0) + 1
            self.by_id.move_to_end(request_id)
            if len(self.by_id) > MOST_IDS:
                self.by_id.popitem(last=False)

    def ended(self, outcome: str) -> None:
        """Count the end of one request."""
        self.in_flight -= 1
        self.by_status[outcome] += 1

    def clear(self) -> None:
        """Start counting anew; what is under way stays under way."""
        self.total = 0
        self.by_status.clear()
        self.by_id.clear()

    def as_json(self) -> dict[str, object]:
        """All of it."""
        return {
            "total": self.total,
            "in_flight": self.in_flight,
            "by_status": dict(self.by_status),
            "requests": dict(self.by_id),
        }
