"""How many pods an autoscaler may choose, in the words of autoscaling/v2.

The fields are those of a HorizontalPodAutoscaler, so that what people know and have can be copied.
This module never makes one, and never decides how many pods there are.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from autoglm_api.base import KubernetesName, Quantity, SpecModel
from autoglm_api.pods import LabelValue
from autoglm_api.rules import ATOMIC, ATOMIC_MAP, Rule, rules

REPLICAS_XOR_AUTOSCALING: Final = Rule(
    "!has(self.autoscaling) || !has(self.replicas)",
    "write either replicas or autoscaling: an autoscaler chooses the number of pods itself",
)
"""Rule of every block that has both fields."""

MetricName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z_:][-A-Za-z0-9_.:/|]*$")
]
"""Name of a metric of the custom or external metrics API."""


class ResourceTargetType(StrEnum):
    """What the use of a resource is compared with."""

    UTILIZATION = "Utilization"
    AVERAGE_VALUE = "AverageValue"


class ResourceTarget(SpecModel):
    """The use of a resource that the autoscaler aims at."""

    model_config = rules(
        Rule(
            "(self.type == 'Utilization') == has(self.averageUtilization)"
            " && (self.type == 'AverageValue') == has(self.averageValue)",
            "set exactly the field that the type names: averageUtilization or averageValue",
        )
    )

    type: ResourceTargetType
    """Utilization is a percentage of what the pods request, AverageValue an amount per pod."""
    average_utilization: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Percentage of the requests, averaged over the pods, for type Utilization."""
    average_value: Quantity | None = None
    """Amount per pod, for type AverageValue."""


class PodsTargetType(StrEnum):
    """What a metric of pods is compared with."""

    AVERAGE_VALUE = "AverageValue"


class PodsTarget(SpecModel):
    """The value of a metric of pods that the autoscaler aims at."""

    type: PodsTargetType
    """AverageValue is an amount per pod."""
    average_value: Quantity
    """Amount per pod."""


class ExternalTargetType(StrEnum):
    """What a metric about anything is compared with."""

    VALUE = "Value"
    AVERAGE_VALUE = "AverageValue"


class ExternalTarget(SpecModel):
    """The value of any metric that the autoscaler aims at."""

    model_config = rules(
        Rule(
            "(self.type == 'Value') == has(self.value)"
            " && (self.type == 'AverageValue') == has(self.averageValue)",
            "set exactly the field that the type names: value or averageValue",
        )
    )

    type: ExternalTargetType
    """AverageValue is an amount per pod, Value an amount whatever the number of pods."""
    average_value: Quantity | None = None
    """Amount per pod, for type AverageValue."""
    value: Quantity | None = None
    """Amount in all, for type Value."""


class MetricSelector(SpecModel):
    """Which series of a metric."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=16), ATOMIC_MAP] = Field(
        default={}
    )
    """Labels that a series must have; none by default."""


class MetricIdentifier(SpecModel):
    """A metric of the custom or external metrics API."""

    name: MetricName
    """Name of the metric."""
    selector: MetricSelector | None = None
    """Which of its series; absent means all."""


class ResourceMetric(SpecModel):
    """CPU or memory of whole pods."""

    name: KubernetesName
    """Name of the resource: cpu or memory."""
    target: ResourceTarget
    """What to aim at."""


class ContainerResourceMetric(SpecModel):
    """CPU or memory of one container of each pod."""

    name: KubernetesName
    """Name of the resource: cpu or memory."""
    container: KubernetesName
    """Name of the container."""
    target: ResourceTarget
    """What to aim at."""


class PodsMetric(SpecModel):
    """A metric of the custom metrics API about pods, such as requests in a server's queue."""

    metric: MetricIdentifier
    """The metric."""
    target: PodsTarget
    """What to aim at."""


class ExternalMetric(SpecModel):
    """A metric of the external metrics API, which need not be about pods."""

    metric: MetricIdentifier
    """The metric."""
    target: ExternalTarget
    """What to aim at."""


class MetricSource(StrEnum):
    """Where a metric comes from."""

    RESOURCE = "Resource"
    CONTAINER_RESOURCE = "ContainerResource"
    PODS = "Pods"
    EXTERNAL = "External"


class Metric(SpecModel):
    """One metric; the one that asks for the most pods wins."""

    model_config = rules(
        Rule(
            "(self.type == 'Resource') == has(self.resource)"
            " && (self.type == 'ContainerResource') == has(self.containerResource)"
            " && (self.type == 'Pods') == has(self.pods)"
            " && (self.type == 'External') == has(self.external)",
            "set exactly the block that the type names:"
            " resource, containerResource, pods or external",
        )
    )

    type: MetricSource
    """Resource and ContainerResource need the resource metrics API and requests, Pods the custom
    and External the external metrics API."""
    resource: ResourceMetric | None = None
    """The metric of type Resource."""
    container_resource: ContainerResourceMetric | None = None
    """The metric of type ContainerResource."""
    pods: PodsMetric | None = None
    """The metric of type Pods, averaged over the pods."""
    external: ExternalMetric | None = None
    """The metric of type External, which need not be about pods."""


class ScalingPolicyType(StrEnum):
    """What a policy limits."""

    PODS = "Pods"
    PERCENT = "Percent"


class ScalingPolicy(SpecModel):
    """How fast the number of pods may change."""

    type: ScalingPolicyType
    """Pods counts pods, Percent is a share of those that there are."""
    value: Annotated[int, Field(ge=1, le=10_000)]
    """The most that may change within the period, in pods or percent."""
    period_seconds: Annotated[int, Field(ge=1, le=1800)]
    """Length of the period in seconds, at most half an hour."""


class SelectPolicy(StrEnum):
    """Which of several policies counts."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class ScalingRules(SpecModel):
    """How the number of pods changes in one direction."""

    stabilization_window_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None
    """Seconds of past recommendations that are taken into account; absent means what Kubernetes
    says: 0 for more pods, 300 for fewer."""
    select_policy: SelectPolicy | None = None
    """Which policy counts: the one that changes most, least, or none at all; absent means Max."""
    policies: Annotated[tuple[ScalingPolicy, ...], Field(max_length=8), ATOMIC] = ()
    """How fast it may change; absent means what Kubernetes says."""


class ScalingBehavior(SpecModel):
    """How the number of pods changes."""

    scale_up: ScalingRules | None = None
    """Towards more pods; absent means what Kubernetes says."""
    scale_down: ScalingRules | None = None
    """Towards fewer pods; absent means what Kubernetes says."""


class Autoscaling(SpecModel):
    """Bounds and metrics of a HorizontalPodAutoscaler that the operator makes."""

    model_config = rules(
        Rule(
            "self.minReplicas <= self.maxReplicas", "minReplicas must not be more than maxReplicas"
        )
    )

    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """The fewest pods. Default as in autoscaling/v2: 1."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    """The most pods."""
    metrics: Annotated[tuple[Metric, ...], Field(max_length=8), ATOMIC] = ()
    """What the number of pods follows; absent means what Kubernetes says: 80 % of the CPU that the
    pods request."""
    behavior: ScalingBehavior | None = None
    """How fast it follows; absent means what Kubernetes says."""
