"""Every shipped rule fires when it should and only then, as the real promtool sees it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipped_rules import RULES, alerts

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.name for path in RULES.glob("*.yaml"))
ALWAYS_FIRING = {"Watchdog"}


def run(promtool: list[str], *words: str, where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*promtool, *words], cwd=where, capture_output=True, text=True, check=False
    )


def beside(where: Path, name: str, *, cases: str | None = None) -> None:
    """Put rules and their cases beside each other, as the cases name them."""
    (where / name).write_text((RULES / name).read_text())
    (where / "cases.yaml").write_text(cases or (CASES / name).read_text())


@pytest.mark.parametrize("name", NAMES)
def test_rules_are_valid(promtool: list[str], name: str) -> None:
    done = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", name, where=RULES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_rules_fire_in_their_cases_and_only_there(
    promtool: list[str], name: str, tmp_path: Path
) -> None:
    beside(tmp_path, name)
    done = run(promtool, "test", "rules", "cases.yaml", where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_case_that_expects_something_else_fails(promtool: list[str], tmp_path: Path) -> None:
    name = "nodes.yaml"
    text = (CASES / name).read_text()
    beside(tmp_path, name, cases=text.replace("has only 14.0 %", "has only 13.0 %"))
    done = run(promtool, "test", "rules", "cases.yaml", where=tmp_path)
    assert done.returncode != 0


def expectations(name: str) -> list[dict[str, Any]]:
    document = yaml.safe_load((CASES / name).read_text())
    assert document["rule_files"] == [name]
    return [each for case in document["tests"] for each in case["alert_rule_test"]]


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    expected = expectations(name)
    fires = {each["alertname"] for each in expected if each["exp_alerts"]}
    silent = {each["alertname"] for each in expected if not each["exp_alerts"]}
    ours = {alert.name for alert in alerts() if alert.file == name}
    assert fires == ours
    assert silent == ours - ALWAYS_FIRING
