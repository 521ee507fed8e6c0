"""HealingRun: one healing episode; durable queue entry, journal and audit record in one object.

The receiver creates it, the healer alone writes its status. These types only describe it; they
never decide what the next step is.
"""

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import AwareDatetime, Field, PlainSerializer, WithJsonSchema

from autoglm_api.base import (
    Generation,
    KubernetesName,
    ObjectName,
    SpecModel,
    StatusModel,
)
from autoglm_api.conditions import MESSAGE_LIMIT, Conditions
from autoglm_api.healingevidence import Evidence
from autoglm_api.healingladder import ActionName, CleanDiskOptions, LadderStep
from autoglm_api.healingpolicy import HealingTarget, Mode, Verification
from autoglm_api.kinds import HEALING_RUN
from autoglm_api.resource import AGE, Column, Definition, Resource, condition_column
from autoglm_api.rules import ATOMIC, ATOMIC_MAP, Rule

LOGS_LIMIT: Final = 4096
"""Characters of a container's log that a run keeps. Arbitrary, because a run must stay small."""
HASH_LENGTH: Final = 16
"""Characters of a run's name that tell episodes apart: 64 bits, as many as a fingerprint has."""


def _utc_milliseconds(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    AwareDatetime,
    PlainSerializer(_utc_milliseconds, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment in UTC with milliseconds, so that a run reads as a timeline."""

UID = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[-a-zA-Z0-9]+$")]
"""A ``metadata.uid``."""


def run_name(policy: str, policy_uid: str, fingerprint: str, starts_at: datetime) -> str:
    """Name of the run of one policy for one episode of an alert, the same on every delivery.

    Args:
        policy: Name of the policy.
        policy_uid: Its UID: a policy made anew treats old alerts as new.
        fingerprint: The alert's labels, as Alertmanager hashes them.
        starts_at: When the alert began to fire.
    """
    episode = f"{policy_uid}/{fingerprint}/{_utc_milliseconds(starts_at)}"
    return f"{policy}-{hashlib.sha256(episode.encode()).hexdigest()[:HASH_LENGTH]}"


class AlertSource(StrEnum):
    """Who reported an alert."""

    ALERTMANAGER = "Alertmanager"
    POLLER = "Poller"
    EVENT = "Event"


class PolicyCopy(SpecModel):
    """What the policy said when the alert arrived; pause, guards and a stricter mode apply live."""

    name: ObjectName
    """Name of the policy."""
    uid: UID
    """UID of the policy; one made anew under the same name is another one."""
    generation: Generation
    """The metadata.generation that was copied."""
    mode: Mode
    """How far the run may go."""
    target: HealingTarget
    """Which object."""
    ladder: Annotated[tuple[LadderStep, ...], Field(min_length=1, max_length=8), ATOMIC]
    """What to do, step by step."""
    verify: Verification
    """When the target counts as healed."""


class RunAlert(SpecModel):
    """The alert that began the run."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """Its label alertname."""
    fingerprint: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[-_a-zA-Z0-9]+$")]
    """Hash of its labels, the same in every delivery."""
    starts_at: Moment
    """When it began to fire."""
    labels: Annotated[
        dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=64), ATOMIC_MAP
    ]
    """Its labels: hints at the target, never orders."""
    source: AlertSource
    """Alertmanager: its webhook. Poller: found in Alertmanager, never delivered. Event: another
    sender."""
    action_hint: ActionName | None = None
    """The action that the sender of an event wishes for; the ladder begins with it."""


class HealingRunSpec(SpecModel):
    """Why the run exists; it never changes."""

    policy: PolicyCopy
    """The policy, as it was."""
    alert: RunAlert
    """The alert."""


class ObjectRef(StatusModel):
    """Exactly one object: a name made anew has another UID."""

    api_version: Annotated[str, Field(min_length=1, max_length=317)]
    """API group and version."""
    kind: Annotated[str, Field(min_length=1, max_length=63)]
    """Kind."""
    name: KubernetesName
    """Name."""
    uid: UID
    """UID."""


class RunTarget(ObjectRef):
    """The object that the alert led to when it was first looked up."""

    key: UID
    """UID of its topmost controller: runs with the same key never act at the same time."""
    pod: ObjectRef | None = None
    """The pod that the alert named; absent if it named a workload."""
    workload: ObjectRef | None = None
    """The controller that replaces the target's pods; its state is what is verified."""


class IntentVerb(StrEnum):
    """The call that an action makes."""

    EVICT = "Evict"
    ROLL_OUT = "RollOut"
    SCALE = "Scale"
    RAISE_BOUNDS = "RaiseBounds"
    CLEAN = "Clean"
    QUARANTINE = "Quarantine"
    DRAIN = "Drain"
    NOTIFY = "Notify"


class DisplacedWorkload(StatusModel):
    """A workload of which pods leave a node."""

    kind: Annotated[str, Field(min_length=1, max_length=63)]
    """Deployment, StatefulSet or ReplicaSet."""
    namespace: KubernetesName
    """Its namespace."""
    name: KubernetesName
    """Its name."""


class Isolation(StatusModel):
    """How exactly a node is isolated."""

    mark: Annotated[str, Field(min_length=1, max_length=63)]
    """Value of our taint: the name of the run; it ends in .kept if the node was cordoned already,
    which then stays so."""
    evict_bare_pods: bool = False
    """Whether pods that nobody would make anew are evicted."""
    evict_local_data: bool = False
    """Whether pods with an emptyDir on the node's disk are evicted."""
    displaced: Annotated[tuple[DisplacedWorkload, ...], Field(max_length=256), ATOMIC] = ()
    """What must be Available elsewhere, at most the first 256."""


class Intent(StatusModel):
    """Everything that a call will send, written down before it is made: repeating it is safe."""

    verb: IntentVerb
    """Evict: the pod of this UID. RollOut: a new restart stamp on the workload of this UID. Scale:
    this many replicas. RaiseBounds: these bounds of a HorizontalPodAutoscaler. Clean: this Job on
    the node. Quarantine: cordon and our own taint. Drain: the same, then evictions. Notify: a
    notice."""
    object: ObjectRef
    """What is acted on."""
    restarted_at: Moment | None = None
    """The restart stamp of RollOut."""
    replicas: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """The replicas of Scale."""
    min_replicas: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """The minReplicas of RaiseBounds."""
    max_replicas: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """The maxReplicas of RaiseBounds."""
    job: KubernetesName | None = None
    """The name of Clean's Job."""
    job_uid: UID | None = None
    """The UID of Clean's Job, once it was seen: one that is gone is never made anew."""
    clean_disk: CleanDiskOptions | None = None
    """What Clean's Job removes."""
    isolation: Isolation | None = None
    """The details of Quarantine and Drain."""
    deadline: Moment | None = None
    """Until when the call is made again while it goes on; guards.maxWait if absent."""


class LeaseState(StrEnum):
    """What has become of a change that is to be undone."""

    HELD = "Held"
    REVERTED = "Reverted"
    LOST = "Lost"


class LeaseRecord(StatusModel):
    """A change that will be undone: what it was, what it became, and until when."""

    object: ObjectRef
    """The object that carries the mark."""
    field: Annotated[str, Field(min_length=1, max_length=64)]
    """The field that was changed."""
    previous: Annotated[str, Field(max_length=256)]
    """Its value before, as text."""
    value: Annotated[str, Field(max_length=256)]
    """Its value since, as text."""
    expires: Moment
    """When it is undone at the latest."""
    state: LeaseState = LeaseState.HELD
    """Held: stands, or may stand. Reverted: undone. Lost: somebody else changed it since, so that
    it is not ours to undo."""
    stepped_at: Moment | None = None
    """When the latest step on the way back was journaled; the next one keeps its distance."""
    reverted_at: Moment | None = None
    """When it was undone or found lost."""
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)] | None = None
    """One sentence for a person about the end."""


