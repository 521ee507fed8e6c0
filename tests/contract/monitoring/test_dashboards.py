"""Dashboards are what Grafana accepts, as far as their structure says.

Grafana itself is not run: what is checked is what makes it refuse a dashboard, hide a panel or show
"No data" for a wrong expression.
"""

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipped_rules import ROOT

Document = dict[str, Any]

DASHBOARDS = sorted((ROOT / "charts/autoglm-operator/files/dashboards").glob("*.json"))
COLUMNS = 24
KINDS = {"row", "timeseries", "stat", "table"}
BUILT_IN = {"__rate_interval"}
"""Variables that Grafana sets by itself."""
pytestmark = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def read(path: Path) -> Document:
    document: Document = json.loads(path.read_text())
    return document


def test_it_is_a_dashboard_of_its_own(path: Path) -> None:
    document = read(path)
    assert document["uid"] == f"autoglm-{path.stem}"
    assert document["title"].startswith("AutoGLM ")
    assert document["schemaVersion"] >= 39
    assert "id" not in document, "the id belongs to the Grafana that it is loaded into"
    others = {read(each)["uid"] for each in DASHBOARDS if each != path}
    assert document["uid"] not in others


def test_every_panel_says_what_it_shows_and_has_a_place(path: Path) -> None:
    panels = read(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] in KINDS
        assert panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["targets"]
    overlapping = [
        (one["title"], other["title"])
        for one, other in combinations(panels, 2)
        if _overlap(one["gridPos"], other["gridPos"])
    ]
    assert not overlapping


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or above)


def test_every_query_goes_to_the_chosen_data_source_and_knows_its_variables(path: Path) -> None:
    document = read(path)
    known = {variable["name"] for variable in document["templating"]["list"]}
    assert "datasource" in known
    used: set[str] = set()
    for panel in (each for each in document["panels"] if each["type"] != "row"):
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            used |= set(re.findall(r"\$(?!\d)\{?(\w+)", target["expr"]))
    assert used <= known | BUILT_IN
    assert known - {"datasource"} <= used


def test_every_expression_is_promql(path: Path, promtool: list[str], tmp_path: Path) -> None:
    asked = [
        target["expr"] for panel in read(path)["panels"] for target in panel.get("targets", [])
    ]
    rules = [
        {"record": f"check:{number}", "expr": _filled(expression)}
        for number, expression in enumerate(asked)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        [*promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _filled(expression: str) -> str:
    return expression.replace("$__rate_interval", "5m").replace("$namespace", ".*")
