"""Which keys an event of the operator's kinds wakes up. Pure lookups in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoglm_api import kinds, labels
from autoglm_operator.handlers.informer import Watched
from autoglm_operator.runtime.keys import ObjectKey, key_of
from autoglm_operator.runtime.store import labels_of, trim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoglm_api.kinds import Kind
    from autoglm_operator.runtime.store import ObjectStore
    from autoglm_operator.runtime.workqueue import WorkQueue

Manifest = dict[str, Any]

# Every child carries this label; the API server sends nothing else.
_CHILDREN = labels.OWNER_UID

_POD_STATUS = ("phase", "podIP", "conditions")
_CONTAINER_STATUS = ("name", "state", "lastState", "restartCount")

WATCHED = (
    Watched(kinds.AUTOGLM_CLUSTER),
    Watched(kinds.MODEL_ENDPOINT),
    Watched(kinds.DEPLOYMENT, _CHILDREN),
    Watched(kinds.STATEFUL_SET, _CHILDREN),
    Watched(kinds.SERVICE, _CHILDREN),
    Watched(kinds.POD_DISRUPTION_BUDGET, _CHILDREN),
    Watched(kinds.HORIZONTAL_POD_AUTOSCALER, _CHILDREN),
    Watched(kinds.POD, _CHILDREN),
)


class Wakeups:
    """Turns changes into keys."""

    def __init__(
        self,
        store: ObjectStore,
        clusters: WorkQueue[ObjectKey],
        endpoints: WorkQueue[ObjectKey],
    ) -> None:
        self._store = store
        self._clusters = clusters
        self._endpoints = endpoints

    def on_change(self, kind: Kind, before: Manifest | None, after: Manifest | None) -> None:
        """Wake up whoever a change concerns."""
        obj = after or before
        if obj is None:
            return
        if kind == kinds.AUTOGLM_CLUSTER:
            if asks_for_work(before, after):
                self._clusters.add(key_of(obj))
        elif kind == kinds.MODEL_ENDPOINT:
            if asks_for_work(before, after):
                self._endpoints.add(key_of(obj))
            self.wake_clusters_of(key_of(obj))
        else:
            for each in (before, after):
                if each is not None:
                    self._wake_owner(kind, each)

    def wake_clusters_of(self, endpoint: ObjectKey) -> None:
        """Wake up every cluster that has this endpoint as an upstream."""
        for cluster in self._store.list(kinds.AUTOGLM_CLUSTER, endpoint.namespace):
            upstreams: list[Manifest] = cluster.get("spec", {}).get("upstreams") or []
            names = {each.get("endpointRef", {}).get("name") for each in upstreams}
            if endpoint.name in names:
                self._clusters.add(key_of(cluster))

    def all_keys(self) -> Iterator[tuple[WorkQueue[ObjectKey], ObjectKey]]:
        """Every object of our own, with the queue that it belongs to."""
        for endpoint in self._store.list(kinds.MODEL_ENDPOINT):
            yield self._endpoints, key_of(endpoint)
        for cluster in self._store.list(kinds.AUTOGLM_CLUSTER):
            yield self._clusters, key_of(cluster)

    def _wake_owner(self, kind: Kind, child: Manifest) -> None:
        namespace = str(child["metadata"].get("namespace") or "")
        found = labels_of(child)
        owners = {
            (str(ref.get("kind")), str(ref.get("name")))
            for ref in child["metadata"].get("ownerReferences") or ()
        }
        # A flipped label must not hide a child from its owner, nor a removed owner reference.
        owners |= _named(found, labels.CLUSTER) | _named(found, labels.ENDPOINT)
        for owner_kind, name in owners:
            key = ObjectKey(namespace, name)
            if owner_kind == kinds.AUTOGLM_CLUSTER.kind:
                self._clusters.add(key)
            elif owner_kind == kinds.MODEL_ENDPOINT.kind:
                self._endpoints.add(key)
                if kind == kinds.POD:
                    self.wake_clusters_of(key)


def asks_for_work(before: Manifest | None, after: Manifest | None) -> bool:
    """Whether a change of an object of our own is more than our own status."""
    if before is None or after is None:
        return True
    old, new = before["metadata"], after["metadata"]
    return any(
        old.get(field) != new.get(field)
        for field in ("uid", "generation", "deletionTimestamp", "labels", "annotations")
    )


def trim_pod(pod: Manifest) -> Manifest:
    """What is read of a pod: identity, owners, address, phase, conditions, states of containers."""
    kept = trim(pod)
    spec: Manifest = pod.get("spec") or {}
    status: Manifest = pod.get("status") or {}
    kept["spec"] = {"nodeName": spec.get("nodeName")}
    kept["status"] = {field: status[field] for field in _POD_STATUS if field in status}
    for field in ("initContainerStatuses", "containerStatuses"):
        containers: list[Manifest] = status.get(field) or []
        if containers:
            kept["status"][field] = [
                {part: each[part] for part in _CONTAINER_STATUS if part in each}
                for each in containers
            ]
    return kept


def _named(found: dict[str, str], label: str) -> set[tuple[str, str]]:
    kind = kinds.AUTOGLM_CLUSTER if label == labels.CLUSTER else kinds.MODEL_ENDPOINT
    return {(kind.kind, found[label])} if label in found else set()