class StepOutcome(StrEnum):
    """How an action ended, apart from whether it helped."""

    SUCCEEDED = "Succeeded"
    REFUSED = "Refused"
    FAILED = "Failed"


class StepRecord(StatusModel):
    """One step of the ladder: what was meant, what came of it, and whether it helped."""

    action: ActionName
    """What was done."""
    intent: Intent | None = None
    """The call, journaled before it was made; absent if the step was refused."""
    started_at: Moment
    """When the intent was journaled, or the step refused."""
    finished_at: Moment | None = None
    """When the outcome was journaled; absent while the call may be under way."""
    outcome: StepOutcome | None = None
    """How the call ended."""
    reason: Annotated[str, Field(max_length=64)] | None = None
    """One word for why, the same in events, logs and metrics."""
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)] | None = None
    """One sentence for a person."""
    before: Evidence | None = None
    """State before the call."""
    after: Evidence | None = None
    """State when the target was last found healthy, or when verification ended."""
    logs: Annotated[str, Field(max_length=LOGS_LIMIT)] | None = None
    """Last words of the failing container, read before the call."""
    lease: LeaseRecord | None = None
    """What is to be undone, for actions that can be."""
    healthy_since: Moment | None = None
    """Since when the target has been healthy without a restart; absent while it is not."""
    verified_at: Moment | None = None
    """When it was decided whether the step helped."""
    helped: bool | None = None
    """Whether the target was healed; absent until it is decided."""


