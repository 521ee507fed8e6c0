"""Entry of `hack/test`: set up, run each tier, say what was skipped and why, print one total."""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from testrun import report
from testrun.report import Skip, Tally
from testrun.tiers import Place, Tier, chosen

CANNOT_RUN_NODES = 69  # EX_UNAVAILABLE of sysexits.h, as `hack/cluster` uses it
CLUSTER = "test"
BEGIN = time.monotonic()


def main() -> int:
    """Run the tiers named on the command line."""
    try:
        tiers = chosen(sys.argv[1:])
    except ValueError as error:
        print(f"hack/test: {error}", file=sys.stderr)
        return 2
    total = Tally()
    reports = Path(tempfile.mkdtemp(prefix="autoglm-test-"))
    for tier in (tier for tier in tiers if tier.place is Place.HOST and tier.name != "cluster"):
        total += run(tier, reports)
    on_nodes = [tier for tier in tiers if tier.place is Place.CLUSTER or tier.name == "cluster"]
    if on_nodes:
        total += run_on_cluster(on_nodes, reports)
    return close(total)


def run_on_cluster(tiers: list[Tier], reports: Path) -> Tally:
    """Bring the test cluster up, run the tiers that need it, take it down whatever happened."""
    missing = cluster_up()
    if missing:
        required = os.environ.get("AUTOGLM_REQUIRE_NODES") == "1"
        say(missing)
        skips = tuple(Skip(tier.name, missing) for tier in tiers)
        return Tally(failed=len(tiers)) if required else Tally(skipped=len(tiers), skips=skips)
    try:
        return sum((run(tier, reports) for tier in tiers), Tally())
    finally:
        if os.environ.get("AUTOGLM_KEEP_CLUSTER") == "1":
            say(f"the cluster stays up; take it down with: hack/cluster --name {CLUSTER} down")
        else:
            cluster("down")


def cluster_up() -> str:
    """Start the test cluster; return why it cannot be had, or nothing."""
    say("test cluster: up (the first time this builds Kubernetes, about 15 minutes)")
    if os.geteuid() == 0:
        subprocess.run(["hack/install-host-packages"], check=True)
    cluster("down")
    command = ["hack/cluster", "--name", CLUSTER, "up", "--with", "metrics,monitoring"]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    print(done.stderr, file=sys.stderr, end="", flush=True)
    if done.returncode == CANNOT_RUN_NODES:
        return done.stderr.strip().splitlines()[-1]
    if done.returncode:
        raise SystemExit(done.returncode)
    return ""


def cluster(*verb: str) -> None:
    """Run a verb of `hack/cluster` on the test cluster."""
    subprocess.run(["hack/cluster", "--name", CLUSTER, *verb], check=True)


def run(tier: Tier, reports: Path) -> Tally:
    """Run one tier and read its report."""
    paths = [path for path in tier.paths if any(Path(path).rglob("test_*.py"))]
    if not paths:
        return Tally()
    say(f"{tier.name}: {tier.place.value}")
    begin = time.monotonic()
    file = reports / f"{tier.name}.xml"
    pytest = [sys.executable, "-m", "pytest", "--quiet", f"--junit-xml={file}"]
    inside = ["hack/cluster", "--name", CLUSTER, "exec", "--"]
    prefix = inside if tier.place is Place.CLUSTER else []
    done = subprocess.run([*prefix, *pytest, *tier.options, *paths], check=False)
    try:
        tally = report.read(file)
    except (OSError, ET.ParseError):
        tally = Tally(failed=1)
    if done.returncode and not tally.failed:
        tally += Tally(failed=1)  # pytest itself failed, say in a coverage gate
    say(f"{tier.name}: {tally.line()} in {time.monotonic() - begin:.0f} s")
    return tally


def close(total: Tally) -> int:
    """Say what did not run and why, then the total; the exit code follows."""
    for skip in total.skips:
        print(f"skipped: {skip.what}: {skip.reason}")
    say("total")
    print(total.line(), flush=True)
    return 1 if total.failed or not total.passed else 0


def say(message: str) -> None:
    """One line of progress with the time since the start."""
    elapsed = int(time.monotonic() - BEGIN)
    print(f"[{elapsed // 60:02d}:{elapsed % 60:02d}] {message}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
