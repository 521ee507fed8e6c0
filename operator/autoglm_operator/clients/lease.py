"""Leader election on a Lease: at most one process writes, and it knows when it no longer may.

All waiting is measured on the monotonic clock from the moment a successful renewal was *sent*, so
that the holder gives up before anybody else can believe that it has. The holder is the pod's UID:
a restarted container resumes its own Lease at once. Never decides what the leader does.

Source: 15 s, 10 s and 2 s are the defaults of client-go's leader election.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from autoglm_api import kinds
from autoglm_operator.clients import errors
from autoglm_operator.runtime.clock import within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.runtime.clock import Clock

T = TypeVar("T")
log = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """Leadership ended while work was going on; the process must exit."""


class LeadershipMetrics(Protocol):
    """What the elector reports."""

    def observe_leadership(self, *, leading: bool) -> None:
        """Record whether this process holds the Lease."""
        ...


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """How long a Lease lasts, in seconds.

    Attributes:
        duration: Others wait this long after the last change that they saw.
        renew_deadline: The holder gives up this long after its last successful renewal.
        retry: Pause between attempts, and time limit of each call.
    """

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0


@dataclass(frozen=True, slots=True)
class LeaseName:
    """Which Lease, and in whose name."""

    namespace: str
    name: str
    identity: str


class Elector:
    """Acquires, renews and releases one Lease."""

    def __init__(
        self,
        kube: KubeClient,
        clock: Clock,
        lease: LeaseName,
        *,
        timing: LeaseTiming | None = None,
        metrics: LeadershipMetrics | None = None,
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._lease = lease
        self._timing = timing or LeaseTiming()
        self._metrics = metrics
        self._record: dict[str, Any] | None = None
        self._seen_at = 0.0
        self._seen_version = ""
        self._held_until: float | None = None

    @property
    def leading(self) -> bool:
        """Whether this process may write now."""
        return self._held_until is not None and self._clock.monotonic() < self._held_until

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Acquire, do the work while the Lease is held, and release it when the work ends.

        Raises:
            LeaseLostError: The Lease was lost; the work has been cancelled.
        """
        await self.acquire()
        working = asyncio.ensure_future(work())
        holding = asyncio.ensure_future(self._hold())
        try:
            await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()
            holding.cancel()
            # Released only once nothing of the work runs any more.
            results = await asyncio.gather(working, holding, return_exceptions=True)
            if self.leading:
                await asyncio.shield(self.release())
            self._held_until = None
            self._report()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def acquire(self) -> None:
        """Wait until this process holds the Lease."""
        while not await self._try():
            await self._clock.sleep(self._timing.retry)
        log.info("lease acquired", extra={"lease": self._lease.name})
        self._report()

    async def release(self) -> None:
        """Give the Lease up, so that another process need not wait for it to expire."""
        self._held_until = None
        if self._record is None:
            return
        with contextlib.suppress(errors.ApiError, TimeoutError):
            # Source: client-go leaves a released Lease with an empty holder and 1 s to live.
            await self._write(self._record, holder="", duration=1)
            log.info("lease released", extra={"lease": self._lease.name})

    async def _hold(self) -> None:
        while self.leading:
            assert self._held_until is not None  # noqa: S101 - leading implies it
            left = self._held_until - self._clock.monotonic()
            await self._clock.sleep(min(self._timing.retry, left))
            await self._try()
        raise LeaseLostError(f"Lease {self._lease.name} was not renewed in time.")

    async def _try(self) -> bool:
        """Acquire or renew once; False if it did not work this time."""
        try:
            await self._attempt()
        except (errors.ApiError, TimeoutError) as error:
            log.warning("lease attempt failed", extra={"error": str(error) or "timed out"})
            self._record = None
        return self.leading

    async def _attempt(self) -> None:
        if not self.leading or self._record is None:
            await self._look()
        record = self._record
        if record is None:
            return await self._create()
        if not self._may_take(record):
            self._held_until = None
            return None
        sent = self._clock.monotonic()
        self._see(await self._write(record, holder=self._lease.identity, duration=None))
        self._held_until = sent + self._timing.renew_deadline
        return None

    async def _look(self) -> None:
        record = await self._call(
            self._kube.get(kinds.LEASE, self._lease.namespace, self._lease.name)
        )
        if record is None:
            self._record = None
        else:
            self._see(record)

    def _see(self, record: dict[str, Any]) -> None:
        if _version(record) != self._seen_version:
            self._seen_at = self._clock.monotonic()
            self._seen_version = _version(record)
        self._record = record

    def _may_take(self, record: dict[str, Any]) -> bool:
        spec: dict[str, Any] = record.get("spec") or {}
        if spec.get("holderIdentity") in ("", None, self._lease.identity):
            return True
        # How long the others promised to stay away is theirs to say, not ours.
        duration = float(spec.get("leaseDurationSeconds") or self._timing.duration)
        return self._clock.monotonic() >= self._seen_at + duration

    async def _create(self) -> None:
        sent = self._clock.monotonic()
        now = _micro_time(self._clock.now())
        made = await self._call(
            self._kube.create(
                {
                    "apiVersion": kinds.LEASE.api_version,
                    "kind": kinds.LEASE.kind,
                    "metadata": {"name": self._lease.name, "namespace": self._lease.namespace},
                    "spec": {
                        "holderIdentity": self._lease.identity,
                        "leaseDurationSeconds": int(self._timing.duration),
                        "acquireTime": now,
                        "renewTime": now,
                        "leaseTransitions": 0,
                    },
                }
            )
        )
        self._see(made)
        self._held_until = sent + self._timing.renew_deadline

    async def _write(
        self, record: dict[str, Any], *, holder: str, duration: int | None
    ) -> dict[str, Any]:
        spec: dict[str, Any] = record.get("spec") or {}
        now = _micro_time(self._clock.now())
        change: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": duration or int(self._timing.duration),
            "renewTime": now,
        }
        if holder and spec.get("holderIdentity") != holder:
            change["acquireTime"] = now
            change["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
        body = {"metadata": {"resourceVersion": _version(record)}, "spec": change}
        return await self._call(
            self._kube.patch(kinds.LEASE, self._lease.namespace, self._lease.name, body)
        )

    async def _call(self, call: Awaitable[T]) -> T:
        return await within(self._clock, self._timing.retry, call)

    def _report(self) -> None:
        if self._metrics is not None:
            self._metrics.observe_leadership(leading=self.leading)


def _version(record: dict[str, Any]) -> str:
    return str(record["metadata"].get("resourceVersion"))


def _micro_time(when: datetime) -> str:
    """Kubernetes' MicroTime: RFC 3339 in UTC with six digits."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
