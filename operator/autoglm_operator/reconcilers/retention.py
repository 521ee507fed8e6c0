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
from autoglm_operator.decisions.reading import Manifest
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


@dataclass(frozen=True, slots=True)
class _Ended:
    """What counts of a run that has ended."""

    uid: str
    namespace: str
    name: str
    version: str
    policy: str
    fingerprint: str
    is_event: bool
    finished_at: datetime
    alert_gone_at: datetime | None


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
        runs = await self._ended()
        firing = await self._firing()
        now = self._clock.now()
        records = [await self._noted(run, firing, now) for run in runs]
        expired = retention.expired(records, self._limits, now)
        deleted = 0
        for run in runs:
            if run.uid in expired:
                deleted += await self._delete(run)
        if deleted:
            log.info("records deleted", extra={"count": deleted})
        return Sweep(kept=len(runs) - deleted, deleted=deleted)

    async def _ended(self) -> list[_Ended]:
        """What counts of every ended run: a storm leaves too many to hold all of each."""
        found: list[_Ended] = []
        for namespace in self._namespaces:
            async for page in self._kube.pages(kinds.HEALING_RUN, namespace):
                found += _ended_of(page)
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

    async def _noted(self, run: _Ended, firing: frozenset[str] | None, now: datetime) -> Record:
        """What counts of a run; a change of what is known of its alert is written down."""
        gone_at = run.alert_gone_at
        if run.is_event:
            gone_at = gone_at or run.finished_at
        elif firing is not None:
            gone_at = None if run.fingerprint in firing else gone_at or now
        if gone_at != run.alert_gone_at:
            await self._write(run, gone_at)
        return Record(
            uid=run.uid,
            policy=(run.namespace, run.policy),
            finished_at=run.finished_at,
            gone_since=gone_at,
            known=run.is_event or self._alertmanager is not None,
        )

    async def _write(self, run: _Ended, gone_at: datetime | None) -> None:
        written = HealingRunStatus(alert_gone_at=gone_at).as_json().get("alertGoneAt")
        try:
            await self._kube.patch(
                kinds.HEALING_RUN,
                run.namespace,
                run.name,
                {
                    "metadata": {"resourceVersion": run.version, "uid": run.uid},
                    # None takes the field away again: the alert came back.
                    "status": {"alertGoneAt": written},
                },
                subresource="status",
            )
        except (errors.Conflict, errors.NotFound):
            log.info("run changed meanwhile", extra={"run": f"{run.namespace}/{run.name}"})

    async def _delete(self, run: _Ended) -> int:
        try:
            await self._kube.delete(kinds.HEALING_RUN, run.namespace, run.name, uid=run.uid)
        except errors.Conflict:
            return 0
        return 1


def _ended_of(page: list[Manifest]) -> list[_Ended]:
    found: list[_Ended] = []
    for obj in page:
        try:
            run = HealingRun.read(obj)
        except UnreadableObject:
            continue
        meta, status = run.metadata, run.status
        # A run that is being deleted, or has something left to be undone, is no record yet.
        if status.finished_at is None or meta.deletion_timestamp or meta.finalizers:
            continue
        found.append(
            _Ended(
                uid=meta.uid,
                namespace=meta.namespace,
                name=meta.name,
                version=meta.resource_version,
                policy=run.spec.policy.name,
                fingerprint=run.spec.alert.fingerprint,
                is_event=run.spec.alert.source is AlertSource.EVENT,
                finished_at=status.finished_at,
                alert_gone_at=status.alert_gone_at,
            )
        )
    return found
