"""Asks Alertmanagers for alerts that should have arrived and did not.

Alertmanager gives up on what it cannot deliver, leaves out what exceeds its limit, and never sends
what resolved meanwhile. Every replica polls: a run that another one stored is known to the API
server. Never touches an alert that is silenced or inhibited.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry

from autoglm_api import metrics
from autoglm_api.alerts import AlertGroup, PolledAlert
from autoglm_operator.clients.alertmanager import AlertmanagerClient, Answers
from autoglm_operator.decisions.silences import silenced_by
from autoglm_operator.receiver.intake import Intake
from autoglm_operator.receiver.outcomes import AlertOutcome
from autoglm_operator.runtime.clock import Clock, within
from autoglm_operator.runtime.metrics import gauge

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 60.0
"""Time between two polls. Source: the contract of the receiver."""
OVERDUE: Final = timedelta(minutes=2)
"""Age of an alert that should have arrived. Source: the contract of the receiver; Alertmanager's
usual group_wait is 30 s."""


class Poller:
    """Polls until the process ends.

    Args:
        alertmanagers: Whom to ask.
        intake: Takes what is found.
        clock: Paces the polls.
        receiver: Name of our receiver in Alertmanager's configuration.
        unready: Why policies are not known yet; None once they are.
        registry: Where polls are counted.
    """

    def __init__(
        self,
        alertmanagers: AlertmanagerClient,
        intake: Intake,
        clock: Clock,
        *,
        receiver: str,
        unready: Callable[[], str | None],
        registry: CollectorRegistry,
    ) -> None:
        self._alertmanagers = alertmanagers
        self._intake = intake
        self._clock = clock
        self._receiver = receiver
        self._unready = unready
        self._polled_at = gauge(metrics.POLL_TIMESTAMP, registry)
        self._silent = gauge(metrics.ALERTMANAGERS_SILENT, registry)
        self._truncated: set[str] = set()
        self._woken = asyncio.Event()
        self._problems: frozenset[str] = frozenset()

    def pull(self, group: AlertGroup) -> None:
        """Fetch soon what a delivery left out: alerts of any age for the receiver it named."""
        self._truncated.add(group.receiver or self._receiver)
        self._woken.set()

    async def run(self) -> None:
        """Poll every minute, and at once when a delivery was truncated."""
        while True:
            try:
                await within(self._clock, POLL_SECONDS, self._woken.wait())
            except TimeoutError:
                await self.poll(self._receiver, OVERDUE)
            else:
                self._woken.clear()
                receivers, self._truncated = self._truncated, set()
                for receiver in sorted(receivers):
                    await self.poll(receiver, timedelta())

    async def poll(self, receiver: str, age: timedelta) -> None:
        """Store alerts of a receiver that are at least so old and not stored yet."""
        if self._unready() is not None:
            return
        answers = await self._alertmanagers.alerts(receiver=receiver)
        self._silent.set(len(answers.failures))
        problems = {f"{url}: {why}" for url, why in answers.failures.items()}
        if answers.known:
            self._polled_at.set(self._clock.now().timestamp())
            if not answers.items:
                problems |= await self._unknown(receiver)
        self._say(frozenset(problems))
        await self._take(answers, age)

    async def _take(self, answers: Answers[PolledAlert], age: timedelta) -> None:
        now = self._clock.now()
        overdue = [each for each in answers.items if each.starts_at <= now - age]
        if overdue:
            # A peer that was cut off does not know every silence of the others.
            silences = (await self._alertmanagers.silences(now)).items
            overdue = [each for each in overdue if silenced_by(silences, each.labels) is None]
        delivery = await self._intake.poll(each.as_delivered() for each in overdue)
        for result in delivery.results:
            if result.outcome is AlertOutcome.STORED:
                log.warning("alert had not arrived", extra={"run": result.run})

    async def _unknown(self, receiver: str) -> set[str]:
        """What is wrong if no Alertmanager knows the receiver: then nothing can ever be found."""
        receivers = await self._alertmanagers.receivers()
        if not receivers.known or any(each.name == receiver for each in receivers.items):
            return set()
        names = ", ".join(sorted({each.name for each in receivers.items})[:10])
        return {
            f"no Alertmanager has a receiver named {receiver!r}, but {names or 'none'}: set"
            " alertmanager.receiver to the name in Alertmanager's configuration"
        }

    def _say(self, problems: frozenset[str]) -> None:
        """Log problems once, until they change."""
        for problem in sorted(problems - self._problems):
            log.warning("poll is incomplete", extra={"problem": problem})
        if self._problems and not problems:
            log.info("poll is complete again")
        self._problems = problems
