"""What a user may say about the pods of a role or a model server.

Deliberately no pod template: every field here is safe under Pod Security "restricted". This module
never builds a pod.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from autoglm_api.base import Quantity, SpecModel
from autoglm_api.rules import ATOMIC, ATOMIC_MAP, Rule, rules

LabelValue = Annotated[
    str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
]
"""Value of a Kubernetes label."""

Quantities = Annotated[dict[str, Quantity], Field(max_length=16)]
"""Amounts by resource name, such as cpu, memory or nvidia.com/gpu."""

_REQUESTS_WITHIN_LIMITS: Final = Rule(
    "!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) ||"
    " quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
    "every request must be at most the limit of the same name",
)


class Resources(SpecModel):
    """Compute resources of every pod; empty means what the namespace's LimitRange says."""

    model_config = rules(_REQUESTS_WITHIN_LIMITS)

    requests: Quantities = Field(default={})
    """What the scheduler reserves, as quantities by resource name; none by default."""
    limits: Quantities = Field(default={})
    """The most that a pod may use, as quantities by resource name; none by default."""


class TolerationOperator(StrEnum):
    """How a toleration compares."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(SpecModel):
    """A taint on nodes that the pods put up with; the same fields as in a pod."""

    model_config = rules(
        Rule(
            "has(self.key) || self.operator == 'Exists'",
            "without a key the operator must be Exists",
        ),
        Rule(
            "!has(self.value) || self.operator == 'Equal'",
            "operator Exists takes no value: remove value or set operator: Equal",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerationSeconds needs effect: NoExecute",
        ),
    )

    key: Annotated[str, Field(min_length=1, max_length=317)] | None = None
    """Key of the taint; absent means every taint."""
    operator: TolerationOperator = TolerationOperator.EQUAL
    """Exists ignores the value, Equal compares it. Default as in a pod: Equal."""
    value: LabelValue | None = None
    """Value of the taint, for operator Equal."""
    effect: TaintEffect | None = None
    """Effect of the taint; absent means every effect."""
    toleration_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Seconds for which a NoExecute taint is tolerated; absent means for ever."""


class PodOptions(SpecModel):
    """Where pods run and what they may use."""

    resources: Resources = Resources()
    """Compute resources of each pod; none by default."""
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=32), ATOMIC_MAP] = Field(
        default={}
    )
    """Labels that a node must have; none by default."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=16), ATOMIC] = ()
    """Taints that the pods put up with; none by default."""
