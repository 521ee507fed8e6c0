"""Writes a status: one patch, only if it differs, and an Event for every condition that changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from autoglm_api import kinds
from autoglm_api.conditions import Condition, ConditionType, Reason, read_conditions
from autoglm_operator.decisions import statuses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from autoglm_api.base import StatusModel
    from autoglm_operator.clients.events import EventRecorder
    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.runtime.store import ObjectStore

Manifest = dict[str, Any]
log = logging.getLogger(__name__)


class Reporter:
    """Reports on objects of our own kinds."""

    def __init__(
        self, kube: KubeClient, store: ObjectStore, events: EventRecorder, manager: str
    ) -> None:
        self._kube = kube
        self._store = store
        self._events = events
        self._manager = manager

    async def report(
        self, obj: Manifest, status: StatusModel, conditions: Sequence[Condition]
    ) -> bool:
        """Write a status if it says anything new; returns whether it was written.

        Args:
            obj: The live object.
            status: The whole status.
            conditions: Its conditions.
        """
        return await self._write(obj, status.as_json(), conditions)

    async def refuse(self, obj: Manifest, problem: str, now: datetime) -> bool:
        """Report that this version cannot read an object; the rest of its status stays."""
        before: Manifest = obj.get("status") or {}
        generation = int(obj["metadata"].get("generation", 0))
        verdict = statuses.fails(Reason.INVALID_SPEC, f"{problem}.")
        conditions = statuses.conditions_of(
            read_conditions(before),
            {ConditionType.ACCEPTED: verdict, ConditionType.READY: verdict},
            generation,
            now,
        )
        wanted = {
            **before,
            "observedGeneration": generation,
            "conditions": [each.as_json() for each in conditions],
        }
        return await self._write(obj, wanted, conditions)

    async def tell(self, obj: Manifest, reason: Reason, message: str, *, wrong: bool) -> None:
        """Write an Event about something that no condition of the object says.

        Args:
            obj: The live object.
            reason: What happened.
            message: One sentence for a person.
            wrong: Whether it is for the worse.
        """
        log.info(
            "news", extra={"reason": reason, "object": obj["metadata"]["name"], "detail": message}
        )
        await self._events.emit(obj, reason, message, warning=wrong)

    async def _write(
        self, obj: Manifest, wanted: Manifest, conditions: Sequence[Condition]
    ) -> bool:
        before: Manifest = obj.get("status") or {}
        if wanted == before:
            return False
        meta = obj["metadata"]
        written = await self._kube.apply_status(
            {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "metadata": {
                    "name": meta["name"],
                    "namespace": meta["namespace"],
                    "uid": meta["uid"],
                },
                "status": wanted,
            },
            manager=self._manager,
        )
        self._store.put(kinds.kind_of(obj), written)
        for change in statuses.transitions(read_conditions(before), conditions):
            log.info("condition changed", extra={"reason": change.reason, "detail": change.message})
            await self._events.emit(obj, change.reason, change.message, warning=change.wrong)
        return True
