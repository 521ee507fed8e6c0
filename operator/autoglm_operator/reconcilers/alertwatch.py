"""Watches Alertmanager for the healer: is alerting alive, does an alert still fire, is it silenced.

A run that waits is judged by a list of everything that fires, read a short while ago; before an
action, and before a run ends because its alert is gone, the alert itself is asked for. Without any
configured Alertmanager nothing is known, and nothing is asked.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry

from autoglm_api import metrics
from autoglm_api.alerts import PolledAlert, Silence
from autoglm_api.healingrun import HealingRun
from autoglm_operator.clients.alertmanager import AlertmanagerClient, Answers
from autoglm_operator.decisions import alertnews, deadman
from autoglm_operator.decisions.deadman import Pulse
from autoglm_operator.decisions.surroundings import AlertNews
from autoglm_operator.runtime.clock import Clock
from autoglm_operator.runtime.metrics import gauge

log = logging.getLogger(__name__)

LIST_SECONDS: Final = 10.0
"""For how long a list of everything that fires serves runs that wait. Arbitrary: less than the time
between two looks at one of them, so that each look brings something new."""


@dataclass(frozen=True, slots=True)
class DeadMan:
    """How the healer tells that alerting is alive."""

    required: bool = False
    """Whether nothing is done while it is not."""
    alert: str = "Watchdog"
    """Name of the alert that always fires."""
    timeout: timedelta = timedelta(minutes=3)
    """How long it may not arrive."""
    poll_seconds: float = 30.0
    """Time between two questions."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """Everything that fires and is silenced, at one moment."""

    moment: float
    firing: frozenset[str]
    silences: tuple[Silence, ...]


class AlertWatch:
    """What Alertmanager says, as far as the healer needs it.

    Args:
        alertmanagers: Whom to ask; None if none is configured.
        clock: Measures ages.
        registry: Where the dead-man's state is shown.
        dead_man: How to tell that alerting is alive.
        settle: How long a new Alertmanager is not believed that an alert fires no more.
    """

    def __init__(
        self,
        alertmanagers: AlertmanagerClient | None,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        dead_man: DeadMan,
        settle: timedelta,
    ) -> None:
        self._alertmanagers = alertmanagers
        self._clock = clock
        self._settle = settle
        self._dead_man = dead_man
        self._pulse = Pulse()
        self._listed: _Listed | None = None
        self._listing = asyncio.Lock()
        self._frozen = gauge(metrics.HEALING_FROZEN, registry)

    def frozen(self) -> str | None:
        """Why healing is frozen; None while alerting is alive, or need not be."""
        if not self._dead_man.required:
            return None
        return deadman.frozen(
            self._pulse,
            alert=self._dead_man.alert,
            timeout=self._dead_man.timeout,
            moment=self._clock.monotonic(),
        )

    async def keep(self, on_change: Callable[[], None]) -> None:
        """Listen for the alert that always fires; ends at once where it is not required.

        Args:
            on_change: Called when healing freezes or thaws.
        """
        before: str | None = "unknown"
        while self._dead_man.required:
            await self.listen()
            why = self.frozen()
            if (why is None) is not (before is None):
                level = logging.INFO if why is None else logging.ERROR
                log.log(level, "dead man", extra={"frozen": why is not None, "why": why})
                on_change()
            before = why
            await self._clock.sleep(self._dead_man.poll_seconds)

    async def listen(self) -> None:
        """Ask once for the alert that always fires."""
        if self._alertmanagers is not None:
            answers = await self._alertmanagers.alerts(
                [f'alertname="{self._dead_man.alert}"'], muted=True
            )
            self._hear(answers)
        self._frozen.set(0 if self.frozen() is None else 1)

    async def glance(self, run: HealingRun) -> AlertNews:
        """What is said of the alert of a run that waits; nothing that ends or holds it is old."""
        if self._alertmanagers is None:
            return AlertNews()
        async with self._listing:
            listed = self._listed
            if listed is None or self._clock.monotonic() - listed.moment >= LIST_SECONDS:
                listed = self._listed = await self._list(self._alertmanagers)
        told = alertnews.news_of(run, listed.firing, listed.silences, vouched=True)
        return told if told.firing is not False and told.silence is None else await self.look(run)

    async def look(self, run: HealingRun) -> AlertNews:
        """What is said of the alert of a run at this moment."""
        if self._alertmanagers is None:
            return AlertNews()
        matchers = alertnews.matchers_of(run)
        alerts, silences = await asyncio.gather(
            self._alertmanagers.alerts(matchers, muted=True),
            self._alertmanagers.silences(self._clock.now()),
        )
        if not (alerts.known and silences.known):
            # Whoever cannot be asked keeps nothing from the others, but all of them do.
            self._unanswered()
        firing = [alert.fingerprint for alert in alerts.items]
        vouched = run.spec.alert.fingerprint not in firing and await self._is_vouched(alerts)
        return alertnews.news_of(run, firing, silences.items, vouched=vouched)

    async def _list(self, alertmanagers: AlertmanagerClient) -> _Listed:
        moment = self._clock.monotonic()
        alerts, silences = await asyncio.gather(
            alertmanagers.alerts(muted=True), alertmanagers.silences(self._clock.now())
        )
        return _Listed(
            moment, frozenset(each.fingerprint for each in alerts.items), tuple(silences.items)
        )

    async def _is_vouched(self, alerts: Answers[PolledAlert]) -> bool:
        if self._alertmanagers is None or not alerts.known:
            return False
        started = await self._alertmanagers.started()
        return alertnews.is_vouched(alerts.reachable, started, self._clock.now(), self._settle)

    def _hear(self, answers: Answers[PolledAlert]) -> None:
        told = [alert.updated_at for alert in answers.items]
        self._pulse = deadman.heard(
            self._pulse,
            max(told, default=None),
            answered=answers.known,
            now=self._clock.now(),
            moment=self._clock.monotonic(),
        )

    def _unanswered(self) -> None:
        self._pulse = deadman.heard(
            self._pulse,
            None,
            answered=False,
            now=self._clock.now(),
            moment=self._clock.monotonic(),
        )
