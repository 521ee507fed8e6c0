"""Brings child objects to their desired state, and never touches what belongs to somebody else.

A child that does not exist is read live first and then applied without force; an object that turns
out to be somebody else's is left, or put back, as it was. A child that exists is applied with force
and its UID, so that a namesake made meanwhile is refused by the API server. Nothing is sent while
the desired state is unchanged and no field of it drifted.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autoglm_api import kinds
from autoglm_api.labels import APPLIED_HASH
from autoglm_operator.clients import errors
from autoglm_operator.decisions import drift

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoglm_operator.clients.kube import KubeClient
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

    def __init__(self, kube: KubeClient, store: ObjectStore, manager: str) -> None:
        self._kube = kube
        self._store = store
        self._manager = manager
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
        if "deletionTimestamp" in live["metadata"] or self._stands(stamped, live):
            return False
        body = _with_meta(stamped, uid=live["metadata"]["uid"])
        self._keep(stamped, await self._kube.apply(body, manager=self._manager, force=True))
        log.info("child applied", extra=_named(desired))
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

    async def _create(self, stamped: Manifest, owner_uid: str) -> Manifest:
        try:
            made, created = await self._kube.apply_first(stamped, manager=self._manager)
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


def _hash(stamped: Manifest) -> str:
    return str(stamped["metadata"]["annotations"][APPLIED_HASH])


def _with_meta(manifest: Manifest, **meta: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], **meta}}


def _named(obj: Manifest) -> dict[str, str]:
    return {"kind": obj["kind"], "child": obj["metadata"]["name"]}
