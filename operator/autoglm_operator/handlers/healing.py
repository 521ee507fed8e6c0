"""Which keys a change of a HealingRun or HealingPolicy wakes up, and what the ledger learns of it.

Targets are not watched: whoever acts on them looks at them live. Never acts on an event.
"""

import logging
from collections.abc import Iterator
from typing import Any, Final

from autoglm_api import kinds
from autoglm_api.healingrun import HealingRun
from autoglm_api.kinds import Kind
from autoglm_api.resource import UnreadableObject
from autoglm_operator.decisions import leases
from autoglm_operator.handlers.informer import Watched
from autoglm_operator.handlers.operator import asks_for_work
from autoglm_operator.reconcilers.ledger import RunLedger
from autoglm_operator.runtime.keys import ObjectKey, key_of
from autoglm_operator.runtime.store import ObjectStore
from autoglm_operator.runtime.workqueue import WorkQueue

Manifest = dict[str, Any]
log = logging.getLogger(__name__)

WATCHED: Final = (Watched(kinds.HEALING_RUN), Watched(kinds.HEALING_POLICY))
WATCHED_BY_RECEIVER: Final = (Watched(kinds.HEALING_POLICY),)
TOLD_AFTER_SECONDS: Final = 1.0
"""How late a policy says which run ended last. Arbitrary: people read it, and in a storm a hundred
runs end in a second."""


class HealingWakeups:
    """Turns changes into keys and into entries of the ledger."""

    def __init__(
        self,
        store: ObjectStore,
        ledger: RunLedger,
        runs: WorkQueue[ObjectKey],
        policies: WorkQueue[ObjectKey],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._runs = runs
        self._policies = policies

    def on_change(self, kind: Kind, before: Manifest | None, after: Manifest | None) -> None:
        """Wake up whoever a change concerns."""
        if kind == kinds.HEALING_RUN:
            self._run_changed(before, after)
        else:
            self._policy_changed(before, after)

    def all_keys(self) -> Iterator[tuple[WorkQueue[ObjectKey], ObjectKey]]:
        """Every policy and every run, with the queue that it belongs to."""
        for policy in self._store.list(kinds.HEALING_POLICY):
            yield self._policies, key_of(policy)
        for key in self._ledger.open_runs():
            yield self._runs, ObjectKey(*key)

    def wake_all(self) -> None:
        """Look at everything anew: whatever held it may be over."""
        for queue, key in self.all_keys():
            queue.add(key)

    def _run_changed(self, before: Manifest | None, after: Manifest | None) -> None:
        if after is None:
            if before is not None:
                self._ledger.forget(str(before["metadata"]["uid"]))
            return
        meta = after["metadata"]
        known = self._ledger.version(str(meta["uid"]))
        # The healer's own writes come back as events, the older ones after the newer are noted.
        if known and int(meta["resourceVersion"]) <= int(known):
            self._wake_policy_of_ended(after)
            return
        try:
            run = HealingRun.read(after)
        except UnreadableObject as error:
            log.error("run cannot be read", extra={"run": meta["name"], "problem": str(error)})  # noqa: TRY400
            return
        self._ledger.note(run)
        self._wake_policy_of_ended(after)
        if leases.needs_care(run):
            self._runs.add(key_of(after))

    def _wake_policy_of_ended(self, run: Manifest) -> None:
        """The policy's status names the run that ended last."""
        status: Manifest = run.get("status") or {}
        if status.get("finishedAt"):
            name = str(run["spec"]["policy"]["name"])
            key = ObjectKey(str(run["metadata"]["namespace"]), name)
            self._policies.add_after(key, TOLD_AFTER_SECONDS)

    def _policy_changed(self, before: Manifest | None, after: Manifest | None) -> None:
        obj = after or before
        if obj is None or not asks_for_work(before, after):
            return
        key = key_of(obj)
        self._policies.add(key)
        for name in self._ledger.open_of(key.namespace, key.name):
            self._runs.add(ObjectKey(key.namespace, name))


def trim_run(run: Manifest) -> Manifest:
    """What the store keeps of a run: who it is; the ledger keeps what counts of the rest."""
    meta = run["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp")
    return {
        "apiVersion": kinds.HEALING_RUN.api_version,
        "kind": kinds.HEALING_RUN.kind,
        "metadata": {key: meta[key] for key in kept if key in meta},
    }
