"""The test cluster's Prometheus, as tests ask it.

Exists so that a test sees what fired although it fires no more: Prometheus keeps `ALERTS` as it
keeps any metric. Never changes anything there.
"""

import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import cast

from kubeconfig import Object

PROMETHEUS = "http://prometheus.monitoring.svc:9090"
STEP_SECONDS = 2
"""As often as it scrapes and evaluates."""


@dataclass(frozen=True)
class Firing:
    """One alert that fires or has fired."""

    name: str
    labels: dict[str, str]
    since: float
    """Unix time at which it was first seen firing."""


@dataclass(frozen=True)
class Series:
    """One line of an answer."""

    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def numbers(self) -> list[float]:
        """What can be drawn of it."""
        return [value for _, value in self.points if math.isfinite(value)]


def over_time(expression: str, since: float, step_seconds: float = STEP_SECONDS) -> list[Series]:
    """What an expression was from a Unix time until now.

    Raises:
        AssertionError: Prometheus refuses it, or does not answer.
    """
    asked = {
        "query": expression,
        "start": f"{since:.3f}",
        "end": f"{time.time():.3f}",
        "step": str(step_seconds),
    }
    found = cast("list[Object]", _ask("query_range", asked)["result"])
    return [
        Series(each["metric"], [(float(at), float(value)) for at, value in each["values"]])
        for each in found
    ]


def fired(name: str, since: float) -> list[Firing]:
    """Every alert of a name that has fired since then."""
    seen = over_time(f'ALERTS{{alertname="{name}", alertstate="firing"}}', since)
    return [Firing(name, each.labels, each.points[0][0]) for each in seen]


def firing() -> list[dict[str, str]]:
    """Labels of every alert that fires now."""
    found = cast("list[Object]", _ask("alerts", {})["alerts"])
    return [each["labels"] for each in found if each["state"] == "firing"]


def rules_are_loaded(names: set[str]) -> bool:
    """Whether it evaluates alert rules of these names, and no others."""
    groups = cast("list[Object]", _ask("rules", {"type": "alert"})["groups"])
    return {str(rule["name"]) for group in groups for rule in group["rules"]} == names


def _ask(what: str, values: dict[str, str]) -> Object:
    url = f"{PROMETHEUS}/api/v1/{what}?{urllib.parse.urlencode(values)}"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - the cluster's own
            return cast("Object", json.load(answer)["data"])
    except urllib.error.HTTPError as error:
        raise AssertionError(f"Prometheus refuses {values}: {error.read().decode()}") from error
    except OSError as error:
        raise AssertionError(f"Prometheus does not answer: {error}") from error
