"""The words of healing: what is seen of a run and its target, what an action is, what a plan says.

Actions and clients satisfy the protocols here structurally, so that decisions know neither. Nothing
here does I/O or reads a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import Evidence, HealingRun, HealingRunStatus, Intent, StepRecord
from autoglm_api.kinds import Kind
from autoglm_operator.decisions.reading import Manifest


@dataclass(frozen=True, slots=True)
class Denial:
    """Why something must not be done now, or never."""

    reason: Reason
    message: str
    """One sentence for a person; it names no moment that moves, so that it stays the same."""


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
    node: Manifest | None = None
    """The Node, for targets of that kind."""
    ambiguous: str | None = None
    """Why the alert names no single object; None if it does, or names none."""
    logs: str | None = None
    """Last words of the failing container of the named pod."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """What stops healing, apart from the policy itself."""

    everywhere: str | None = None
    """Why all healing is paused, None if it is not."""
    namespace: bool = False
    """Whether the target's namespace is labelled as paused."""


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
    trusted_namespaces: frozenset[str] = frozenset()
    """Namespaces whose policies may act on nodes and bring queries of their own."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a target is as it should be."""

    healthy: bool
    message: str
    """What is wrong, or a sentence that nothing is."""
    evidence: Evidence | None
    """The numbers; None when they are missing, which is never health."""


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


class ActionIO(Protocol):
    """The few calls that actions may make."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Read one object live; None if it does not exist."""
        ...

    async def apply(self, obj: Manifest, *, manager: str, force: bool) -> Manifest:
        """Server-side apply."""
        ...

    async def evict(self, namespace: str, name: str, *, uid: str) -> None:
        """Evict exactly the pod with this UID."""
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
