"""Entry of `hack/test`: run each tier, say what was skipped and why, print one total."""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from testrun import cluster, report
from testrun.report import Skip, Tally
from testrun.telling import say
from testrun.tiers import Place, Tier, chosen


def main() -> int:
    """Run the tiers named on the command line."""
    try:
        tiers = chosen(sys.argv[1:])
    except ValueError as error:
        print(f"hack/test: {error}", file=sys.stderr)
        return 2
    reports = Path(tempfile.mkdtemp(prefix="autoglm-test-"))
    plain = [tier for tier in tiers if not tier.needs_nodes]
    total = sum((run(tier, reports, os.environ) for tier in plain), Tally())
    on_nodes = [tier for tier in tiers if tier.needs_nodes]
    if on_nodes:
        total += run_on_nodes(on_nodes, reports)
    return close(total)


def run_on_nodes(tiers: Sequence[Tier], reports: Path) -> Tally:
    """Bring the test cluster up, run the tiers that need it, take it down whatever happened."""
    try:
        cluster.up()
    except cluster.ClusterUnavailableError as missing:
        say(str(missing))
        if os.environ.get(cluster.REQUIRE_NODES) == "1":
            return Tally(failed=len(tiers))
        return Tally(skipped=len(tiers), skips=tuple(Skip(t.name, str(missing)) for t in tiers))
    try:
        environ = cluster.environment()
        return sum((run(tier, reports, environ) for tier in tiers), Tally())
    finally:
        cluster.down()


def run(tier: Tier, reports: Path, environ: Mapping[str, str]) -> Tally:
    """Run one tier and read its report."""
    paths = [path for path in tier.paths if any(Path(path).rglob("test_*.py"))]
    if not paths:
        return Tally()
    say(f"{tier.name}: {tier.place.value}")
    begin = time.monotonic()
    file = reports / f"{tier.name}.xml"
    pytest = [sys.executable, "-m", "pytest", "--quiet", f"--junit-xml={file}"]
    command = [*pytest, *tier.options, *paths]
    if tier.place is Place.CLUSTER:
        command = cluster.inside(command)
    done = subprocess.run(command, check=False, env=dict(environ))
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


if __name__ == "__main__":
    sys.exit(main())
