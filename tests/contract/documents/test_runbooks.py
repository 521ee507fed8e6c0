"""Every alert that a sample policy or our own rules name has a runbook of the same form."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Automatic healing", "Manual steps"]


def _named_by_policies() -> set[str]:
    policies = yaml.safe_load_all((ROOT / "docs/samples/healing.yaml").read_text())
    return {
        matcher["value"]
        for policy in policies
        for alert in policy["spec"]["alerts"]
        for matcher in alert["matchers"]
        if matcher["name"] == "alertname"
    }


def _named_by_rules() -> set[str]:
    rules = yaml.safe_load((ROOT / "hack/demo/rules.yaml").read_text())
    return {rule["alert"] for group in rules["groups"] for rule in group["rules"]}


@pytest.mark.parametrize("alert", sorted(_named_by_policies() | _named_by_rules()))
def test_an_alert_that_we_name_has_a_runbook(alert: str) -> None:
    text = (ROOT / "runbooks" / f"{alert}.md").read_text()
    lines = text.splitlines()
    assert lines[0] == f"# {alert}"
    assert [line[3:] for line in lines if line.startswith("## ")] == HEADINGS


def test_policies_of_the_samples_name_alerts_that_the_demo_raises() -> None:
    assert _named_by_policies() <= _named_by_rules()
