"""What the healer remembers of all HealingRuns, by target: who acts on what, and who acted when.

Fed by events and by the healer's own writes, so that a decision sees every write before it; whoever
becomes the leader lists once more before it decides. Never stored.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from autoglm_api.healingpolicy import LastRun
from autoglm_api.healingrun import HealingRun, IntentVerb
from autoglm_operator.decisions import journal, leases
from autoglm_operator.decisions.healing import OtherRun
from autoglm_operator.reconcilers.usage import RunUsage, facts_of

_RESTARTS: Final = (IntentVerb.EVICT, IntentVerb.ROLL_OUT)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is remembered of one run."""

    namespace: str
    version: str
    key: str
    """Key of its target; empty while unknown."""
    policy: str
    """Name of its policy."""
    run: OtherRun
    held_by: str
    """Reason that holds it; empty if none does."""
    phase: str
    finished_at: datetime | None
    needs_care: bool
    """Whether the healer has something left to do for it: it is open, or holds a lease."""


class RunLedger:
    """Entries by UID of the run, with an index by target."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._targets: dict[str, set[str]] = {}
        self._held: Counter[str] = Counter()
        self._held_of: Counter[str] = Counter()
        self.usage = RunUsage()

    def note(self, run: HealingRun) -> Entry | None:
        """Remember a run as it is now and return what was known of it."""
        uid = run.metadata.uid
        before = self.forget(uid)
        entry = entry_of(run)
        self._entries[uid] = entry
        if entry.key:
            self._targets.setdefault(entry.key, set()).add(uid)
        self._held[entry.held_by] += 1
        self._held_of[entry.run.policy_uid] += bool(entry.held_by)
        self.usage.note(uid, facts_of(run))
        return before

    def forget(self, uid: str) -> Entry | None:
        """Drop a run and return what was known of it."""
        before = self._entries.pop(uid, None)
        self.usage.forget(uid)
        if before is not None:
            self._held[before.held_by] -= 1
            self._held_of[before.run.policy_uid] -= bool(before.held_by)
        if before is not None and before.key:
            same = self._targets[before.key]
            same.discard(uid)
            if not same:
                del self._targets[before.key]
        return before

    def version(self, uid: str) -> str:
        """The resourceVersion that was noted last, empty if none."""
        entry = self._entries.get(uid)
        return entry.version if entry is not None else ""

    def others(self, key: str, uid: str) -> tuple[OtherRun, ...]:
        """Every other run with the same target."""
        found = (self._entries[each].run for each in self._targets.get(key, ()) if each != uid)
        return tuple(sorted(found, key=lambda run: (run.created, run.name)))

    def open_of(self, namespace: str, policy: str) -> tuple[str, ...]:
        """Names of the runs of a policy that are open or hold a lease."""
        return tuple(
            entry.run.name
            for entry in self._entries.values()
            if entry.needs_care and (entry.namespace, entry.policy) == (namespace, policy)
        )

    def open_runs(self) -> tuple[tuple[str, str], ...]:
        """Namespace and name of every run that is open or holds a lease."""
        return tuple(
            (entry.namespace, entry.run.name)
            for entry in self._entries.values()
            if entry.needs_care
        )

    def last_run(self, policy_uid: str) -> LastRun | None:
        """The run of a policy that ended last."""
        ended = [
            (entry.finished_at, entry.run.name, entry.phase)
            for entry in self._entries.values()
            if entry.finished_at is not None and entry.run.policy_uid == policy_uid
        ]
        if not ended:
            return None
        _, name, phase = max(ended)
        return LastRun(name=name, phase=phase)

    def held(self) -> Counter[str]:
        """How many open runs each reason holds."""
        return Counter({reason: count for reason, count in self._held.items() if reason and count})

    def held_of(self, policy_uid: str) -> int:
        """How many open runs of a policy are held."""
        return self._held_of[policy_uid]


def entry_of(run: HealingRun) -> Entry:
    """What is to be remembered of a run."""
    status, meta = run.status, run.metadata
    is_open = status.finished_at is None
    acted = [
        step.finished_at or step.started_at for step in status.steps if step.intent is not None
    ]
    cleaned = [
        step.finished_at or step.started_at
        for step in status.steps
        if step.intent is not None and step.intent.verb is IntentVerb.CLEAN
    ]
    return Entry(
        namespace=meta.namespace,
        version=meta.resource_version,
        key=status.target.key if status.target is not None else "",
        policy=run.spec.policy.name,
        run=OtherRun(
            name=meta.name,
            created=meta.creation_timestamp or "",
            policy_uid=run.spec.policy.uid,
            is_open=is_open,
            begun=journal.has_acted(status),
            acted_at=max(acted, default=None),
            cleaned_at=max(cleaned, default=None),
            restarted_at=tuple(
                step.started_at
                for step in status.steps
                if step.intent is not None and step.intent.verb in _RESTARTS
            ),
            pod=status.target.pod.name if status.target and status.target.pod else "",
        ),
        held_by=journal.held_by(status),
        phase=status.phase or "",
        finished_at=status.finished_at,
        needs_care=leases.needs_care(run),
    )
