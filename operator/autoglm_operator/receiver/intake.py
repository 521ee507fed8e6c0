"""Stores each alert of a delivery as HealingRuns and says what became of it.

One alert never costs another: each is read, matched and stored on its own. The API server is the
memory: a run that exists already is stored. Never answers for what is not stored, never acts.
"""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from autoglm_api import labels, metrics
from autoglm_api.alerts import Alert, AlertGroup, AlertStatus
from autoglm_api.conditions import Reason
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_operator.clients import errors
from autoglm_operator.clients.events import EventRecorder
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.decisions import matching
from autoglm_operator.receiver.document import first_problem
from autoglm_operator.receiver.policies import PolicyCatalogue
from autoglm_operator.runtime.metrics import counter

log = logging.getLogger(__name__)

AT_ONCE: Final = 32
"""Creates under way for one delivery. Arbitrary, because the API client has a limit of its own."""
PROBLEMS_SHOWN: Final = 5
"""Problems named in an answer. Arbitrary, because the sender's log has room for few."""


class AlertOutcome(StrEnum):
    """What became of an alert, or of one of its runs if several policies matched."""

    STORED = "Stored"
    KNOWN = "Known"
    RESOLVED = "Resolved"
    UNMATCHED = "Unmatched"
    MALFORMED = "Malformed"
    REFUSED = "Refused"
    UNAVAILABLE = "Unavailable"


@dataclass(slots=True)
class Delivery:
    """What became of a delivery."""

    outcomes: Counter[AlertOutcome] = field(default_factory=Counter[AlertOutcome])
    problems: list[str] = field(default_factory=list[str])

    @property
    def repeat(self) -> bool:
        """Whether something could not be stored that a repetition may store."""
        return self.outcomes[AlertOutcome.UNAVAILABLE] > 0

    @property
    def useless(self) -> bool:
        """Whether not one alert of it could be read."""
        return self.outcomes[AlertOutcome.MALFORMED] > 0 and len(self.outcomes) == 1

    def note(self, outcome: AlertOutcome, problem: str = "") -> None:
        """Count an outcome and keep the first few problems."""
        self.outcomes[outcome] += 1
        if problem and len(self.problems) < PROBLEMS_SHOWN:
            self.problems.append(problem)


class Intake:
    """Turns deliveries into HealingRuns."""

    def __init__(
        self,
        kube: KubeClient,
        policies: PolicyCatalogue,
        events: EventRecorder,
        registry: CollectorRegistry,
    ) -> None:
        self._kube = kube
        self._policies = policies
        self._events = events
        self._counted = counter(metrics.ALERTS, registry)
        for outcome in AlertOutcome:  # from zero on, so that an alert rule sees the first of a kind
            self._counted.labels(outcome)

    async def store(self, group: AlertGroup) -> Delivery:
        """Store every alert that concerns a policy; returns once the API server has answered."""
        delivery = Delivery()
        slots = asyncio.Semaphore(AT_ONCE)
        if group.truncated_alerts:
            log.warning("alerts left out by the sender", extra={"count": group.truncated_alerts})
        async with asyncio.TaskGroup() as tasks:
            for index, raw in enumerate(group.alerts):
                for policy, alert in self._concerned(index, raw, delivery):
                    tasks.create_task(self._store(policy, alert, delivery, slots))
        for outcome, count in delivery.outcomes.items():
            self._counted.labels(outcome).inc(count)
        return delivery

    def _concerned(
        self, index: int, raw: dict[str, Any], delivery: Delivery
    ) -> list[tuple[HealingPolicy, Alert]]:
        try:
            alert = Alert.model_validate(raw)
        except ValidationError as error:
            delivery.note(AlertOutcome.MALFORMED, f"alerts[{index}].{first_problem(error)}")
            return []
        if alert.status is AlertStatus.RESOLVED:
            delivery.note(AlertOutcome.RESOLVED)
            return []
        found = self._policies.matching(alert)
        if not found:
            delivery.note(AlertOutcome.UNMATCHED)
        return [(policy, alert) for policy in found]

    async def _store(
        self, policy: HealingPolicy, alert: Alert, delivery: Delivery, slots: asyncio.Semaphore
    ) -> None:
        outcome, problem = AlertOutcome.STORED, ""
        try:
            run = matching.run_for(policy, alert)
            async with slots:
                await self._kube.create(run, manager=labels.RECEIVER)
        except (errors.TooManyRequests, errors.Unavailable) as error:
            outcome, problem = AlertOutcome.UNAVAILABLE, error.message
        except errors.Conflict as error:
            exists = error.reason == "AlreadyExists"
            outcome = AlertOutcome.KNOWN if exists else AlertOutcome.UNAVAILABLE
        except ValidationError as error:
            outcome, problem = AlertOutcome.REFUSED, first_problem(error)
        except errors.ApiError as error:
            outcome, problem = AlertOutcome.REFUSED, error.message
        delivery.note(outcome, problem)
        if outcome is AlertOutcome.REFUSED:
            await self._report(policy, alert, problem)

    async def _report(self, policy: HealingPolicy, alert: Alert, problem: str) -> None:
        log.warning(
            "alert refused",
            extra={
                "policy": f"{policy.metadata.namespace}/{policy.metadata.name}",
                "alert": alert.name,
                "problem": problem,
            },
        )
        await self._events.emit(
            _regarding(policy),
            Reason.ALERT_REFUSED,
            f"Alert {alert.name} could not be stored: {problem}",
            warning=True,
            action="StoreAlert",
        )


def _regarding(policy: HealingPolicy) -> dict[str, Any]:
    kind, meta = HealingPolicy.definition.kind, policy.metadata
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"namespace": meta.namespace, "name": meta.name, "uid": meta.uid},
    }
