"""The figures: how they are computed, what they should be, and how they are shown. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final

LIMITS: Final[Mapping[str, tuple[str, float]]] = {
    "lost": ("<=", 0.0),
    "doubled": ("<=", 0.0),
    "store_vs_api_create": (">=", 0.7),
    "ack_p99_ms": ("<=", 250.0),
    "alert_to_action_p99_s": ("<=", 1.0),
    "recovery_s": ("<", 10.0),
}
"""What receivers and healer are to keep."""
MEASURED: Final = (*LIMITS, "rss_growth_mib")
"""Every figure; the last has no limit."""
MUST_HOLD: Final = ("lost", "doubled")
"""Figures that are no matter of speed: the bench fails if one of them is missed."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least a share of all values does not exceed.

    Args:
        values: At least one.
        share: Above 0, at most 1.

    Raises:
        ValueError: there are no values, or the share is out of range.
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"A percentile needs values and a share in (0, 1], not {share}.")
    # Without the rounding 0.99 x 100 would be a little more than 99.
    rank = math.ceil(round(share * len(values), 9))
    return sorted(values)[rank - 1]


def rate(count: int, seconds: float) -> float:
    """How many per second.

    Raises:
        ValueError: no time has passed.
    """
    if seconds <= 0:
        raise ValueError(f"A rate needs time to pass, not {seconds} s.")
    return count / seconds


def held(name: str, value: float) -> bool | None:
    """Whether a figure keeps its limit; None if it has none."""
    if name not in LIMITS:
        return None
    sign, limit = LIMITS[name]
    if sign == ">=":
        return value >= limit
    return value < limit if sign == "<" else value <= limit


def verdicts(found: Mapping[str, float]) -> str:
    """Every figure beside its limit."""
    lines: list[str] = []
    for name in MEASURED:
        sign, limit = LIMITS.get(name, ("", math.nan))
        bound = f"{sign} {limit:g}" if sign else "no limit"
        said = {True: "met", False: "MISSED", None: ""}[held(name, found[name])]
        lines.append(f"{name:24}{found[name]:12.3f}   {bound:10}   {said}".rstrip())
    return "\n".join(lines)


def exit_code(found: Mapping[str, float]) -> int:
    """1 if an alert was lost or doubled; a missed limit of speed is only shown."""
    return 0 if all(held(name, found[name]) for name in MUST_HOLD) else 1


def as_json(found: Mapping[str, float]) -> str:
    """The figures by name."""
    return json.dumps({name: found[name] for name in MEASURED}, indent=2) + "\n"
