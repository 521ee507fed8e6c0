"""Conditions: what a status says, in words that never change.

One enum of reasons feeds condition, event, log line and metric label, so that a person can search
for the same word everywhere. This module never decides whether something is true.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, cast

from pydantic import Field, ValidationError

from autoglm_api.base import Generation, StatusModel, Timestamp
from autoglm_api.rules import list_map

MESSAGE_LIMIT: Final = 1024
"""Characters kept of a message. Arbitrary, because a person reads it in a terminal; Kubernetes' own
limit for condition messages is 32,768."""


class ConditionType(StrEnum):
    """What a condition is about."""

    ACCEPTED = "Accepted"
    RESOLVED_REFS = "ResolvedRefs"
    ROLES_READY = "RolesReady"
    ROUTING_PROGRAMMED = "RoutingProgrammed"
    HEALTHY = "Healthy"
    DEGRADED = "Degraded"
    INSECURE = "Insecure"
    READY = "Ready"
    APPROVED = "Approved"
    PROGRESSING = "Progressing"
    VERIFIED = "Verified"
    SUCCEEDED = "Succeeded"


class ConditionStatus(StrEnum):
    """Kubernetes' three answers."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


_STATUS: Final = {
    True: ConditionStatus.TRUE,
    False: ConditionStatus.FALSE,
    None: ConditionStatus.UNKNOWN,
}


class Reason(StrEnum):
    """Why a condition is as it is."""

    # Any kind
    ACCEPTED = "Accepted"
    AS_EXPECTED = "AsExpected"
    INVALID_SPEC = "InvalidSpec"
    NAME_CONFLICT = "NameConflict"
    PAUSED = "Paused"
    RESUMED = "Resumed"
    REFUSED_BY_API_SERVER = "RefusedByAPIServer"

    # References
    ENDPOINT_NOT_FOUND = "EndpointNotFound"
    KEY_NOT_FOUND = "KeyNotFound"
    KEY_UNUSABLE = "KeyUnusable"
    RESOLVED = "Resolved"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105  # the name of a reason
    SECRET_NOT_LABELLED = "SecretNotLabelled"  # noqa: S105  # the name of a reason

    # AutoGLMCluster
    CIRCUIT_CLOSED = "CircuitClosed"
    CIRCUIT_OPENED = "CircuitOpened"
    NO_AUTHENTICATION = "NoAuthentication"
    NO_ELIGIBLE_UPSTREAM = "NoEligibleUpstream"
    NO_ROUTER_CURRENT = "NoRouterCurrent"
    PODS_NOT_READY = "PodsNotReady"
    PROBES_UNRELIABLE = "ProbesUnreliable"
    READY = "Ready"
    ROLES_READY = "RolesReady"
    ROUTER_STALE = "RouterStale"
    ROUTING_ACKNOWLEDGED = "RoutingAcknowledged"
    ROUTING_PENDING = "RoutingPending"
    ROUTING_REJECTED = "RoutingRejected"
    ROUTING_TOO_LARGE = "RoutingTooLarge"

    # ModelEndpoint: what keeps a revision from serving
    ARTIFACT_UNREADABLE = "ArtifactUnreadable"
    COMPLETION_PENDING = "CompletionPending"
    CONTAINER_CRASHING = "ContainerCrashing"
    DIGEST_MISMATCH = "DigestMismatch"
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    PODS_REFUSED = "PodsRefused"
    UNSCHEDULABLE = "Unschedulable"

    # ModelEndpoint
    ADDRESS_REFUSED = "AddressRefused"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    MODEL_NOT_SERVED = "ModelNotServed"
    NAME_NOT_RESOLVED = "NameNotResolved"
    NOT_PROBED = "NotProbed"
    PROBE_FAILED = "ProbeFailed"
    PROBE_SUCCEEDED = "ProbeSucceeded"
    SUSPENDED = "Suspended"
    UNEXPECTED_ANSWER = "UnexpectedAnswer"
    UNREACHABLE = "Unreachable"

    # HealingPolicy
    PROMETHEUS_MISSING = "PrometheusMissing"
    PROMETHEUS_UNAVAILABLE = "PrometheusUnavailable"
    QUERY_INVALID = "QueryInvalid"
    QUERY_NOT_ALLOWED = "QueryNotAllowed"
    QUERY_UNKNOWN = "QueryUnknown"
    SCHEDULE_INVALID = "ScheduleInvalid"
    TIME_ZONE_INVALID = "TimeZoneInvalid"

    # HealingRun: what ends it without an action
    ALERT_RESOLVED = "AlertResolved"
    APPROVAL_TIMED_OUT = "ApprovalTimedOut"
    APPROVAL_NEEDED = "ApprovalNeeded"
    AT_CEILING = "AtCeiling"
    AUTOSCALED_ELSEWHERE = "AutoscaledElsewhere"
    CONDITION_CLEARED = "ConditionCleared"
    DISK_REFILLED = "DiskRefilled"
    DRY_RUN = "DryRun"
    DUPLICATE = "Duplicate"
    NO_CAPACITY = "NoCapacity"
    NODE_HEALING_OFF = "NodeHealingOff"
    NOT_SCALABLE = "NotScalable"
    NO_UNHEALTHY_POD = "NoUnhealthyPod"
    NOT_RESTARTABLE = "NotRestartable"
    POLICY_DELETED = "PolicyDeleted"
    RESTARTED_OFTEN = "RestartedOften"
    RESTART_FUTILE = "RestartFutile"
    ROLLOUT_NEWER = "RolloutNewer"
    ROLLOUT_PAUSED = "RolloutPaused"
    TARGET_AMBIGUOUS = "TargetAmbiguous"
    TARGET_CHANGED = "TargetChanged"
    TARGET_GONE = "TargetGone"
    TARGET_NOT_ALLOWED = "TargetNotAllowed"
    TARGET_NOT_SELECTED = "TargetNotSelected"

    # HealingRun: what holds it
    ADMISSION_MISSING = "AdmissionMissing"
    AWAITING_APPROVAL = "AwaitingApproval"
    BUDGET_EXHAUSTED = "BudgetExhausted"
    COOLDOWN_RUNNING = "CooldownRunning"
    DEAD_MAN = "DeadMan"
    LEASE_HELD = "LeaseHeld"
    MAX_WAIT_PASSED = "MaxWaitPassed"
    NODE_IN_MAINTENANCE = "NodeInMaintenance"
    NODE_LEASED = "NodeLeased"
    OUTSIDE_WINDOW = "OutsideWindow"
    SILENCED = "Silenced"
    STORM = "Storm"
    TOO_FEW_HEALTHY = "TooFewHealthy"

    # Receiver: what becomes of an alert
    ALERT_REFUSED = "AlertRefused"

    # HealingRun: how an action went
    ACTION_FAILED = "ActionFailed"
    ACTION_REFUSED = "ActionRefused"
    ACTION_STARTED = "ActionStarted"
    ACTION_SUCCEEDED = "ActionSucceeded"
    APPROVED = "Approved"
    API_UNAVAILABLE = "APIUnavailable"
    DISRUPTION_BUDGET = "DisruptionBudget"
    DRAIN_BLOCKED = "DrainBlocked"
    DRAINING = "Draining"
    ESCALATED = "Escalated"
    FREED_TOO_LITTLE = "FreedTooLittle"
    HEALED = "Healed"
    JOB_FAILED = "JobFailed"
    JOB_RUNNING = "JobRunning"
    NOT_HEALED = "NotHealed"
    NOTICE_NOT_DELIVERED = "NoticeNotDelivered"
    NOTIFIED = "Notified"
    ROLLOUT_IN_PROGRESS = "RolloutInProgress"
    VERIFICATION_PENDING = "VerificationPending"
    VERIFICATION_TIMED_OUT = "VerificationTimedOut"