class ApprovalRecord(StatusModel):
    """Who allowed a step, in mode Approve."""

    step: Annotated[int, Field(ge=1, le=8)]
    """Number of the step, from 1."""
    by: Annotated[str, Field(min_length=1, max_length=256)]
    """Name of the user who approved it."""
    at: Moment
    """When the healer saw it."""


class HealingRunStatus(StatusModel):
    """What the healer found, did and saw."""

    phase: Annotated[str, Field(max_length=32)] | None = None
    """One word for people; the conditions decide."""
    target: RunTarget | None = None
    """The object that the alert led to."""
    steps: Annotated[tuple[StepRecord, ...], Field(max_length=8), ATOMIC] = ()
    """The journal, one entry per step of the ladder, in its order."""
    approvals: Annotated[tuple[ApprovalRecord, ...], Field(max_length=8), ATOMIC] = ()
    """Who allowed which step, in mode Approve."""
    finished_at: Moment | None = None
    """When the run ended; absent while it is open. Changes may still wait to be undone."""
    alert_gone_at: Moment | None = None
    """Since when the alert of an ended run is known to fire no more; the record is kept at least a
    day longer, for a delivery that comes late must find it."""
    conditions: Conditions = ()
    """Accepted, Approved, Progressing, Verified and Succeeded."""


class HealingRun(Resource[HealingRunSpec, HealingRunStatus]):
    """One healing episode: a stored alert, what was done about it, and what came of it."""

    status_is_journal: ClassVar[bool] = True

    definition: ClassVar[Definition] = Definition(
        kind=HEALING_RUN,
        short_name="hr",
        columns=(
            Column("Alert", ".spec.alert.name", "The alert that began the run."),
            Column("Kind", ".status.target.kind", "Kind of the target."),
            Column("Target", ".status.target.name", "Name of the target."),
            Column("Phase", ".status.phase", "Where the run stands."),
            Column("Steps", ".status.steps[*].outcome", "How the actions ended."),
            Column("Policy", ".spec.policy.name", "The policy that allowed it.", wide=True),
            condition_column("Progressing", "reason"),
            condition_column("Progressing", "message"),
            AGE,
        ),
        rules=(
            Rule(
                "self.spec == oldSelf.spec",
                "spec never changes: edit the HealingPolicy, which applies to later alerts",
            ),
        ),
        selectable=(".spec.policy.name",),
    )
