"""What all runs are doing now, counted as budgets and the storm brake need it.

Every count is kept as runs change, so that a decision costs the same with ten runs and with ten
thousand. The journal is what is counted: a healer that takes over, or comes back after a crash,
counts the same. Never decides whether it is too much.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import HealingRun, HealingRunStatus, IntentVerb, LeaseState
from autoglm_operator.decisions import journal
from autoglm_operator.decisions.guards import ON_NODES
from autoglm_operator.decisions.surroundings import Load, Usage

HOUR: Final = timedelta(hours=1)

_ISOLATES: Final = (IntentVerb.QUARANTINE, IntentVerb.DRAIN)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is counted of one run."""

    policy_uid: str
    target: str
    """What tells its target from others; empty if it is no longer open."""
    resolved: bool
    """Whether that is the target's key, rather than what the alert calls it."""
    acting: bool
    begun_at: datetime | None
    """When it first changed something."""
    on_node: bool
    """Whether it acts on a node now."""
    isolates: bool
    """Whether it isolates a node, or its isolation still stands."""
    stormy: bool
    """Whether the storm brake holds it."""


def facts_of(run: HealingRun) -> Facts:
    """What is counted of a run as it is now."""
    status = run.status
    acting = journal.is_acting(status)
    begun = [step.started_at for step in status.steps if journal.changes(step)]
    return Facts(
        policy_uid=run.spec.policy.uid,
        target=_target(run) if status.finished_at is None else "",
        resolved=status.target is not None,
        acting=acting,
        begun_at=min(begun, default=None),
        on_node=acting and status.steps[-1].action in ON_NODES,
        isolates=_isolates(status, acting=acting),
        stormy=journal.held_by(status) == Reason.STORM,
    )


class RunUsage:
    """Counts over all runs, by UID of the run."""

    def __init__(self) -> None:
        self._known: dict[str, Facts] = {}
        self._acting: dict[str, Facts] = {}
        self._begun: dict[str, Facts] = {}
        self._isolating: dict[str, Facts] = {}
        self._stormy: dict[str, Facts] = {}
        self._targets: dict[str, Counter[str]] = {}
        self._unresolved: dict[str, Counter[str]] = {}

    def note(self, uid: str, facts: Facts) -> None:
        """Count a run as it is now, instead of as it was."""
        self.forget(uid)
        self._known[uid] = facts
        if facts.acting:
            self._acting[uid] = facts
        if facts.begun_at is not None:
            self._begun[uid] = facts
        if facts.isolates:
            self._isolating[uid] = facts
        if facts.stormy:
            self._stormy[uid] = facts
        if facts.target:
            self._named(facts)[facts.target] += 1

    def forget(self, uid: str) -> None:
        """Count a run no more."""
        facts = self._known.pop(uid, None)
        if facts is None:
            return
        for index in (self._acting, self._begun, self._isolating, self._stormy):
            index.pop(uid, None)
        if facts.target:
            names = self._named(facts)
            names[facts.target] -= 1
            if not names[facts.target]:
                del names[facts.target]

    def storms(self) -> int:
        """How many policies the storm brake holds."""
        return len({facts.policy_uid for facts in self._stormy.values()})

    def load(self, uid: str, key: str, policy_uid: str, now: datetime) -> Load:
        """What all runs but one are doing.

        Args:
            uid: The run that asks.
            key: Key of its target.
            policy_uid: UID of its policy.
            now: The time of the look.
        """
        for old in [each for each, facts in self._begun.items() if _is_old(facts, now)]:
            del self._begun[old]
        acting = [facts for each, facts in self._acting.items() if each != uid]
        begun = [facts for each, facts in self._begun.items() if each != uid]
        own = self._known.get(uid)
        resolved = self._others(self._targets, policy_uid, own)
        unresolved = self._others(self._unresolved, policy_uid, own)
        return Load(
            policy=Usage(
                acting=sum(facts.policy_uid == policy_uid for facts in acting),
                begun=sum(facts.policy_uid == policy_uid for facts in begun),
            ),
            cluster=Usage(acting=len(acting), begun=len(begun)),
            nodes=sum(facts.on_node for facts in acting),
            isolations=sum(each != uid for each in self._isolating),
            unhealthy=resolved + unresolved + (0 if self._is_counted(policy_uid, key, own) else 1),
            unresolved=unresolved,
        )

    def _named(self, facts: Facts) -> Counter[str]:
        index = self._targets if facts.resolved else self._unresolved
        return index.setdefault(facts.policy_uid, Counter())

    @staticmethod
    def _others(index: dict[str, Counter[str]], policy_uid: str, own: Facts | None) -> int:
        """How many targets of a policy there are, without one that only the asking run has."""
        names = index.get(policy_uid, Counter())
        only_own = own is not None and own.policy_uid == policy_uid and names.get(own.target) == 1
        return len(names) - (1 if only_own else 0)

    def _is_counted(self, policy_uid: str, key: str, own: Facts | None) -> bool:
        """Whether another run than the asking one has the same target."""
        count = self._targets.get(policy_uid, Counter()).get(key, 0)
        return count > (1 if own is not None and own.target == key else 0)


def _target(run: HealingRun) -> str:
    if run.status.target is not None:
        return run.status.target.key
    labels, target = run.spec.alert.labels, run.spec.policy.target
    named = (labels.get(target.source.namespace_label, ""), labels.get(target.name_label, ""))
    return "/".join(named)


def _isolates(status: HealingRunStatus, *, acting: bool) -> bool:
    last = status.steps[-1] if status.steps else None
    under_way = acting and last is not None and last.action is ActionName.ISOLATE_NODE
    return under_way or any(
        step.intent is not None
        and step.intent.verb in _ISOLATES
        and step.lease is not None
        and step.lease.state is LeaseState.HELD
        for step in status.steps
    )


def _is_old(facts: Facts, now: datetime) -> bool:
    return facts.begun_at is None or facts.begun_at <= now - HOUR
