"""HealingPolicy: which alerts about which targets may trigger which ladder of actions.

These types only describe it; they never match an alert or look a target up. What an entry means is
decided by the receiver and the healer.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from autoglm_api.base import COUNTER_LIMIT, NAME_RULE, Generation, SpecModel, StatusModel
from autoglm_api.conditions import Conditions
from autoglm_api.durations import Between, Duration
from autoglm_api.healingguards import Approval, Guards, NotifyTarget
from autoglm_api.healingladder import LadderStep
from autoglm_api.kinds import HEALING_POLICY
from autoglm_api.resource import AGE, Column, Definition, Resource, condition_column
from autoglm_api.rules import ATOMIC, ATOMIC_MAP, Rule, rules

REGEX_LIMIT: Final = 256
"""Characters of a matcher's value. Arbitrary, because alert names and severities are short."""
LABEL_NAME_PATTERN: Final = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
"""Source: label names in Prometheus' data model."""

LabelName = Annotated[str, Field(min_length=1, max_length=128, pattern=LABEL_NAME_PATTERN)]
"""Name of an alert's label."""


class Mode(StrEnum):
    """How far a policy may go."""

    DRY_RUN = "DryRun"
    APPROVE = "Approve"
    ENFORCE = "Enforce"


class MatchType(StrEnum):
    """How a matcher compares, as in AlertmanagerConfig."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


class Matcher(SpecModel):
    """One condition on one label of an alert."""

    model_config = rules(
        # `in` passes an error on, where `||` would swallow it: a bad expression is refused.
        Rule(
            "!self.matchType.endsWith('~') || ''.matches(self.value) in [true, false]",
            "value is no regular expression: write RE2 syntax, as in 'warning|critical'",
        )
    )

    name: LabelName
    """Name of the label; a label that an alert lacks counts as empty."""
    match_type: MatchType = MatchType.EQUAL
    """= and != compare the text, =~ and !~ match an RE2 regular expression against the whole value.
    Default =."""
    value: Annotated[str, Field(max_length=REGEX_LIMIT)]
    """The text or the regular expression, at most 256 characters."""


class AlertSelector(SpecModel):
    """Alerts that fit every matcher."""

    model_config = rules(
        Rule(
            "self.matchers.exists(m, size(m.value) > 0 && m.matchType in ['=', '=~'])",
            "say which alert is meant: add a matcher such as"
            " {name: alertname, value: KubePodCrashLooping}",
        )
    )

    matchers: Annotated[tuple[Matcher, ...], Field(min_length=1, max_length=16), ATOMIC]
    """Conditions that must all hold; at least one says what a label is, not only what it is not."""


class TargetKind(StrEnum):
    """What a policy heals."""

    POD = "Pod"
    WORKLOAD = "Workload"
    MODEL_ENDPOINT = "ModelEndpoint"
    NODE = "Node"
    PERSISTENT_VOLUME_CLAIM = "PersistentVolumeClaim"


NAME_LABELS: Final = {
    TargetKind.POD: "pod",
    TargetKind.WORKLOAD: "pod",
    TargetKind.MODEL_ENDPOINT: "endpoint",
    TargetKind.NODE: "node",
    TargetKind.PERSISTENT_VOLUME_CLAIM: "persistentvolumeclaim",
}
"""The label that usually names an object of this kind. Source: the labels of kube-state-metrics and
of the kubelet; "endpoint" is our own."""


class TargetSource(SpecModel):
    """Which labels of an alert name the target."""

    namespace_label: LabelName = "namespace"
    """Label with the namespace. Default namespace, as in the usual rules."""
    name_label: LabelName | None = None
    """Label with the name. For kinds Pod and Workload of a pod, or of a workload if the label is
    called deployment, statefulset or daemonset; for kind Node of a node, or one of its addresses
    with or without a port, as in instance. Default pod for Pod and Workload, endpoint for
    ModelEndpoint, node for Node, persistentvolumeclaim for PersistentVolumeClaim."""


LabelValue = Annotated[str, Field(max_length=63)]


class LabelSelector(SpecModel):
    """Labels that the target must carry."""

    match_labels: Annotated[
        dict[str, LabelValue],
        Field(max_length=16),
        ATOMIC_MAP,
        Rule("self.all(key, size(key) <= 317)", "a label key has at most 317 characters"),
        Rule(
            "size(self) > 0",
            "name at least one label: an empty selector would match everything and is refused",
        ),
    ]
    """Labels and their values, all of which must be there; an empty map is refused."""


class HealingTarget(SpecModel):
    """Which objects a policy may act on."""

    kind: TargetKind
    """Pod: the pod itself. Workload: the Deployment, StatefulSet or DaemonSet that owns it.
    ModelEndpoint: a Managed endpoint. Node: a node. PersistentVolumeClaim: a volume's claim."""
    source: Annotated[TargetSource, Field(alias="from")] = TargetSource()
    """Which labels of the alert name the target."""
    selector: LabelSelector
    """Labels that the object itself must carry: the pod for kind Pod, the workload for kind
    Workload, and so on."""

    @property
    def name_label(self) -> str:
        """The alert's label with the target's name, `from.nameLabel` or the kind's usual one."""
        return self.source.name_label or NAME_LABELS[self.kind]


