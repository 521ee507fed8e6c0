"""Brings child objects to their desired state, and never touches what belongs to somebody else.

A child that does not exist is read live first and then applied without force; an object that turns
out to be somebody else's is left, or put back, as it was. A child that exists is applied with force
and its UID, so that a namesake made meanwhile is refused by the API server. Nothing is sent while
the desired state is unchanged and no field of it drifted. What a healing run changed for a while,
and a number of pods that an autoscaler chooses, are left alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autoglm_api import kinds
from autoglm_api.labels import APPLIED_HASH, HANDOVER, INITIAL_REPLICAS
from autoglm_api.leases import Mark
from autoglm_operator.clients import errors
from autoglm_operator.decisions import drift, marks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.runtime.clock import Clock
    from autoglm_operator.runtime.store import ObjectStore

Manifest = dict[str, Any]
log = logging.getLogger(__name__)


class NameTakenError(Exception):
    """A child's name belongs to somebody else; the message names kind and object."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """Differences that remain right after an apply: the API server's own spelling of values."""

    hash: str
    differences: drift.Differences


class Applier:
    """Applies children of one field manager."""

    def __init__(self, kube: KubeClient, store: ObjectStore, manager: str, clock: Clock) -> None:
        self._kube = kube
        self._store = store
        self._manager = manager
        self._clock = clock
        self._settled: dict[str, _Settled] = {}

    async def foreign(self, desired: Iterable[Manifest], owner_uid: str) -> tuple[str, ...]:
        """Names of desired children that exist and belong to somebody else."""
        found: list[str] = []
        for each in desired:
            live = await self.live(each)
            if live is not None and not drift.controlled_by(live, owner_uid):
                found.append(f"{each['kind']} {each['metadata']['name']}")
        return tuple(found)

    async def live(self, desired: Manifest) -> Manifest | None:
        """The live object of a desired one: from the store, read live if the store has none."""
        kind, meta = kinds.kind_of(desired), desired["metadata"]
        known = self._store.get(kind, meta["namespace"], meta["name"])
        if known is not None:
            return known
        return await self._kube.get(kind, meta["namespace"], meta["name"])

    async def apply(
        self, desired: Manifest, owner_uid: str, *, live: Manifest | None = None
    ) -> bool:
        """Bring one child to its desired state; returns whether anything was sent.

        Args:
            desired: The child.
            owner_uid: UID of its owner.
            live: The live object, if the caller has just read it.

        Raises:
            NameTakenError: The name belongs to somebody else.
            errors.ApiError: The API server refused, or could not be asked.
        """
        live = live if live is not None else await self.live(desired)
        stamped = drift.stamped(desired)
        if live is None:
            await self._create(stamped, owner_uid)
            return True
        if not drift.controlled_by(live, owner_uid):
            raise NameTakenError(f"{desired['kind']} {desired['metadata']['name']}")
        if "deletionTimestamp" in live["metadata"]:
            return False
        if await self._leased(live):
            return await self._apply_around(stamped, live)
        if self._stands(stamped, live):
            return False
        if _leaves_replicas(stamped):
            await self._hand_over_replicas(live)
        body = _with_meta(stamped, uid=live["metadata"]["uid"])
        self._keep(stamped, await self._kube.apply(body, manager=self._manager, force=True))
        log.info("child applied", extra=_named(desired))
        return True

    async def _leased(self, live: Manifest) -> bool:
        """Whether a healing run changed this child and is going to change it back."""
        mark = Mark.of(live)
        if mark is None:
            return False
        run = await self._kube.get(kinds.HEALING_RUN, live["metadata"]["namespace"], mark.run)
        return marks.binds(mark, run, self._clock.now())

    async def _apply_around(self, stamped: Manifest, known: Manifest) -> bool:
        """Apply all but the fields that a healing run holds, on exactly the version just read."""
        kind, meta = kinds.kind_of(known), known["metadata"]
        live = await self._kube.get(kind, meta["namespace"], meta["name"])
        if live is None or live["metadata"]["uid"] != meta["uid"]:
            return False
        around = marks.respecting(stamped, live)
        if self._stands(around, live):
            return False
        version = live["metadata"]["resourceVersion"]
        body = _with_meta(around, uid=meta["uid"], resourceVersion=version)
        self._keep(around, await self._kube.apply(body, manager=self._manager, force=True))
        log.info("child applied around a lease", extra=_named(stamped))
        return True

    async def scale(self, live: Manifest, replicas: int) -> bool:
        """Change the number of pods of a Deployment that is otherwise left as it is.

        Raises:
            errors.Conflict: Another Deployment has the name now, or it changed.
        """
        kind, meta = kinds.kind_of(live), live["metadata"]
        body = {
            "metadata": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
            "spec": {"replicas": replicas},
        }
        self._store.put(kind, await self._kube.patch(kind, meta["namespace"], meta["name"], body))
        log.info("child scaled", extra={**_named(live), "replicas": replicas})
        return True

    async def replace(
        self, desired: Manifest, owner_uid: str, *, live: Manifest | None
    ) -> Manifest:
        """Apply a child only if the live one still is the version that was looked at.

        Raises:
            NameTakenError: The name belongs to somebody else.
            errors.Conflict: Somebody wrote meanwhile.
        """
        stamped = drift.stamped(desired)
        if live is None:
            return await self._create(stamped, owner_uid)
        if not drift.controlled_by(live, owner_uid):
            raise NameTakenError(f"{desired['kind']} {desired['metadata']['name']}")
        meta = live["metadata"]
        body = _with_meta(stamped, uid=meta["uid"], resourceVersion=meta["resourceVersion"])
        return await self._kube.apply(body, manager=self._manager, force=True)

    async def delete(self, obj: Manifest, owner_uid: str) -> None:
        """Delete a child after a live look: exactly that object, in the version that was seen."""
        kind, meta = kinds.kind_of(obj), obj["metadata"]
        live = await self._kube.get(kind, meta["namespace"], meta["name"])
        if live is None or live["metadata"]["uid"] != meta["uid"]:
            self._store.remove(kind, meta["uid"])
            return
        if not drift.controlled_by(live, owner_uid) or "deletionTimestamp" in live["metadata"]:
            return
        await self._kube.delete(
            kind,
            meta["namespace"],
            meta["name"],
            uid=meta["uid"],
            resource_version=live["metadata"]["resourceVersion"],
        )
        log.info("child deleted", extra=_named(obj))

    async def _hand_over_replicas(self, known: Manifest) -> None:
        """Keep the number of pods as it is while the field leaves our own manager.

        An apply that no longer names a field which only we own removes it, and the API server then
        fills in 1. So a second manager takes the live value first, until an autoscaler changes it.
        Source: "Transferring ownership" in Kubernetes' documentation of server-side apply.
        """
        kind, meta = kinds.kind_of(known), known["metadata"]
        live = await self._kube.get(kind, meta["namespace"], meta["name"])
        if live is None or live["metadata"]["uid"] != meta["uid"]:
            return
        if _replicas_owners(live) != {self._manager}:
            return
        held = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
            "spec": {"replicas": live["spec"]["replicas"]},
        }
        await self._kube.apply(held, manager=HANDOVER, force=False)

    async def _create(self, stamped: Manifest, owner_uid: str) -> Manifest:
        try:
            made, created = await self._kube.apply_first(_first(stamped), manager=self._manager)
        except errors.Conflict as error:
            raise NameTakenError(f"{stamped['kind']} {stamped['metadata']['name']}") from error
        if not created and not await self._ours_before(stamped, owner_uid, made):
            raise NameTakenError(f"{stamped['kind']} {stamped['metadata']['name']}")
        self._keep(stamped, made)
        log.info("child created", extra=_named(stamped))
        return made

    async def _ours_before(self, stamped: Manifest, owner_uid: str, made: Manifest) -> bool:
        """Whether an object that appeared between look and apply is ours; if not, undo the apply.

        It is ours if nobody but our own manager ever wrote its owner references: a reply that was
        lost is repeated this way. An apply without fields takes back what the apply added.
        """
        entries: list[Manifest] = made["metadata"].get("managedFields") or []
        others = [
            each
            for each in entries
            if each.get("manager") != self._manager and not each.get("subresource")
        ]
        if drift.controlled_by(made, owner_uid) and not others:
            return True
        bare = {
            "apiVersion": stamped["apiVersion"],
            "kind": stamped["kind"],
            "metadata": {
                "name": stamped["metadata"]["name"],
                "namespace": stamped["metadata"]["namespace"],
                "uid": made["metadata"]["uid"],
            },
        }
        await self._kube.apply(bare, manager=self._manager, force=False)
        return False

    def _stands(self, stamped: Manifest, live: Manifest) -> bool:
        found = drift.differences(stamped, live)
        if not found:
            return True
        settled = self._settled.get(live["metadata"]["uid"])
        return settled is not None and settled == _Settled(_hash(stamped), found)

    def _keep(self, stamped: Manifest, applied: Manifest) -> None:
        kind = kinds.kind_of(stamped)
        remaining = drift.differences(stamped, applied)
        if remaining:
            self._settled[applied["metadata"]["uid"]] = _Settled(_hash(stamped), remaining)
        else:
            self._settled.pop(applied["metadata"]["uid"], None)
        if kind != kinds.SECRET:
            self._store.put(kind, applied)


def _leaves_replicas(desired: Manifest) -> bool:
    """Whether a workload's number of pods is somebody else's business."""
    return desired["kind"] == kinds.DEPLOYMENT.kind and "replicas" not in desired["spec"]


def _replicas_owners(live: Manifest) -> set[str]:
    """Field managers that own the number of pods."""
    entries: list[Manifest] = live["metadata"].get("managedFields") or []
    return {str(each.get("manager")) for each in entries if "f:replicas" in _spec_fields(each)}


def _spec_fields(entry: Manifest) -> Manifest:
    fields: Manifest = entry.get("fieldsV1") or {}
    of_spec: Manifest = fields.get("f:spec") or {}
    return of_spec


def _first(stamped: Manifest) -> Manifest:
    """A child as it is created: with the number of pods that an autoscaler begins with."""
    annotations: dict[str, str] = stamped["metadata"].get("annotations") or {}
    initial = annotations.get(INITIAL_REPLICAS)
    if initial is None or not _leaves_replicas(stamped):
        return stamped
    return {**stamped, "spec": {**stamped["spec"], "replicas": int(initial)}}


def _hash(stamped: Manifest) -> str:
    return str(stamped["metadata"]["annotations"][APPLIED_HASH])


def _with_meta(manifest: Manifest, **meta: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], **meta}}


def _named(obj: Manifest) -> dict[str, str]:
    return {"kind": obj["kind"], "child": obj["metadata"]["name"]}
