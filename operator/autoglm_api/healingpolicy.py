"""HealingPolicy: which alerts about which targets may trigger which ladder of actions.

These types only describe it; they never match an alert or look a target up. What an entry means is
decided by the receiver and the healer.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from autoglm_api.base import NAME_RULE, Generation, SpecModel, StatusModel
from autoglm_api.conditions import Conditions
from autoglm_api.durations import Between, Duration
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


class TargetSource(SpecModel):
    """Which labels of an alert name the target."""

    namespace_label: LabelName = "namespace"
    """Label with the namespace. Default namespace, as in the usual rules."""
    name_label: LabelName = "pod"
    """Label with the name: of a pod, or of a workload if the label is called deployment,
    statefulset or daemonset. A pod leads to its workload. Default pod."""


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
    """Pod: the pod itself. Workload: the Deployment, StatefulSet or DaemonSet that owns it."""
    source: Annotated[TargetSource, Field(alias="from")] = TargetSource()
    """Which labels of the alert name the target."""
    selector: LabelSelector
    """Labels that the object itself must carry: the pod for kind Pod, the workload for kind
    Workload."""


class ActionName(StrEnum):
    """What the healer can do."""

    RESTART = "Restart"


class RestartScope(StrEnum):
    """How much is restarted."""

    POD = "Pod"
    WORKLOAD = "Workload"


class RestartOptions(SpecModel):
    """How to restart."""

    scope: RestartScope
    """Pod evicts one pod, so that its workload makes a new one; Workload rolls all its pods over,
    as kubectl rollout restart does."""


class LadderStep(SpecModel):
    """One action, tried once."""

    model_config = rules(
        Rule(
            "self.action != 'Restart' || has(self.restart)",
            "action Restart needs a scope: write restart: {scope: Pod} or {scope: Workload}",
        )
    )

    action: ActionName
    """What to do."""
    restart: RestartOptions | None = None
    """How to restart, for action Restart."""


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


class Guards(SpecModel):
    """What holds actions back."""

    cooldown: Annotated[Duration, Between("0s", "24h")] = timedelta(minutes=10)
    """Time after an action of this policy on a target before the next run may act on the same
    target, 0s to 24h. Default 10m."""
    max_wait: Annotated[Duration, Between("0s", "24h")] = timedelta(hours=1)
    """How long a run is held by a guard before it ends without an action, 0s to 24h. Default 1h."""


class HealingPolicySpec(SpecModel):
    """Alerts, target, actions and guards."""

    model_config = rules(
        Rule(
            "self.target.kind == 'Workload' || self.ladder.all(step,"
            " !has(step.restart) || step.restart.scope == 'Pod')",
            "restart scope Workload needs target kind Workload:"
            " write scope: Pod, or target: {kind: Workload, ...}",
        )
    )

    mode: Mode = Mode.DRY_RUN
    """DryRun only records what would be done; Enforce acts. Default DryRun."""
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
    last_run: LastRun | None = None
    """The run that ended last."""
    conditions: Conditions = ()
    """Accepted."""


class HealingPolicy(Resource[HealingPolicySpec, HealingPolicyStatus]):
    """Which alerts about which targets may trigger which ladder of healing actions."""

    definition: ClassVar[Definition] = Definition(
        kind=HEALING_POLICY,
        short_name="hp",
        columns=(
            Column("Mode", ".spec.mode", "DryRun or Enforce."),
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