class Condition(StatusModel):
    """One statement about an object, in the form that all of Kubernetes uses."""

    type: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]
    """What the statement is about."""
    status: ConditionStatus
    """Whether it holds: True, False, or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]
    """One word for why, the same in events, logs and metrics."""
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)]
    """One sentence for a person, which says what to do when something is wrong."""
    observed_generation: Generation = 0
    """The metadata.generation that this statement was made about."""
    last_transition_time: Timestamp
    """When the status last changed; a new reason or message does not move it."""


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16), list_map("type")]
"""The conditions of a status, one per type."""


def find_condition(conditions: Iterable[Condition], about: ConditionType) -> Condition | None:
    """The condition of a type, or None."""
    return next((condition for condition in conditions if condition.type == about), None)


def is_true(conditions: Iterable[Condition], about: ConditionType) -> bool:
    """Whether a condition is there and True."""
    found = find_condition(conditions, about)
    return found is not None and found.status is ConditionStatus.TRUE


def set_condition(  # noqa: PLR0913  # one argument per field of a condition
    conditions: Iterable[Condition],
    about: ConditionType,
    *,
    status: bool | None,
    reason: Reason,
    message: str,
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """Return the conditions with one of them set; the given ones are left as they are.

    ``lastTransitionTime`` moves to `now` only when the status flips; ``observedGeneration`` always
    follows. The order of the others is kept, so that an unchanged status compares equal. A status
    of None stands for Unknown.
    """
    known = tuple(conditions)
    wanted = _STATUS[status]
    before = find_condition(known, about)
    unflipped = before is not None and before.status is wanted
    condition = Condition(
        type=about,
        status=wanted,
        reason=reason,
        message=_shortened(message),
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and unflipped else now,
    )
    if before is None:
        return (*known, condition)
    return tuple(condition if each.type == about else each for each in known)


def read_conditions(status: Mapping[str, object]) -> tuple[Condition, ...]:
    """The conditions of a live ``status``; those that do not parse are dropped, it is no input."""
    raw = status.get("conditions")
    if not isinstance(raw, list):
        return ()
    read: list[Condition] = []
    for each in cast("list[object]", raw):
        try:
            read.append(Condition.model_validate(each))
        except ValidationError:
            continue
    return tuple(read)


def _shortened(message: str) -> str:
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…"
