"""The words of healing: what is seen of a run and its target, what an action is, what a plan says.

Actions and clients satisfy the protocols here structurally, so that decisions know neither. Nothing
here does I/O or reads a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from autoglm_api.conditions import Reason
from autoglm_api.healingevidence import Evidence, MetricReading
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import (
    HealingRun,
    HealingRunStatus,
    Intent,
    LeaseRecord,
    StepRecord,
)
from autoglm_api.kinds import Kind
from autoglm_api.leases import Mark
from autoglm_operator.decisions.reading import Manifest
from autoglm_operator.decisions.surroundings import AlertNews, Budget, Load


@dataclass(frozen=True, slots=True)
class Denial:
    """Why something must not be done now, or never."""

    reason: Reason
    message: str
    """One sentence for a person; it names no moment that moves, so that it stays the same."""
    holds: bool = False
    """Whether an action that says so will be asked again later, instead of being refused."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many more pods of a workload there is room for."""

    pods: int
    limit: str
    """What limits them, for a sentence: "the nodes" or "ResourceQuota team"."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All nodes and pods, where a ladder isolates a node."""

    nodes: tuple[Manifest, ...] = ()
    pods: tuple[Manifest, ...] = ()
    """Pods of every namespace."""
    workloads: tuple[Manifest, ...] = ()
    """Deployments, StatefulSets and bare ReplicaSets: before a step those with pods on the node,
    after it those that the step displaced, as far as they still exist."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a live look at a target showed; absent objects are None or missing."""

    pod: Manifest | None = None
    """The pod that the alert named."""
    workload: Manifest | None = None
    """The controller that replaces the pods."""
    chain: tuple[Manifest, ...] = ()
    """The named object and its controllers, bottom up, as far as they could be read."""
    key: str = ""
    """UID of the topmost controller, or of the named object if it has none."""
    pods: tuple[Manifest, ...] = ()
    """Present pods of the workload."""
    revisions: tuple[Manifest, ...] = ()
    """ReplicaSets of a Deployment, ControllerRevisions of other workloads."""
    endpoint: Manifest | None = None
    """The ModelEndpoint, for targets of that kind."""
    claim: Manifest | None = None
    """The PersistentVolumeClaim, for targets of that kind."""
    storage_class: Manifest | None = None
    """The claim's StorageClass."""
    node: Manifest | None = None
    """The Node, for targets of that kind."""
    fleet: Fleet | None = None
    """What else there is besides the node; None if the ladder isolates none."""
    ambiguous: str | None = None
    """Why the alert names no single object; None if it does, or names none."""
    logs: str | None = None
    """Last words of the failing container of the named pod."""
    autoscalers: tuple[Manifest, ...] = ()
    """HorizontalPodAutoscalers of an object in the chain, where a ladder scales out."""
    room: Room | None = None
    """Room for more pods, read just before a step that adds some; None if it is not known."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """What stops healing, apart from the policy itself."""

    everywhere: str | None = None
    """Why all healing is paused, None if it is not."""
    namespace: bool = False
    """Whether the target's namespace is labelled as paused."""
    reverting: bool = False
    """Whether everything is to be undone now, because the release is being uninstalled."""


@dataclass(frozen=True, slots=True)
class OtherRun:
    """What counts about another run for the same target."""

    name: str
    created: str
    policy_uid: str
    is_open: bool
    begun: bool
    """Whether it has journaled an action."""
    acted_at: datetime | None
    """When it last acted."""
    cleaned_at: datetime | None = None
    """When it last had a disk cleaned."""
    restarted_at: tuple[datetime, ...] = ()
    """When it restarted the target."""
    pod: str = ""
    """Name of the pod that its alert named; empty if it named something else."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that one look showed."""

    run: HealingRun
    policy: HealingPolicy | None
    """The live policy of the run's name; it may be another one than the run's."""
    sighting: Sighting
    pauses: Pauses = Pauses()
    others: tuple[OtherRun, ...] = ()
    """Other runs for the same target."""
    admission_proven: bool = True
    """Whether the admission policies that bound the healer were seen in force."""
    protected_namespaces: frozenset[str] = frozenset()
    """Namespaces in which nothing is ever done."""
    readings: tuple[MetricReading, ...] = ()
    """Answers to the queries of the verification, while the last step is being verified."""
    policy_problem: Denial | None = None
    """Why the live policy must not act although the API server stored it."""
    trusted_namespaces: frozenset[str] = frozenset()
    """Namespaces whose policies may act on nodes and bring queries of their own."""
    news: AlertNews = field(default_factory=AlertNews)
    """What Alertmanager says of the alert now."""
    dead_man: str | None = None
    """Why nobody knows what fires; None if it is known."""
    load: Load = field(default_factory=Load)
    """What all other runs are doing."""
    budget: Budget = field(default_factory=Budget)
    """How much may go on over the whole cluster."""
    node_lease: str | None = None
    """Who else maintains the target node; None if nobody does."""
    approvals_proven: bool = True
    """Whether only who may approve can have written the approval that the run carries."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a target is as it should be."""

    healthy: bool
    message: str
    """What is wrong, or a sentence that nothing is."""
    evidence: Evidence | None
    """The numbers; None when they are missing, which is never health."""
    lag: timedelta = timedelta()
    """How far the target's own report is behind the truth: verification waits as much longer."""