class ThresholdRange(SpecModel):
    """Between which values a metric is good."""

    model_config = rules(
        Rule("has(self.min) || has(self.max)", "write min, max or both"),
        Rule(
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            "min must not be greater than max",
        ),
    )

    min: Annotated[float, Field(ge=-1e15, le=1e15)] | None = None
    """Smallest good value; absent for none."""
    max: Annotated[float, Field(ge=-1e15, le=1e15)] | None = None
    """Largest good value; absent for none."""

    def holds(self, value: float) -> bool:
        """Whether a value lies in the range; a value that is no number never does."""
        above = self.min is None or value >= self.min
        return above and (self.max is None or value <= self.max) and value == value  # noqa: PLR0124


class MetricCheck(SpecModel):
    """One query whose answer must be good before a target counts as healed."""

    model_config = rules(
        Rule(
            "has(self.name) != has(self.query)",
            "write name, one of the admin's catalogue, or query, but not both",
        )
    )

    name: (
        Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z]([-a-z0-9]*)$")] | None
    ) = None
    """Name of a query in the admin's catalogue, where $namespace, $name and $kind stand for the
    target's."""
    query: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """A PromQL query of its own, only in namespaces that the admin trusts."""
    threshold_range: ThresholdRange
    """Every sample of the answer must lie in this range; no answer is never good."""


class Verification(SpecModel):
    """When a target counts as healed."""

    model_config = rules(
        Rule(
            "duration(self.timeout) > duration(self.stabilization)",
            "timeout must be longer than stabilization, or no action could ever be verified",
        )
    )

    stabilization: Annotated[Duration, Between("1s", "1h")] = timedelta(seconds=60)
    """How long the target must stay healthy without a restart, 1s to 1h. Default 60s."""
    timeout: Annotated[Duration, Between("2s", "6h")] = timedelta(minutes=5)
    """Time after an action in which the target must have become healthy and stayed so, 2s to 6h;
    then the next step of the ladder follows. Default 5m."""
    metrics: Annotated[tuple[MetricCheck, ...], Field(max_length=8), ATOMIC] = ()
    """Queries whose answers must be good as well."""


