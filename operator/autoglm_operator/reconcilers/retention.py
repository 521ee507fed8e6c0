"""Deletes records of ended runs that are old or many, once their alerts have long been gone.

Which those are is decided in `decisions.retention`; this only finds out what fires and writes it
down, so that a restart does not forget it. Runs that still hold something to be undone stay.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from autoglm_api import kinds
from autoglm_api.healingrun import AlertSource, HealingRun, HealingRunStatus
from autoglm_api.resource import UnreadableObject
from autoglm_operator.clients import errors
from autoglm_operator.clients.alertmanager import AlertmanagerClient
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.decisions import retention
from autoglm_operator.decisions.retention import Limits, Record
from autoglm_operator.runtime.clock import Clock

log = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 600.0
"""Time between two sweeps. Arbitrary, because records are kept for days."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one sweep did."""

    kept: int
    deleted: int


class Retention:
    """Sweeps records of ended runs.

    Args:
        kube: Reads, patches and deletes runs.
        alertmanager: Tells what fires; None if no Alertmanager is known.
        clock: The time.
        limits: How many records are kept, and for how long.
        namespaces: Where; empty means everywhere.
    """

    def __init__(
        self,
        kube: KubeClient,
        alertmanager: AlertmanagerClient | None,
        clock: Clock,
        limits: Limits,
        namespaces: tuple[str, ...],
    ) -> None:
        self._kube = kube
        self._alertmanager = alertmanager
        self._clock = clock
        self._limits = limits
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)

    async def keep(self, seconds: float = SWEEP_SECONDS) -> None:
        """Sweep for ever; a sweep that fails is repeated with the next."""
        while True:
            try:
                await self.sweep()
            except errors.NotLeader:
                raise
            except errors.ApiError as error:
                log.warning("records not swept", extra={"error": str(error)})
            await self._clock.sleep(seconds)

    async def sweep(self) -> Sweep:
        """Write down whose alerts are gone, and delete the records that may go.

        Raises:
            ApiError: the runs could not be read or written.
        """
        runs = [run for run in await self._runs() if _is_over(run)]
        firing = await self._firing()
        now = self._clock.now()
        records = [await self._noted(run, firing, now) for run in runs]
        expired = retention.expired(records, self._limits, now)
        deleted = 0
        for run in runs:
            if run.metadata.uid in expired:
                deleted += await self._delete(run)
        if deleted:
            log.info("records deleted", extra={"count": deleted})
        return Sweep(kept=len(runs) - deleted, deleted=deleted)

    async def _runs(self) -> list[HealingRun]:
        found: list[HealingRun] = []
        for namespace in self._namespaces:
            for obj in await self._kube.list(kinds.HEALING_RUN, namespace):
                try:
                    found.append(HealingRun.read(obj))
                except UnreadableObject:
                    continue
        return found

    async def _firing(self) -> frozenset[str] | None:
        """Fingerprints of everything that fires, muted or not; None if nobody knows all of it."""
        if self._alertmanager is None:
            return None
        answers = await self._alertmanager.alerts(muted=True)
        # Each peer may know of an alert that the others have not heard of.
        if answers.failures or not answers.known:
            return None
        return frozenset(alert.fingerprint for alert in answers.items)

    async def _noted(self, run: HealingRun, firing: frozenset[str] | None, now: datetime) -> Record:
        """What counts of a run; a change of what is known of its alert is written down."""
        gone_at = run.status.alert_gone_at
        is_event = run.spec.alert.source is AlertSource.EVENT
        if is_event:
            gone_at = gone_at or run.status.finished_at
        elif firing is not None:
            gone_at = None if run.spec.alert.fingerprint in firing else gone_at or now
        if gone_at != run.status.alert_gone_at:
            await self._write(run, gone_at)
        return Record(
            uid=run.metadata.uid,
            policy=(run.metadata.namespace, run.spec.policy.name),
            finished_at=run.status.finished_at or now,
            gone_since=gone_at,
            known=is_event or self._alertmanager is not None,
        )

    async def _write(self, run: HealingRun, gone_at: datetime | None) -> None:
        written = HealingRunStatus(alert_gone_at=gone_at).as_json().get("alertGoneAt")
        meta = run.metadata
        try:
            await self._kube.patch(
                kinds.HEALING_RUN,
                meta.namespace,
                meta.name,
                {
                    "metadata": {"resourceVersion": meta.resource_version, "uid": meta.uid},
                    # None takes the field away again: the alert came back.
                    "status": {"alertGoneAt": written},
                },
                subresource="status",
            )
        except (errors.Conflict, errors.NotFound):
            log.info("run changed meanwhile", extra={"run": f"{meta.namespace}/{meta.name}"})

    async def _delete(self, run: HealingRun) -> int:
        meta = run.metadata
        try:
            await self._kube.delete(kinds.HEALING_RUN, meta.namespace, meta.name, uid=meta.uid)
        except errors.Conflict:
            return 0
        return 1


def _is_over(run: HealingRun) -> bool:
    """Whether a run has ended, is not being deleted and has nothing left to be undone."""
    meta = run.metadata
    return bool(run.status.finished_at) and not meta.deletion_timestamp and not meta.finalizers
