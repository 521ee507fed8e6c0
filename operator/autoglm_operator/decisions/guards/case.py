"""What every guard is asked about."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from autoglm_api.healingladder import LadderStep
from autoglm_api.healingrun import Intent, RunTarget
from autoglm_operator.decisions.healing import Denial, Seen


@dataclass(frozen=True, slots=True)
class Case:
    """One run before one step of its ladder."""

    seen: Seen
    target: RunTarget | Denial
    """What the alert led to when it was first looked up, or why to nothing."""
    intended: Intent | Denial
    """What the action would do, or why it refuses."""
    now: datetime

    @property
    def number(self) -> int:
        """The number of the step that is about to begin or is under way, from 1."""
        steps = self.seen.run.status.steps
        under_way = bool(steps) and steps[-1].finished_at is None
        return len(steps) if under_way else len(steps) + 1

    @property
    def step(self) -> LadderStep:
        """That step."""
        return self.seen.run.spec.policy.ladder[self.number - 1]


Guard = Callable[[Case], Denial | None]
"""One question with one answer: why not, or None."""
