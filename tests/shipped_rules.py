"""The alert rules that the chart ships, as tests read them.

Exists so that every test means the same files. Never evaluates an expression.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
RULES = ROOT / "charts" / "autoglm-operator" / "files" / "rules"


@dataclass(frozen=True)
class AlertRule:
    """One alert rule."""

    file: str
    """Name of the file that it stands in."""
    name: str
    expression: str
    labels: dict[str, str]
    annotations: dict[str, str]
    pause: str
    """Its `for`; empty if it fires at once."""


def alerts() -> Iterator[AlertRule]:
    """Every alert rule, file by file."""
    for path in sorted(RULES.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield AlertRule(
                    path.name,
                    rule["alert"],
                    rule["expr"],
                    rule["labels"],
                    rule["annotations"],
                    str(rule.get("for", "")),
                )
