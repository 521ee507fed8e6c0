"""For every rule of the healing kinds, an object that breaks it and one that keeps it."""

from typing import Final

from customresources import Object, a_policy, a_run
from rulecases import ChangeCase, RuleCase, with_field

LABEL_KEY: Final = "a label key has at most 317 characters"


def healing_rules() -> list[RuleCase]:
    """Every rule that looks at one object."""
    return [*_verification(), *_runs(), *_policies()]


def healing_changes() -> list[ChangeCase]:
    """Every rule that looks at a change."""
    return [
        ChangeCase(
            "spec never changes: edit the HealingPolicy, which applies to later alerts",
            before=a_run(),
            refused=with_field(a_run(), "alert.fingerprint", "other"),
            taken=_labelled(a_run()),
            field="",
        ),
    ]


def _verification() -> list[RuleCase]:
    verify = "timeout must be longer than stabilization, or no action could ever be verified"
    field = "verify.stabilization"
    return [
        RuleCase(
            verify,
            with_field(a_policy(), field, "5m"),
            with_field(a_policy(), field, "4m59s"),
            "spec.verify",
        ),
        RuleCase(
            verify, with_field(a_run(), f"policy.{field}", "5m"), a_run(), "spec.policy.verify"
        ),
    ]


def _runs() -> list[RuleCase]:
    return [
        RuleCase(
            f"write a duration from {shortest} to {longest}, like 30s or 1h30m",
            with_field(a_run(), f"policy.verify.{field}", f"{longest}1ms"),
            a_run(),
            f"spec.policy.verify.{field}",
        )
        for field, shortest, longest in (("stabilization", "1s", "1h"), ("timeout", "2s", "6h"))
    ]


def _policies() -> list[RuleCase]:
    regex = "value is no regular expression: write RE2 syntax, as in 'warning|critical'"
    named = (
        "say which alert is meant: add a matcher such as"
        " {name: alertname, value: KubePodCrashLooping}"
    )
    empty = "name at least one label: an empty selector would match everything and is refused"
    scope = "action Restart needs a scope: write restart: {scope: Pod} or {scope: Workload}"
    fits = (
        "restart scope Workload needs target kind Workload:"
        " write scope: Pod, or target: {kind: Workload, ...}"
    )
    workload = [{"action": "Restart", "restart": {"scope": "Workload"}}]
    cases: list[RuleCase] = [
        RuleCase(
            regex, _matching("=~", "a("), _matching("=~", "a|b"), "spec.alerts[0].matchers[0]"
        ),
        RuleCase(named, _matching("!=", "a"), _matching("=", "a"), "spec.alerts[0]"),
        RuleCase(fits, a_policy(ladder=workload), _on_workload(), "spec"),
    ]
    for good, block, path in ((a_policy(), "", "spec"), (a_run(), "policy.", "spec.policy")):
        selector = f"{block}target.selector.matchLabels"
        cases += [
            RuleCase(
                scope,
                with_field(good, f"{block}ladder", [{"action": "Restart"}]),
                good,
                f"{path}.ladder[0]",
            ),
            RuleCase(empty, with_field(good, selector, {}), good, f"spec.{selector}"),
            RuleCase(
                LABEL_KEY,
                with_field(good, selector, {"a" * 318: "b"}),
                with_field(good, selector, {"a" * 317: "b"}),
                f"spec.{selector}",
            ),
        ]
    return cases


def _on_workload() -> Object:
    policy = a_policy(ladder=[{"action": "Restart", "restart": {"scope": "Workload"}}])
    return with_field(policy, "target.kind", "Workload")


def _matching(match_type: str, value: str) -> Object:
    matcher = {"name": "alertname", "matchType": match_type, "value": value}
    return a_policy(alerts=[{"matchers": [matcher]}])


def _labelled(obj: Object) -> Object:
    obj["metadata"]["labels"] = {"seen": "true"}
    return obj
