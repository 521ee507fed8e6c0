"""Which policies an alert concerns, and the run that follows from it.

An alert is a claim by its sender: outside trusted namespaces a policy only ever matches alerts that
name its own namespace. Never looks at a cluster.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol, cast

import re2  # pyright: ignore[reportMissingTypeStubs]

from autoglm_api import kinds
from autoglm_api.alerts import Alert
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingpolicy import HealingPolicy, Matcher, MatchType
from autoglm_api.healingrun import (
    AlertSource,
    HealingRunSpec,
    PolicyCopy,
    RunAlert,
    run_name,
)

COMPILED_LIMIT: Final = 4096
"""Expressions kept compiled. Arbitrary, because a cluster has far fewer policies."""


EXPRESSION_BYTES: Final = 1 << 20
"""Memory that one compiled expression may take; RE2 refuses larger ones. Arbitrary, because the
longest expression that a policy may hold needs a tenth of it."""


BAD_EXPRESSION: Final = cast("type[Exception]", re2.error)  # pyright: ignore[reportUnknownMemberType]
"""What is raised for a text that is no RE2 expression."""


class _Expression(Protocol):
    def fullmatch(self, text: str) -> object | None: ...


def problem_of(policy: HealingPolicy) -> str | None:
    """Why a policy cannot be used although the API server stored it; None if it can."""
    for alert in policy.spec.alerts:
        for matcher in alert.matchers:
            if matcher.match_type in (MatchType.REGEX, MatchType.NOT_REGEX):
                try:
                    _compiled(matcher.value)
                except BAD_EXPRESSION:
                    return (
                        f"The matcher of label {matcher.name} holds no RE2 expression:"
                        f" {matcher.value!r}."
                    )
    return None


def matches(policy: HealingPolicy, labels: Mapping[str, str], trusted: frozenset[str]) -> bool:
    """Whether a policy is about an alert with these labels.

    Args:
        policy: The live policy; `problem_of` has found none.
        labels: The alert's labels.
        trusted: Namespaces whose policies may match alerts of other namespaces.
    """
    own = policy.metadata.namespace
    if own not in trusted and labels.get(policy.spec.target.source.namespace_label) != own:
        return False
    return _is_about(policy, labels)


def matches_event(
    policy: HealingPolicy, labels: Mapping[str, str], hint: ActionName | None
) -> bool:
    """Whether a policy is about an event: its matchers fit and it allows the action asked for.

    Args:
        policy: The live policy, in a namespace whose policies may match events.
        labels: alertname, instance and severity.
        hint: The action that the sender wishes for; None if it leaves that to the policy.
    """
    allowed = hint is None or any(step.action is hint for step in policy.spec.ladder)
    return allowed and _is_about(policy, labels)


def run_for(
    policy: HealingPolicy,
    alert: Alert,
    source: AlertSource = AlertSource.ALERTMANAGER,
    hint: ActionName | None = None,
) -> dict[str, Any]:
    """The HealingRun of one policy for one episode of an alert; the same for every delivery.

    Args:
        policy: The live policy.
        alert: What fires.
        source: Who reported it.
        hint: The action that its sender wishes for; the run's ladder begins with it.

    Raises:
        ValueError: the alert does not fit into a run; the message says why.
    """
    meta, spec = policy.metadata, policy.spec
    built = HealingRunSpec(
        policy=PolicyCopy(
            name=meta.name,
            uid=meta.uid,
            generation=meta.generation,
            mode=spec.mode,
            target=spec.target,
            ladder=_ladder(policy, hint),
            verify=spec.verify,
        ),
        alert=RunAlert(
            name=alert.name,
            fingerprint=alert.fingerprint,
            starts_at=alert.starts_at,
            labels=alert.labels,
            source=source,
            action_hint=hint,
        ),
    )
    return {
        "apiVersion": kinds.HEALING_RUN.api_version,
        "kind": kinds.HEALING_RUN.kind,
        "metadata": {"name": _run_name(policy, alert), "namespace": meta.namespace},
        "spec": built.as_json(),
    }


def run_path(policy: HealingPolicy, alert: Alert) -> str:
    """Namespace and name of the run of one policy for one episode of an alert."""
    return f"{policy.metadata.namespace}/{_run_name(policy, alert)}"


def _ladder(policy: HealingPolicy, hint: ActionName | None) -> tuple[LadderStep, ...]:
    """The policy's ladder from the first step with the action wished for."""
    ladder = policy.spec.ladder
    begin = next((index for index, step in enumerate(ladder) if step.action is hint), 0)
    return ladder[begin:]


def _run_name(policy: HealingPolicy, alert: Alert) -> str:
    meta = policy.metadata
    return run_name(meta.name, meta.uid, alert.fingerprint, alert.starts_at)


def _is_about(policy: HealingPolicy, labels: Mapping[str, str]) -> bool:
    return any(
        all(_fits(matcher, labels.get(matcher.name, "")) for matcher in alert.matchers)
        for alert in policy.spec.alerts
    )


def _fits(matcher: Matcher, value: str) -> bool:
    if matcher.match_type is MatchType.EQUAL:
        return value == matcher.value
    if matcher.match_type is MatchType.NOT_EQUAL:
        return value != matcher.value
    return covers(matcher.value, value) is (matcher.match_type is MatchType.REGEX)


def covers(expression: str, value: str) -> bool:
    """Whether an RE2 expression describes all of a value.

    Raises:
        BAD_EXPRESSION: the text is no RE2 expression.
    """
    return _compiled(expression).fullmatch(value) is not None


@lru_cache(maxsize=COMPILED_LIMIT)
def _compiled(expression: str) -> _Expression:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = EXPRESSION_BYTES
    compiled = re2.compile(expression, options)  # pyright: ignore[reportUnknownMemberType]
    return cast("_Expression", compiled)
