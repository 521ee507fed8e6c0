"""Our own view of the cluster: trimmed objects by UID, fed by events and corrected by sweeps.

An informer can miss a deletion; a sweep compares with a fresh list and evicts what is gone. The
store is a hint: whatever destroys or decides for good reads live first. It never holds Secrets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    from autoglm_api.kinds import Kind

    Trim = Callable[[dict[str, Any]], dict[str, Any]]

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class SweepDiff:
    """What a fresh list showed that the store did not know, as the objects themselves."""

    added: tuple[dict[str, Any], ...]
    changed: tuple[dict[str, Any], ...]
    gone: tuple[dict[str, Any], ...]


def trim(obj: dict[str, Any]) -> dict[str, Any]:
    """Drop what nobody reads: managed fields and kubectl's copy of the last applied object."""
    meta = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    annotations = meta.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        meta["annotations"] = {k: v for k, v in annotations.items() if k != _LAST_APPLIED}
    return {**obj, "metadata": meta}


class ObjectStore:
    """Objects by kind and UID, with an index by name and one by controller owner."""

    def __init__(self, trims: dict[Kind, Trim] | None = None) -> None:
        self._trims = trims or {}
        self._objects: dict[Kind, dict[str, dict[str, Any]]] = {}
        self._names: dict[tuple[Kind, str, str], str] = {}
        self._owned: dict[str, set[tuple[Kind, str]]] = {}
        self._touched: dict[str, int] = {}
        self._sequence = 0

    def put(self, kind: Kind, obj: dict[str, Any]) -> dict[str, Any] | None:
        """Store an object and return what was known of it before.

        Another object that had the same name is forgotten: names are unique, so it is gone. A
        version older than the known one is ignored: our own writes overtake their events.
        """
        trimmed = self._trims.get(kind, trim)(obj)
        uid = str(trimmed["metadata"]["uid"])
        known = self.by_uid(kind, uid)
        if known is not None and _older(trimmed, known):
            return known
        name = _name(kind, trimmed)
        holder = self._names.get(name)
        if holder is not None and holder != uid:
            self.remove(kind, holder)
        before = self._objects.setdefault(kind, {}).get(uid)
        if before is not None:
            self._unown(kind, before)
        self._objects[kind][uid] = trimmed
        self._names[name] = uid
        for owner in owner_uids(trimmed):
            self._owned.setdefault(owner, set()).add((kind, uid))
        self._touch(uid)
        return before

    def remove(self, kind: Kind, uid: str) -> dict[str, Any] | None:
        """Forget an object and return what was known of it."""
        self._touch(uid)
        before = self._objects.get(kind, {}).pop(uid, None)
        if before is None:
            return None
        self._unown(kind, before)
        if self._names.get(_name(kind, before)) == uid:
            del self._names[_name(kind, before)]
        return before

    def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any] | None:
        """The object of this name, None if unknown."""
        uid = self._names.get((kind, namespace or "", name))
        return None if uid is None else self._objects[kind][uid]

    def by_uid(self, kind: Kind, uid: str) -> dict[str, Any] | None:
        """The object with this UID, None if unknown."""
        return self._objects.get(kind, {}).get(uid)

    def list(self, kind: Kind, namespace: str | None = None) -> tuple[dict[str, Any], ...]:
        """All objects of a kind, or those of one namespace."""
        return tuple(
            obj
            for obj in self._objects.get(kind, {}).values()
            if namespace is None or obj["metadata"].get("namespace") == namespace
        )

    def labelled(
        self, kind: Kind, namespace: str | None, **wanted: str
    ) -> tuple[dict[str, Any], ...]:
        """Objects of a kind whose labels have these values, given as `**{key: value}`."""
        return tuple(
            obj for obj in self.list(kind, namespace) if wanted.items() <= labels_of(obj).items()
        )

    def owned(self, owner_uid: str, kind: Kind | None = None) -> tuple[dict[str, Any], ...]:
        """Objects with an owner reference to this UID."""
        return tuple(
            self._objects[each][uid]
            for each, uid in sorted(self._owned.get(owner_uid, ()), key=lambda pair: pair[1])
            if kind is None or each == kind
        )

    def mark(self) -> int:
        """A point in time to be taken before a list, for `sweep`."""
        return self._sequence

    def sweep(self, kind: Kind, listed: Iterable[dict[str, Any]], since: int) -> SweepDiff:
        """Correct the store by a fresh list of one kind.

        Objects that events touched after the mark are left alone: the list may be older.

        Args:
            kind: What was listed, everywhere.
            listed: All objects of the list.
            since: The mark taken before the list began.
        """
        seen: set[str] = set()
        added, changed = self.sweep_page(kind, listed, since, seen)
        return SweepDiff(added, changed, self.sweep_gone(kind, since, seen))

    def sweep_page(
        self, kind: Kind, listed: Iterable[dict[str, Any]], since: int, seen: set[str]
    ) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...]]:
        """Correct the store by one page of a list; returns what was added and what changed.

        Args:
            kind: What was listed.
            listed: The page.
            since: The mark taken before the list began.
            seen: UIDs of the list so far, to which those of the page are added.
        """
        added: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for obj in listed:
            uid = str(obj["metadata"]["uid"])
            seen.add(uid)
            if self._touched.get(uid, -1) > since:
                continue
            before = self.by_uid(kind, uid)
            if before is None:
                added.append(obj)
            elif _version(before) != _version(obj):
                changed.append(obj)
        for obj in (*added, *changed):
            self.put(kind, obj)
        return tuple(added), tuple(changed)

    def sweep_gone(
        self, kind: Kind, since: int, seen: AbstractSet[str]
    ) -> tuple[dict[str, Any], ...]:
        """Forget what a whole list did not show, and return it."""
        gone = [
            obj
            for uid, obj in self._objects.get(kind, {}).items()
            if uid not in seen and self._touched.get(uid, -1) <= since
        ]
        for obj in gone:
            self.remove(kind, str(obj["metadata"]["uid"]))
        return tuple(gone)

    def forget_marks(self, before: int) -> None:
        """Drop the memory of touches up to a mark that no running sweep uses any more."""
        self._touched = {uid: at for uid, at in self._touched.items() if at > before}

    def _touch(self, uid: str) -> None:
        self._sequence += 1
        self._touched[uid] = self._sequence

    def _unown(self, kind: Kind, obj: dict[str, Any]) -> None:
        for owner in owner_uids(obj):
            held = self._owned.get(owner)
            if held is not None:
                held.discard((kind, str(obj["metadata"]["uid"])))
                if not held:
                    del self._owned[owner]


def labels_of(obj: dict[str, Any]) -> dict[str, str]:
    """The labels of an object."""
    found: dict[str, str] = obj["metadata"].get("labels") or {}
    return found


def owner_uids(obj: dict[str, Any]) -> tuple[str, ...]:
    """UIDs of all owners of an object."""
    return tuple(str(ref["uid"]) for ref in obj["metadata"].get("ownerReferences") or ())


def _name(kind: Kind, obj: dict[str, Any]) -> tuple[Kind, str, str]:
    return kind, obj["metadata"].get("namespace") or "", str(obj["metadata"]["name"])


def _older(obj: dict[str, Any], known: dict[str, Any]) -> bool:
    """Whether an object is an older version than another; False where versions are no numbers."""
    mine, other = _version(obj), _version(known)
    return mine.isdigit() and other.isdigit() and int(mine) < int(other)


def _version(obj: dict[str, Any]) -> str:
    return str(obj["metadata"].get("resourceVersion"))
