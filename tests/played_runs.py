"""Plays one HealingRun against looks that a test makes up, as the healer would."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from autoglm_api.conditions import ConditionType, Reason, find_condition
from autoglm_api.healingrun import HealingRun
from autoglm_operator.decisions import episode
from autoglm_operator.decisions.healing import Outcome, OutcomeKind, Plan, Seen, Sighting
from episodes import (
    ACTIONS,
    NOW,
    a_pod,
    a_run,
    a_sighting,
    seen,
)

SUCCESS = Outcome(OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED, "Evicted.")
BUDGET = Outcome(OutcomeKind.RETRYABLE, Reason.DISRUPTION_BUDGET, "No disruption allowed.")
LOST = Outcome(OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, "No answer.")
FAILURE = Outcome(OutcomeKind.FAILED, Reason.ACTION_FAILED, "Forbidden.")

HEALED = replace(a_sighting(a_pod("web-3")), pod=None, pods=(a_pod("web-2"), a_pod("web-3")))
STILL_SICK = replace(a_sighting(), pod=None, pods=(a_pod("web-2"), a_pod("web-3", ready=False)))


@dataclass
class Healer:
    """Plays one run against looks that the test makes up."""

    run: HealingRun = field(default_factory=a_run)
    now: datetime = NOW
    outcome: Outcome = SUCCESS
    plan: Plan = field(init=False)
    calls: int = 0

    def look(
        self,
        sighting: Sighting | None = None,
        **changes: Any,  # noqa: ANN401 - any field of Seen
    ) -> "Healer":
        view = seen(self.run, sighting=sighting, **changes)
        self.plan = episode.decide(view, ACTIONS, self.now)
        self.store(self.plan)
        if self.plan.call is not None:
            self.calls += 1
            self.plan = episode.after_call(self.plan, self.view(view), self.outcome, self.now)
            self.store(self.plan)
        return self

    def view(self, before: Seen) -> Seen:
        return replace(before, run=self.run)

    def store(self, plan: Plan) -> None:
        self.run = self.run.model_copy(update={"status": plan.status})

    def after(self, **passed: float) -> "Healer":
        self.now += timedelta(**passed)
        return self

    @property
    def phase(self) -> str | None:
        return self.run.status.phase

    def reason(self, about: ConditionType) -> str | None:
        found = find_condition(self.run.status.conditions, about)
        return found.reason if found else None
