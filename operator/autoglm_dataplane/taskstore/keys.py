"""Names of everything in the store.

One prefix per cluster, so that clusters may share a store. It never reads or writes.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

PLANNERS: Final = "planners"
"""Consumer group of the queue of runs."""
EXECUTORS: Final = "executor"
"""Consumer group of every task stream; its one consumer is the stream's executor."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys below one prefix."""

    prefix: str

    @property
    def runs(self) -> str:
        """Queue of accepted runs."""
        return f"{self.prefix}runs"

    @property
    def executors(self) -> str:
        """Set of the executors that may have tasks."""
        return f"{self.prefix}executors"

    @property
    def feed(self) -> str:
        """Channel that names every journal that grew."""
        return f"{self.prefix}feed"

    def run(self, run_id: str) -> str:
        """Journal of a run."""
        return f"{self.prefix}run:{run_id}"

    def run_id(self, key: str) -> str:
        """The run that a journal's key belongs to."""
        return key.removeprefix(f"{self.prefix}run:")

    def results(self, run_id: str) -> str:
        """Nodes of a run that have a result."""
        return f"{self.prefix}results:{run_id}"

    def tasks(self, executor: str) -> str:
        """Queue of an executor."""
        return f"{self.prefix}tasks:{executor}"

    def alive(self, executor: str) -> str:
        """What an executor says about itself while it lives."""
        return f"{self.prefix}alive:{executor}"

    def repeat(self, idempotency_key: str) -> str:
        """The run of an earlier request with the same `Idempotency-Key`."""
        digest = hashlib.sha256(idempotency_key.encode()).hexdigest()
        return f"{self.prefix}repeat:{digest}"
