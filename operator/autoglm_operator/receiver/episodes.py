"""Remembers episodes of flat events in one ConfigMap that all receivers share.

A write carries the version that was read, so of two receivers that begin the same episode one reads
what the other wrote: both name the same run. Events that wait for a write share the next one. Never
makes the ConfigMap: that right cannot be narrowed to one name, so the chart makes it.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

from autoglm_api import kinds
from autoglm_operator.clients import errors
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.decisions import eventepisodes
from autoglm_operator.decisions.eventepisodes import EventEpisode, Noting
from autoglm_operator.decisions.reading import Manifest, part
from autoglm_operator.runtime.clock import Clock

log = logging.getLogger(__name__)

TRIES: Final = 5
"""Writes that are tried for one event. Arbitrary, because each other receiver can win one at most
between two of ours."""


@dataclass(slots=True)
class _Batch:
    """Events that one write is for; it has failed until it has not."""

    fingerprints: set[str] = field(default_factory=set[str])
    tried: bool = False
    error: Exception | None = field(
        default_factory=lambda: errors.Unavailable(0, "Cancelled", "The write was given up.")
    )


class Episodes:
    """Episodes by fingerprint."""

    def __init__(self, kube: KubeClient, clock: Clock, namespace: str, name: str) -> None:
        self._kube = kube
        self._clock = clock
        self._namespace = namespace
        self._name = name
        self._known: dict[str, EventEpisode] = {}
        self._batch = _Batch()
        self._lock = asyncio.Lock()

    async def started_at(self, fingerprint: str) -> datetime:
        """When the episode began that an event of now belongs to; it is noted before this returns.

        Raises:
            ApiError: it could not be noted.
            TooManyEpisodesError: there is no room for a new one.
        """
        known = self._known.get(fingerprint)
        if known is not None and known.is_noted(self._clock.now()):
            return known.started_at
        batch = self._batch
        batch.fingerprints.add(fingerprint)
        async with self._lock:
            if not batch.tried:
                batch.tried, self._batch = True, _Batch()
                try:
                    await self._note(batch.fingerprints)
                    batch.error = None
                except (errors.ApiError, eventepisodes.TooManyEpisodesError) as error:
                    batch.error = error
        if batch.error is not None:
            raise batch.error
        return self._known[fingerprint].started_at

    async def _note(self, fingerprints: set[str]) -> None:
        for _ in range(TRIES):
            live = await self._kube.get(kinds.CONFIG_MAP, self._namespace, self._name)
            if live is None:
                raise errors.Unavailable(
                    0,
                    "ConfigMapMissing",
                    f"ConfigMap {self._name} of namespace {self._namespace} is missing: upgrade the"
                    " release, which makes it.",
                )
            noting = eventepisodes.note(_entries(live), fingerprints, self._clock.now())
            if not noting.changes or await self._written(live, noting):
                self._known = dict(noting.episodes)
                return
        raise errors.Unavailable(0, "Conflict", "Other receivers changed the episodes meanwhile.")

    async def _written(self, live: Manifest, noting: Noting) -> bool:
        """Write, unless somebody else wrote since it was read."""
        change: dict[str, Any] = {
            "metadata": {"resourceVersion": live["metadata"]["resourceVersion"]},
            "data": dict(noting.changes),
        }
        try:
            await self._kube.patch(kinds.CONFIG_MAP, self._namespace, self._name, change)
        except errors.Conflict:
            return False
        return True


def _entries(live: Manifest) -> dict[str, str]:
    return cast("dict[str, str]", part(live, "data"))