class HealingPolicySpec(SpecModel):
    """Alerts, target, actions and guards."""

    model_config = rules(
        Rule(
            "self.target.kind in ['Workload', 'ModelEndpoint'] || self.ladder.all(step,"
            " !has(step.restart) || step.restart.scope == 'Pod')",
            "restart scope Workload needs target kind Workload or ModelEndpoint:"
            " write scope: Pod, or target: {kind: Workload, ...}",
        ),
        Rule(
            "self.ladder.all(step, step.action != 'Restart') ||"
            " self.target.kind in ['Pod', 'Workload', 'ModelEndpoint']",
            "action Restart fits target kinds Pod, Workload and ModelEndpoint",
        ),
        Rule(
            "self.ladder.all(step, step.action != 'ScaleOut') ||"
            " self.target.kind in ['Workload', 'ModelEndpoint']",
            "action ScaleOut fits target kinds Workload and ModelEndpoint",
        ),
        Rule(
            "self.ladder.all(step, !(step.action in ['CleanDisk', 'IsolateNode'])) ||"
            " self.target.kind == 'Node'",
            "actions CleanDisk and IsolateNode fit target kind Node; a volume that is full is never"
            " cleaned: use action Notify, which offers its expansion",
        ),
        Rule(
            "self.ladder.all(step, step.action != 'Notify') || size(self.notify) > 0",
            "action Notify needs somebody to notify: add an entry to notify",
        ),
        Rule(
            "self.ladder.filter(step, step.action == 'Notify').size() == 0 ||"
            " (self.ladder.filter(step, step.action == 'Notify').size() == 1 &&"
            " self.ladder[size(self.ladder) - 1].action == 'Notify')",
            "action Notify heals nothing: write it once, as the last step",
        ),
    )

    mode: Mode = Mode.DRY_RUN
    """DryRun only records what would be done; Approve acts once a person has approved each step;
    Enforce acts. Default DryRun."""
    paused: bool = False
    """Whether runs of this policy are held. Default false."""
    alerts: Annotated[tuple[AlertSelector, ...], Field(min_length=1, max_length=16), ATOMIC]
    """Which alerts: those that fit any of these."""
    target: HealingTarget
    """Which objects."""
    ladder: Annotated[tuple[LadderStep, ...], Field(min_length=1, max_length=8), ATOMIC]
    """What to do: the first step, and each further one only if the step before did not help."""
    verify: Verification = Verification()
    """When the target counts as healed."""
    guards: Guards = Guards()
    """What holds actions back."""
    approval: Approval = Approval()
    """How long a person has to approve a step, in mode Approve."""
    notify: Annotated[tuple[NotifyTarget, ...], Field(max_length=8), ATOMIC] = ()
    """Who is told by the step Notify."""


class LastRun(StatusModel):
    """The run of a policy that ended last."""

    name: Annotated[str, Field(max_length=63)]
    """Name of the HealingRun."""
    phase: Annotated[str, Field(max_length=32)]
    """How it ended."""


class HealingPolicyStatus(StatusModel):
    """What the healer makes of the policy."""

    observed_generation: Generation = 0
    """The metadata.generation that this status is about."""
    matching: Annotated[int, Field(ge=0, le=COUNTER_LIMIT)] | None = None
    """Objects that the target's selector matches now; absent while nobody has counted."""
    last_run: LastRun | None = None
    """The run that ended last."""
    conditions: Conditions = ()
    """Accepted, ResolvedRefs and Ready."""


class HealingPolicy(Resource[HealingPolicySpec, HealingPolicyStatus]):
    """Which alerts about which targets may trigger which ladder of healing actions."""

    definition: ClassVar[Definition] = Definition(
        kind=HEALING_POLICY,
        short_name="hp",
        columns=(
            Column("Mode", ".spec.mode", "DryRun, Approve or Enforce."),
            Column("Paused", ".spec.paused", "Whether runs are held.", type="boolean"),
            Column("Target", ".spec.target.kind", "What is healed."),
            condition_column("Accepted"),
            Column("Last", ".status.lastRun.phase", "How the last run ended."),
            Column("Last run", ".status.lastRun.name", "The run that ended last.", wide=True),
            condition_column("Accepted", "message"),
            AGE,
        ),
        rules=(NAME_RULE,),
    )
