"""Verification by metrics: which queries are asked for a target, and whether the answers are good.

A query comes from the admin's catalogue by its name, or from the policy itself where the admin
trusts its namespace. Missing data is never good. Never asks anybody.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from autoglm_api.conditions import Reason
from autoglm_api.healingevidence import Evidence, MetricReading
from autoglm_api.healingpolicy import MetricCheck, ThresholdRange, Verification
from autoglm_operator.decisions.healing import Denial, Health

_PLACEHOLDER: Final = re.compile(r"\$(namespace|name|kind)\b")
"""What a query may say instead of the target; a lone $ is part of many a regular expression."""

Catalogue = Mapping[str, str]
"""The admin's queries by name."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query for one target."""

    name: str
    """Its name in the catalogue, or its own text, as the record shows it."""
    text: str
    """PromQL, complete."""
    good: ThresholdRange
    """Where every sample of the answer must lie."""


def problem_of(verify: Verification, catalogue: Catalogue, *, trusted: bool) -> Denial | None:
    """Why the metric checks of a policy cannot be used; None if they can.

    Args:
        verify: What the policy asks for.
        catalogue: The admin's queries by name.
        trusted: Whether the admin trusts the policy's namespace with queries of its own.
    """
    for check in verify.metrics:
        if check.name is not None and check.name not in catalogue:
            known = ", ".join(sorted(catalogue)) or "none"
            return Denial(
                Reason.QUERY_UNKNOWN,
                f"The catalogue has no query {check.name}: choose one of {known}, or ask the"
                " administrator to add it to the chart's verification.queries.",
            )
        if check.query is not None and not trusted:
            return Denial(
                Reason.QUERY_NOT_ALLOWED,
                "Queries of its own are for policies in trusted namespaces: name one of the"
                " catalogue, or ask the administrator to list this namespace in the chart's"
                " trustedNamespaces.",
            )
    return None


def texts(verify: Verification, catalogue: Catalogue) -> tuple[str, ...]:
    """The queries of a policy as Prometheus would parse them, for any target."""
    queries = (_text(check, catalogue) for check in verify.metrics)
    return tuple(_PLACEHOLDER.sub("any", text) for text in queries if text is not None)


def queries(
    verify: Verification, catalogue: Catalogue, target: Mapping[str, str], *, trusted: bool
) -> tuple[Query, ...]:
    """The queries for one target; one without a text must not or cannot be asked.

    Args:
        verify: What a run has to prove: a copy of what its policy said, accepted or not.
        catalogue: The admin's queries by name; a name that it lacks gives a query without a text.
        trusted: As for `problem_of`; elsewhere a query of its own is never asked, whatever became
            of the policy since.
        target: The target's `namespace`, `name` and `kind`. Kubernetes names hold nothing that
            means anything in PromQL, so they can be put in as they are.
    """
    return tuple(
        Query(
            name=check.name or check.query or "",
            text=_PLACEHOLDER.sub(lambda found: target[found[1]], _text(check, catalogue) or ""),
            good=check.threshold_range,
        )
        if trusted or check.query is None
        else Query(name=check.query, text="", good=check.threshold_range)
        for check in verify.metrics
    )


def reading(query: Query, samples: Sequence[float] | None) -> MetricReading:
    """What the answer to a query says; None and an empty answer are missing data."""
    if not samples:
        return MetricReading(name=query.name, good=False)
    bad = [sample for sample in samples if not query.good.holds(sample)]
    shown = max(bad or samples, key=lambda sample: _distance(query.good, sample))
    return MetricReading(name=query.name, value=f"{shown:g}", good=not bad)


def with_readings(
    health: Health, verify: Verification, readings: Sequence[MetricReading]
) -> Health:
    """The health of a target whose metrics count as well as its state."""
    if not verify.metrics:
        return health
    evidence = (health.evidence or Evidence()).model_copy(update={"metrics": tuple(readings)})
    bad = next((each for each in readings if not each.good), None)
    if not health.healthy or health.evidence is None:
        return replace(health, evidence=evidence if health.evidence is not None else None)
    if len(readings) < len(verify.metrics):
        return Health(healthy=False, message="The metrics were not asked yet.", evidence=evidence)
    if bad is not None:
        found = "has no data" if bad.value is None else f"is {bad.value}, which is not good"
        return Health(healthy=False, message=f"Metric {bad.name} {found}.", evidence=evidence)
    return replace(health, evidence=evidence)


def _text(check: MetricCheck, catalogue: Catalogue) -> str | None:
    return check.query if check.name is None else catalogue.get(check.name)


def _distance(good: ThresholdRange, sample: float) -> float:
    """How far a sample lies outside the range; what is no number lies furthest."""
    if math.isnan(sample):
        return math.inf
    above = sample - good.max if good.max is not None else -math.inf
    below = good.min - sample if good.min is not None else -math.inf
    return max(above, below)
