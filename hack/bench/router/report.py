"""Prints the figures and writes them as JSON under fixed names."""

import json
from collections.abc import Mapping
from pathlib import Path

from bench.router.changing import Changed
from bench.router.measuring import Run

LIMITS = {
    "throughput_vs_haproxy": (">=", 0.5),
    "throughput_with_hop_vs_haproxy": (">=", 0.25),
    "throughput_vs_litellm": (">=", 100.0),
    "added_p50_ms": ("<=", 0.5),
    "weight_change_p99_s": ("<=", 1.0),
    "failed_during_changes": ("<=", 0.0),
}
"""What the router is to keep."""


def figures(
    full: Mapping[str, Run], slow: Mapping[str, Run], changed: Changed
) -> dict[str, float | None]:
    """The figures by name; None for one that could not be taken."""
    ours, bare, litellm = full["ours"], full["haproxy"], full.get("litellm")
    return {
        "throughput_vs_haproxy": ours.per_second / bare.per_second,
        "throughput_with_hop_vs_haproxy": full["ours with hop"].per_second / bare.per_second,
        "throughput_vs_litellm": ours.per_second / litellm.per_second if litellm else None,
        "added_p50_ms": slow["ours"].p50_milliseconds - slow["direct"].p50_milliseconds,
        "weight_change_p99_s": changed.weight_p99_seconds,
        "failed_during_changes": changed.traffic.failed,
    }


def table(case: str, rows: Mapping[str, Run], base: str = "haproxy") -> str:
    """One case, a row per target, with its ratio to one of them."""
    head = f"{'':16}{'requests/s':>12}{'x ' + base:>12}{'p50 ms':>10}{'p99 ms':>10}{'failed':>8}"
    lines = [case, head]
    for name, run in rows.items():
        ratio = run.per_second / rows[base].per_second if rows[base].per_second else 0.0
        lines.append(
            f"{name:16}{run.per_second:12.0f}{ratio:12.3f}{run.p50_milliseconds:10.2f}"
            f"{run.p99_milliseconds:10.2f}{run.failed:8d}"
        )
    return "\n".join(lines)


def verdicts(found: Mapping[str, float | None]) -> str:
    """Every figure beside its limit."""
    lines: list[str] = []
    for name, (sign, limit) in LIMITS.items():
        value = found[name]
        if value is None:
            lines.append(f"{name:34}{'not taken':>12}   {sign} {limit}")
            continue
        held = value >= limit if sign == ">=" else value <= limit
        lines.append(f"{name:34}{value:12.3f}   {sign} {limit}   {'ok' if held else 'MISSED'}")
    return "\n".join(lines)


def write(path: Path, found: Mapping[str, float | None]) -> None:
    """Write the figures that were taken."""
    taken = {name: value for name, value in found.items() if value is not None}
    path.write_text(json.dumps(taken, indent=2, sort_keys=True) + "\n")
