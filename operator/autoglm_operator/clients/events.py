"""Kubernetes Events that people read with `kubectl describe`, few enough to be read.

The same sentence about the same object is said once per interval, and no object may say more than
its share, nor all together more than anybody reads of what only says that nothing was done; what is
held back is counted. An Event that cannot be stored is logged and forgotten: it never holds up a
reconcile.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autoglm_api import kinds
from autoglm_operator.clients import errors

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.runtime.clock import Clock

log = logging.getLogger(__name__)

# Source: events.k8s.io/v1 refuses longer notes.
NOTE_LIMIT = 1024
# Arbitrary, because a person looks at an object every few minutes at most.
REPEAT_SECONDS = 600.0
BURST_PER_OBJECT = 10
# Of minor Events about all objects, per interval. Arbitrary, because nobody reads more of them,
# while a storm of ten thousand alerts would push every other Event out of sight.
MINOR_BURST = 200

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class EventSource:
    """Who reports.

    Attributes:
        controller: Name of the reporting controller.
        instance: Name of the pod.
    """

    controller: str
    instance: str


class EventRecorder:
    """Writes Events, rate-limited per object."""

    def __init__(self, kube: KubeClient, clock: Clock, source: EventSource) -> None:
        self._kube = kube
        self._clock = clock
        self._source = source
        # What was said lately, the oldest first, and how much of it about each object.
        self._said: OrderedDict[_Key, float] = OrderedDict()
        self._shares: Counter[str] = Counter()
        self._minor: deque[float] = deque()
        self.held_back = 0

    async def emit(
        self,
        regarding: dict[str, Any],
        reason: str,
        message: str,
        *,
        warning: bool = False,
        action: str = "Reconcile",
        minor: bool = False,
    ) -> bool:
        """Report something about an object; returns whether an Event was written.

        Args:
            regarding: The object, with apiVersion, kind and metadata.
            reason: The same CamelCase word as in condition, log and metric.
            message: A sentence for a person, without secrets.
            warning: Whether something is wrong.
            action: What was tried.
            minor: Whether the object itself says it, and few would miss it.
        """
        uid = str(regarding["metadata"].get("uid", ""))
        if not self._admit((uid, reason, message), minor=minor):
            self.held_back += 1
            return False
        try:
            await self._kube.create(self._event(regarding, reason, message, warning, action))
        except (errors.ApiError, errors.NotLeader) as error:
            log.warning("event not stored", extra={"reason": reason, "error": str(error)})
            return False
        return True

    def _admit(self, key: _Key, *, minor: bool) -> bool:
        now, uid = self._clock.monotonic(), key[0]
        self._forget(now - REPEAT_SECONDS)
        if key in self._said or self._shares[uid] >= BURST_PER_OBJECT:
            return False
        if minor and len(self._minor) >= MINOR_BURST:
            return False
        self._said[key] = now
        self._shares[uid] += 1
        if minor:
            self._minor.append(now)
        return True

    @property
    def remembered(self) -> int:
        """How many sentences, and objects that they are about, are remembered."""
        return len(self._said) + len(self._shares)

    def _forget(self, until: float) -> None:
        """Forget what was said until a moment; everything before what stays is looked at once."""
        while self._minor and self._minor[0] <= until:
            self._minor.popleft()
        while self._said:
            oldest = next(iter(self._said))
            if self._said[oldest] > until:
                return
            del self._said[oldest]
            self._shares[oldest[0]] -= 1
            if not self._shares[oldest[0]]:
                del self._shares[oldest[0]]

    def _event(
        self,
        regarding: dict[str, Any],
        reason: str,
        message: str,
        warning: bool,  # noqa: FBT001 - private, always passed on from `emit`
        action: str,
    ) -> dict[str, Any]:
        meta = regarding["metadata"]
        now = self._clock.now()
        # Cluster-scoped objects have no namespace; Kubernetes keeps their Events in `default`.
        namespace = meta.get("namespace") or "default"
        stem = re.sub(r"[^a-z0-9.-]", "-", str(meta["name"]).lower())[:200]
        return {
            "apiVersion": kinds.EVENT.api_version,
            "kind": kinds.EVENT.kind,
            "metadata": {"name": f"{stem}.{int(now.timestamp() * 1e9):x}", "namespace": namespace},
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "note": message[:NOTE_LIMIT],
            "action": action,
            "reportingController": self._source.controller,
            "reportingInstance": self._source.instance,
            "regarding": {
                "apiVersion": regarding["apiVersion"],
                "kind": regarding["kind"],
                "name": meta["name"],
                "namespace": meta.get("namespace", ""),
                "uid": meta.get("uid", ""),
            },
        }
