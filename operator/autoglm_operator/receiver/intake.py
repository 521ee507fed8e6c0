"""Takes alerts from deliveries, polls and events, and says what became of each.

One alert never costs another: each is read, matched and stored on its own. Never answers for what
is not stored, never acts.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from autoglm_api import metrics
from autoglm_api.alerts import Alert, AlertGroup, AlertStatus
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import AlertSource
from autoglm_operator.decisions import matching
from autoglm_operator.receiver.document import first_problem
from autoglm_operator.receiver.outcomes import AlertOutcome, AlertResult, Delivery
from autoglm_operator.receiver.policies import PolicyCatalogue
from autoglm_operator.receiver.storing import Report, RunStore
from autoglm_operator.runtime.metrics import counter

log = logging.getLogger(__name__)

AT_ONCE: Final = 32
"""Creates under way for one delivery. Arbitrary, because the API client has a limit of its own."""

Work = tuple[int, HealingPolicy, Report]


class Intake:
    """Turns alerts into HealingRuns."""

    def __init__(
        self, policies: PolicyCatalogue, runs: RunStore, registry: CollectorRegistry
    ) -> None:
        self._policies = policies
        self._runs = runs
        self._received = counter(metrics.ALERTS, registry)
        self._polled = counter(metrics.ALERTS_POLLED, registry)
        self._truncated = counter(metrics.ALERTS_TRUNCATED, registry)
        self.on_truncated: Callable[[AlertGroup], None] = lambda _: None
        for outcome in AlertOutcome:  # from zero on, so that an alert rule sees the first of a kind
            self._received.labels(outcome)
            self._polled.labels(outcome)

    async def deliver(self, group: AlertGroup) -> Delivery:
        """Store every alert that concerns a policy; returns once the API server has answered."""
        delivery = Delivery()
        if group.truncated_alerts:
            log.warning("alerts left out by the sender", extra={"count": group.truncated_alerts})
            self._truncated.inc(group.truncated_alerts)
        work: list[Work] = []
        for index, raw in enumerate(group.alerts):
            work += self._concerned(index, raw, delivery)
        await self._store(work, delivery)
        self._count(delivery)
        # What was left out is only fetched when the sender will not send this group again.
        if group.truncated_alerts and not delivery.repeat:
            self.on_truncated(group)
        return delivery

    async def event(self, report: Report, policies: Iterable[HealingPolicy]) -> Delivery:
        """Store an event for policies that it concerns."""
        delivery = Delivery()
        await self._store([(0, policy, report) for policy in policies], delivery)
        self._count(delivery)
        return delivery

    def unmatched(self, fingerprint: str) -> Delivery:
        """Count an event that concerns no policy."""
        reason = (
            "No HealingPolicy in the namespaces of events.namespaces matches alertname, instance"
            " and severity, and allows the action."
        )
        delivery = Delivery([AlertResult(0, AlertOutcome.UNMATCHED, fingerprint, reason=reason)])
        self._count(delivery)
        return delivery

    async def poll(self, alerts: Iterable[Alert]) -> Delivery:
        """Store alerts found firing, except those that are surely stored or were just refused."""
        delivery = Delivery()
        work: list[Work] = []
        for index, alert in enumerate(alerts):
            report = Report(alert, AlertSource.POLLER)
            for policy in self._policies.matching(alert):
                if not self._runs.remembers(matching.run_path(policy, alert)):
                    work.append((index, policy, report))  # noqa: PERF401 - a filter of two loops
        await self._store(work, delivery)
        for outcome, count in delivery.outcomes.items():
            self._polled.labels(outcome).inc(count)
        return delivery

    def _count(self, delivery: Delivery) -> None:
        for outcome, count in delivery.outcomes.items():
            self._received.labels(outcome).inc(count)

    def _concerned(self, index: int, raw: dict[str, Any], delivery: Delivery) -> list[Work]:
        try:
            alert = Alert.model_validate(raw)
        except ValidationError as error:
            reason = f"alerts[{index}].{first_problem(error)}"
            delivery.results.append(AlertResult(index, AlertOutcome.MALFORMED, reason=reason))
            return []
        if alert.status is AlertStatus.RESOLVED:
            delivery.results.append(AlertResult(index, AlertOutcome.RESOLVED, alert.fingerprint))
            return []
        found = self._policies.matching(alert)
        if not found:
            delivery.results.append(AlertResult(index, AlertOutcome.UNMATCHED, alert.fingerprint))
        report = Report(alert, AlertSource.ALERTMANAGER)
        return [(index, policy, report) for policy in found]

    async def _store(self, work: Iterable[Work], delivery: Delivery) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def store(index: int, policy: HealingPolicy, report: Report) -> None:
            async with slots:
                outcome, reason = await self._runs.store(policy, report)
            run = matching.run_path(policy, report.alert)
            fingerprint = report.alert.fingerprint
            delivery.results.append(AlertResult(index, outcome, fingerprint, run, reason))

        async with asyncio.TaskGroup() as tasks:
            for each in work:
                tasks.create_task(store(*each))