class OutcomeKind(StrEnum):
    """What became of a call."""

    SUCCEEDED = "Succeeded"
    UNDER_WAY = "UnderWay"
    RETRYABLE = "Retryable"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call, and why.

    `UNDER_WAY` means that the call was taken and goes on without us, such as a Job: the same call
    is made again after a while, until it says how it ended.
    """

    kind: OutcomeKind
    reason: Reason
    message: str
    intent: Intent | None = None
    """The journaled intent with what is known since, such as the UID of a Job; None if nothing."""
    before: Evidence | None = None
    """What the call itself measured before it changed anything."""
    after: Evidence | None = None
    """What the call itself measured when it had ended."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A change that is to be undone, and the run that holds it."""

    run: str
    """Name of the run."""
    run_uid: str
    record: LeaseRecord

    @property
    def mark(self) -> Mark:
        """What the object says about the change."""
        record = self.record
        return Mark(
            run=self.run,
            run_uid=self.run_uid,
            field=record.field,
            previous=record.previous,
            value=record.value,
            expires=record.expires,
        )


class ActionIO(Protocol):
    """The few calls that actions may make."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Read one object live; None if it does not exist."""
        ...

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        """Read all objects of a kind that carry these labels."""
        ...

    async def create(self, obj: Manifest, *, manager: str | None = None) -> Manifest:
        """Create an object; `errors.Conflict` if the name is taken."""
        ...

    async def apply(self, obj: Manifest, *, manager: str, force: bool) -> Manifest:
        """Server-side apply."""
        ...

    async def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: object,
        *,
        subresource: str | None = None,
        kind_of_patch: str = "merge",
    ) -> Manifest:
        """Merge-patch or JSON-patch ("json") an object or one of its subresources."""
        ...

    async def evict(
        self, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        """Evict exactly the pod with this UID, with its own grace period if none is given."""
        ...


class HealingAction(Protocol):
    """One thing that the healer can do; see the module of each for guarantees and refusals."""

    @property
    def name(self) -> ActionName:
        """The word used in a policy's ladder."""
        ...

    @property
    def timeout(self) -> timedelta:
        """Limit of one `execute`."""
        ...

    def plan(self, step: LadderStep, seen: Seen, now: datetime) -> Intent | Denial:
        """Choose the call with every value that it will send, or say why it is refused. Pure."""
        ...

    def is_done(self, intent: Intent, sighting: Sighting) -> bool:
        """Tell whether the effect of a journaled call is there, whoever caused it. Pure."""
        ...

    async def execute(self, namespace: str, intent: Intent, io: ActionIO) -> Outcome:
        """Make the call. Idempotent; never repeats itself."""
        ...

    def health(self, seen: Seen, step: StepRecord | None) -> Health:
        """Judge the state of the target, before a step (None) or after it. Pure."""
        ...


@runtime_checkable
class ReversibleAction(HealingAction, Protocol):
    """An action whose change is undone after a while.

    To plug one in, give the action these methods besides those of every action, and enter it in
    `commands.healer.ACTIONS`; nothing else asks which actions are reversible. What happens to each
    of its steps, in this order, each write of which may be repeated after a crash:

        journal     the intent, and with it the record that `lease` gives
        finalizer   `autoglm.io/undo` on the run, which keeps a deleted run until all is undone
        mark        annotation `autoglm.io/lease` on the record's object; a mark of another run is
                    never overwritten: `plan` looks for it and answers a Denial with `holds=True`
        change      `execute`, which sees the mark on the object that it reads live
        ...
        journal     the value of the next step back
        change      `undo`
        mark        moved to that value, or removed with the last step
        journal     Reverted, or Lost when the live mark or value shows another hand
        finalizer   gone with the last lease of an ended run

    Undone is a lease when it expires or `returns_at` has come (step by step), and when its step did
    not help, its policy or run was deleted or the release is being uninstalled (in one step).
    """

    def lease(self, step: LadderStep, intent: Intent, seen: Seen, now: datetime) -> LeaseRecord:
        """What the intent will change: object, field, values as text, and until when. Pure."""
        ...

    def current(self, record: LeaseRecord, live: Manifest) -> str:
        """The value that the record's object has now, as text of the same form. Pure.

        Equal to `previous`, nothing is left to undo; equal to `value`, the change is still ours;
        anything else is another hand's, and only the annotation is removed. An action with several
        fields therefore answers for the one that is its own, and lets `undo` look at the others.
        """
        ...

    def step_back(self, record: LeaseRecord, current: str) -> str:
        """The value of the next step on the way back; `previous` in the last one. Pure."""
        ...

    def returns_at(self, step: LadderStep, record: LeaseRecord, seen: Seen) -> datetime | None:
        """When the target has been well for long enough to undo it before it expires. Pure.

        None while it is not well, or if only the expiry counts.
        """
        ...

    async def undo(self, namespace: str, lease: Lease, live: Manifest, io: ActionIO) -> None:
        """Set the field to `lease.record.value`, on exactly this version of the object.

        Raises:
            ApiError: it was refused or is unknown; the engine looks again.
        """
        ...


@runtime_checkable
class BorrowingAction(Protocol):
    """An action that needs something of others for as long as its call is under way."""

    async def settle(self, namespace: str, intent: Intent, io: ActionIO) -> None:
        """Give back what a call took, now that it has come to its end, whichever that is.

        Asked before that end is journaled, and so again after a crash; never raises, since the
        end is an end even if something cannot be given back.
        """
        ...


Actions = Mapping[ActionName, HealingAction]


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from what was seen."""

    status: HealingRunStatus
    """The status to journal before anything is done."""
    call: Intent | None = None
    """The call to make once that is journaled."""
    action: ActionName | None = None
    """Whose call it is."""
    requeue_after: timedelta | None = field(default=None)
    """When to look again even if nothing happens; None = never."""
