"""What the chart tells the healer about its guards, and what it refuses to install."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Document = dict[str, Any]
Render = Callable[..., list[Document]]

CHART = Path(__file__).parents[3] / "charts" / "autoglm-operator"
URLS = "alertmanager.urls={http://one:9093,http://two:9093}"


def told(documents: list[Document]) -> dict[str, str]:
    """The healer's variables."""
    (deployment,) = (
        each
        for each in documents
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "autoglm-healer"
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ((), "Off"),
        ((URLS,), "Require"),
        ((URLS, "deadMan.mode=Off"), "Off"),
        ((URLS, "deadMan.mode=Require"), "Require"),
        # What YAML makes of an Off without quotes.
        ((URLS, "deadMan.mode=false"), "Off"),
    ],
)
def test_waits_for_the_watchdog_where_somebody_can_be_asked(
    render: Render, values: tuple[str, ...], mode: str
) -> None:
    assert told(render(*values))["AUTOGLM_DEAD_MAN_MODE"] == mode


def test_a_watchdog_that_nobody_can_be_asked_for_is_refused(helm: Path) -> None:
    argv = [str(helm), "template", "x", str(CHART), "--set", "deadMan.mode=Require"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "set alertmanager.urls, or deadMan.mode to Off" in done.stderr


def test_the_budget_reaches_the_healer(render: Render) -> None:
    env = told(render("healing.budget.maxRunsPerHour=7", "healing.budget.maxNodeActions=2"))
    names = ("MAX_CONCURRENT", "MAX_RUNS_PER_HOUR", "MAX_NODE_ACTIONS")
    assert [env[f"AUTOGLM_BUDGET_{name}"] for name in names] == ["5", "7", "2"]


def test_approvers_may_approve_and_nothing_else_of_a_run(render: Render) -> None:
    (role,) = (
        each
        for each in render()
        if each["kind"] == "ClusterRole" and each["metadata"]["name"] == "autoglm-approver"
    )
    granted = {
        (what, verb)
        for rule in role["rules"]
        for what in rule["resources"]
        for verb in rule["verbs"]
    }
    runs = {verb for what, verb in granted if what == "healingruns"}
    assert runs == {"get", "list", "watch", "patch", "approve"}
    assert {what for what, _ in granted} == {"healingruns", "healingpolicies"}
