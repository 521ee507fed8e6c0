"""Rules, policies, runbooks, dashboards and metrics speak of the same things."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import promql_names
from autoglm_api.conditions import Reason
from autoglm_api.healingpolicy import HealingPolicySpec, Matcher, MatchType, TargetKind
from autoglm_api.healingrun import LeaseState
from autoglm_operator.receiver.outcomes import AlertOutcome
from shipped_rules import ROOT, AlertRule, alerts

ALERTS = {alert.name: alert for alert in alerts()}
DASHBOARDS = sorted((ROOT / "charts/autoglm-operator/files/dashboards").glob("*.json"))
CASES = ROOT / "tests/contract/rules/cases"
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Automatic healing", "Manual steps"]
FOREIGN = {name for names in promql_names.FOREIGN.values() for name in names}
ENDS = {"Succeeded", "Failed", "Escalated", "Skipped"}
"""Phases in which a run ends."""


def expressions(path: Path) -> list[str]:
    document = json.loads(path.read_text())
    return [target["expr"] for panel in document["panels"] for target in panel.get("targets", [])]


def everything() -> list[str]:
    """Every expression of rules and dashboards."""
    asked = [alert.expression for alert in ALERTS.values()]
    return asked + [each for path in DASHBOARDS for each in expressions(path)]


def policies() -> list[tuple[str, HealingPolicySpec]]:
    """Every policy of the samples, with where it stands."""
    return [
        (f"{path.name}: {document['metadata']['name']}", _spec(document))
        for path in sorted((ROOT / "docs/samples").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == "HealingPolicy"
    ]


def _spec(document: dict[str, Any]) -> HealingPolicySpec:
    return HealingPolicySpec.model_validate(document["spec"])


def alertnames(spec: HealingPolicySpec) -> set[str]:
    """The alerts that a policy names."""
    return {
        name
        for alert in spec.alerts
        for matcher in alert.matchers
        if matcher.name == "alertname"
        for name in _values(matcher)
    }


def _values(matcher: Matcher) -> list[str]:
    return matcher.value.split("|") if matcher.match_type is MatchType.REGEX else [matcher.value]


# ------------------------------------------------------------------ runbooks
def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.stem for path in (ROOT / "runbooks").glob("*.md")} == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda alert: alert.name)
def test_an_alert_says_how_bad_it_is_and_where_its_runbook_lies(alert: AlertRule) -> None:
    assert alert.labels.keys() == {"severity"}
    assert alert.labels["severity"] in {"critical", "warning", "none"}
    assert alert.annotations.keys() == {"summary", "description", "runbook_url"}
    assert alert.annotations["runbook_url"] == f"runbooks/{alert.name}.md"
    assert (ROOT / alert.annotations["runbook_url"]).is_file()


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_has_the_headings_in_their_order_and_something_below_each(alert: str) -> None:
    text = (ROOT / "runbooks" / f"{alert}.md").read_text()
    title, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    assert title == f"# {alert}\n\n"
    parts = [section.partition("\n\n") for section in sections]
    assert [heading for heading, _, _ in parts] == HEADINGS
    assert all(len(body) > 30 for _, _, body in parts)
    assert "```sh\n" in parts[2][2], "a diagnosis has commands"


# ------------------------------------------------------------------ metrics
def test_every_metric_that_is_asked_for_is_exposed_by_somebody() -> None:
    asked = {name for expression in everything() for name in promql_names.named(expression)}
    assert asked <= promql_names.ours() | FOREIGN
    assert asked >= FOREIGN, "a metric of others that nobody asks for need not be listed"


def test_a_metric_that_nobody_exposes_is_found() -> None:
    asked = 'sum by (pod) (rate(autoglm_typo_total{job="x"}[5m])) > 0 or on (a_b) kube_node_info'
    assert promql_names.named(asked) == {"autoglm_typo_total", "kube_node_info"}


@pytest.mark.parametrize(
    ("metric", "label", "known"),
    [
        ("autoglm_alerts_total", "outcome", set(AlertOutcome)),
        ("autoglm_healing_held", "reason", set(Reason)),
        ("autoglm_healing_runs_total", "outcome", ENDS),
        ("autoglm_healing_leases_total", "outcome", set(LeaseState)),
    ],
)
def test_a_word_that_is_asked_for_is_said(metric: str, label: str, known: set[str]) -> None:
    asked = {word for each in everything() for word in promql_names.matched(each, metric, label)}
    assert asked
    assert asked <= known


# ------------------------------------------------------------------ policies
@pytest.mark.parametrize(("where", "spec"), policies(), ids=[where for where, _ in policies()])
def test_a_sample_policy_names_alerts_that_are_shipped(where: str, spec: HealingPolicySpec) -> None:
    assert alertnames(spec), f"{where} names no alert"
    assert alertnames(spec) <= set(ALERTS)


@pytest.mark.parametrize(("where", "spec"), policies(), ids=[where for where, _ in policies()])
def test_its_alerts_carry_the_labels_that_lead_to_its_target(
    where: str, spec: HealingPolicySpec
) -> None:
    source = spec.target.source
    wanted = {spec.target.name_label}
    if spec.target.kind is not TargetKind.NODE:
        wanted.add(source.namespace_label)
    for name in alertnames(spec):
        assert _shows(name, wanted), f"{where}: {name} never carries {wanted}"


def _shows(name: str, wanted: set[str]) -> bool:
    """Whether an alert is expected with these labels in some case that promtool plays."""
    cases = yaml.safe_load((CASES / ALERTS[name].file).read_text())["tests"]
    labels = [
        set(fired["exp_labels"])
        for case in cases
        for expected in case["alert_rule_test"]
        if expected["alertname"] == name
        for fired in expected["exp_alerts"]
    ]
    return any(wanted <= each for each in labels)


def test_the_demo_raises_an_alert_that_is_shipped() -> None:
    document = yaml.safe_load((ROOT / "hack/demo/rules.yaml").read_text())
    named = {rule["alert"] for group in document["groups"] for rule in group["rules"]}
    assert named <= set(ALERTS)


def test_none_of_the_samples_heals_healing_itself() -> None:
    own = {name for name, alert in ALERTS.items() if alert.file == "healing.yaml"}
    own |= {"AutoGLMOperatorDown", "AutoGLMReceiverDown", "AutoGLMHealerDown"}
    assert not {name for _, spec in policies() for name in alertnames(spec)} & own
