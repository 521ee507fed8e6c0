"""`make bench-router`: our router beside a direct connection, bare HAProxy and LiteLLM."""

import argparse
import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.router import changing, litellm, measuring, report, tables
from bench.router.measuring import Case, Run
from bench.router.stage import (
    THREADS,
    Router,
    Stage,
    StageError,
    free_ports,
    is_open,
    resident_mebibytes,
    setting,
)
from buildcache.failures import BuildError

ENDPOINTS: Final = 4
FULL: Final = Case("1 KB replies, 370 B requests, 16 kept connections, as many as go")
SLOW: Final = Case("the same at 100 requests/s", rate=100)
STREAM: Final = Case("streams of 21 events", stream=True)
LARGE: Final = Case("requests of 1 MiB, model last, 8 connections", 1 << 20, 8, model_last=True)
CROWD: Final = Case("requests of 20 MiB, model last, 50 connections", 20 << 20, 50, model_last=True)


def main() -> int:
    """Measure, print, write; 1 if a figure misses its limit."""
    options = _options()
    try:
        with setting() as stage:
            return _bench(stage, options)
    except (BuildError, StageError) as error:
        print(f"bench-router: {error}", file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-router", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of every case")
    parser.add_argument("--seconds", type=float, default=4, help="of one run")
    parser.add_argument("--no-changes", action="store_true", help="leave out the changes")
    parser.add_argument("--no-litellm", action="store_true", help="leave out LiteLLM")
    return parser.parse_args()


def _bench(stage: Stage, options: argparse.Namespace) -> int:
    endpoints = free_ports(ENDPOINTS)
    addresses = ",".join(f"127.0.0.1:{port}" for port in endpoints)
    stage.start("endpoints", [str(stage.load), "serve", "--listen", addresses])
    stage.until("endpoints", lambda: all(is_open(port) for port in endpoints))
    targets, ours = _targets(stage, endpoints)
    if not options.no_litellm:
        with contextlib.suppress(BuildError, StageError):
            targets |= _litellm(stage, endpoints[0])
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {THREADS} threads each\n")
    found = {
        case.name: _rounds(stage, targets, case, options) for case in (FULL, SLOW, STREAM, LARGE)
    }
    for name, rows in found.items():
        print(report.table(name, rows) + "\n", flush=True)
    _crowd(stage, targets, ours, options.seconds * 3)
    if options.no_changes:
        return 0
    changed = changing.measure(stage, endpoints[0])
    print(
        f"{changing.WEIGHT_CHANGES} weight changes of {changing.UPSTREAMS} upstreams on 2 routers: "
        f"p50 {changed.weight_p50_seconds:.3f} s, p99 {changed.weight_p99_seconds:.3f} s; "
        f"{changing.RELOADS} reloads: longest {changed.reload_p99_seconds:.2f} s (at most one per "
        f"2 s); then the router 1-4-1 behind a stand-in for its Service, an endpoint 1-4-1 and the "
        f"agent killed: {changed.traffic.requests} requests, {changed.traffic.failed} failed "
        f"{dict(changed.traffic.failures)}\n"
    )
    figures = report.figures(found[FULL.name], found[SLOW.name], changed)
    print(report.verdicts(figures))
    if os.environ.get("BENCH_JSON"):
        report.write(Path(os.environ["BENCH_JSON"]), figures)
    return 1 if "MISSED" in report.verdicts(figures) else 0


def _targets(stage: Stage, endpoints: list[int]) -> tuple[dict[str, int], Router]:
    bare = free_ports(1)[0]
    stage.plain_haproxy("haproxy", tables.plain(bare, endpoints, THREADS), bare)
    ours, hopped = (Router(stage, name, free_ports(4)) for name in ("ours", "hopped"))
    ours.start(tables.document([tables.managed(f"e{port}", [port]) for port in endpoints]))
    hopped.start(tables.document([tables.external(f"e{port}", port) for port in endpoints]))
    targets = {
        "direct": endpoints[0],
        "haproxy": bare,
        "ours": ours.port,
        "ours with hop": hopped.port,
    }
    return targets, ours


def _crowd(stage: Stage, targets: Mapping[str, int], ours: Router, seconds: float) -> None:
    """What the lane costs with many images at once: time beside bare HAProxy's, and memory."""
    rows = {
        name: measuring.run(stage.load, targets[name], CROWD, seconds)
        for name in ("direct", "haproxy", "ours")
    }
    print(report.table(CROWD.name, rows))
    lane, haproxy = (resident_mebibytes(one) for one in (ours.lane, ours.haproxy))
    print(f"most memory: lane {lane:.0f} MiB, HAProxy {haproxy:.0f} MiB\n", flush=True)


def _litellm(stage: Stage, endpoint: int) -> dict[str, int]:
    """Start LiteLLM; prints why if it cannot be."""
    try:
        program = litellm.ensure()
        port = free_ports(1)[0]
        text, arguments = litellm.configuration(port, endpoint, tables.KEY)
        config = stage.directory / "litellm.yaml"
        config.write_text(text)
        stage.start(
            "litellm",
            [str(program), "--config", str(config), *arguments],
            {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
        )
        stage.until("litellm", lambda: is_open(port))
    except (BuildError, StageError) as error:
        print(f"litellm: skipped: {error}")
        raise
    return {"litellm": port}


def _rounds(
    stage: Stage, targets: Mapping[str, int], case: Case, options: argparse.Namespace
) -> dict[str, Run]:
    """Every target in turn, again and again, so that other work on the machine hits all alike."""
    runs: dict[str, list[Run]] = {name: [] for name in targets}
    for _ in range(options.rounds):
        for name, port in targets.items():
            runs[name].append(measuring.run(stage.load, port, case, options.seconds))
    return {name: measuring.median(found) for name, found in runs.items()}


if __name__ == "__main__":
    sys.exit(main())
