"""Panels about upstreams name them as users do, whatever HAProxy's server is called.

The series are those that HAProxy gives: the server of an external endpoint has the upstream's name,
that of a pod has a piece of the pod's UID behind it, and the model is the label desc.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipped_rules import ROOT

PANELS: list[dict[str, Any]] = json.loads(
    (ROOT / "charts/autoglm-operator/files/dashboards/router.json").read_text()
)["panels"]
TARGETS = [
    (panel["title"], target)
    for panel in PANELS
    for target in panel.get("targets", [])
    if "haproxy_server_" in target["expr"]
]
MODEL = "Vendor/GLM 4.6"
TIER = "tier.0.Vendor_GLM_4_6.0123abcd"
SERVERS = {"vendor": "vendor", "local": "local.aaaaaaaa"}
"""Server of HAProxy by name of the upstream."""
KNOWN = {"desc": MODEL, "code": "2xx"}
"""What other labels that a legend may name must say."""


def test_all_panels_about_upstreams_are_looked_at() -> None:
    assert {name for name, _ in TARGETS} >= {"Share per endpoint", "Circuits", "Connection errors"}
    assert not [name for name, target in TARGETS if "{{upstream}}" not in target["legendFormat"]]


@pytest.mark.parametrize(("title", "target"), TARGETS, ids=[name for name, _ in TARGETS])
def test_a_line_is_named_after_upstream_and_model(
    title: str, target: dict[str, Any], promtool: list[str], tmp_path: Path
) -> None:
    shown = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
    assert set(shown) <= {"upstream", *KNOWN}, f"{title} shows more than a name"
    expression = target["expr"].replace("$__rate_interval", "5m").replace("$namespace", ".*")
    (metric,) = set(re.findall(r"haproxy_server_\w+", expression))
    series = [
        {
            "series": f'{metric}{{namespace="team-a", proxy="{TIER}", desc="{MODEL}",'
            f' server="{server}", code="2xx", state="DOWN"}}',
            "values": "1+60x20",
        }
        for server in SERVERS.values()
    ]
    expected = [
        {"labels": _labels({name: {**KNOWN, "upstream": upstream}[name] for name in shown})}
        for upstream in SERVERS
    ]
    asked = {
        "expr": f"count by ({', '.join(shown)}) ({expression})",
        "eval_time": "15m",
        "exp_samples": [{**sample, "value": 1} for sample in expected],
    }
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [asked]}
    file = tmp_path / "panel.yaml"
    file.write_text(yaml.safe_dump({"tests": [test]}))
    done = subprocess.run(
        [*promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _labels(found: dict[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in found.items()) + "}"
