"""Every query of every dashboard, asked of a Prometheus that has seen all the faults.

Grafana itself is not run: it sends these queries as they are, with its variables filled in.
"""

import json
from pathlib import Path
from typing import Any, cast

import pytest

import cluster_prometheus
from rules_stage import SICK, RulesStage
from shipped_rules import ROOT
from timeline import Timeline, within

DASHBOARDS = sorted((ROOT / "charts/autoglm-operator/files/dashboards").glob("*.json"))
VARIABLES = {"$__rate_interval": "30s", "$namespace": SICK}
STEP_SECONDS = 10.0
PATIENCE = 60.0


def queries(path: Path) -> list[Any]:
    """Each expression of a dashboard, called by its panel and letter."""
    panels = cast("list[dict[str, Any]]", json.loads(path.read_text())["panels"])
    return [
        pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")
        for panel in panels
        for target in panel.get("targets", [])
    ]


@pytest.mark.parametrize("expression", [each for path in DASHBOARDS for each in queries(path)])
def test_a_panel_shows_something(expression: str, scene: RulesStage, timeline: Timeline) -> None:
    asked = expression
    for name, value in VARIABLES.items():
        asked = asked.replace(name, value)
    assert "$" not in asked.replace('"$1"', "")

    def shows() -> bool:
        found = cluster_prometheus.over_time(asked, scene.began, STEP_SECONDS)
        return any(each.numbers for each in found)

    timeline.want(within(PATIENCE), "there is something to draw", shows)
    timeline.lines.clear()
