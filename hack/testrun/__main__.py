"""Entry of `hack/test`: run each tier, say what was skipped and why, print one total."""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from testrun import report
from testrun.cluster import REQUIRE_NODES, Cluster, ClusterUnavailableError
from testrun.report import Skip, Tally
from testrun.telling import say
from testrun.tiers import Tier, chosen


def main() -> int:
    """Run the tiers named on the command line."""
    try:
        tiers = chosen(sys.argv[1:])
    except ValueError as error:
        print(f"hack/test: {error}", file=sys.stderr)
        return 2
    reports = Path(tempfile.mkdtemp(prefix="autoglm-test-"))
    total, missing = Tally(), ""
    for tier in tiers:
        if missing and (tier.cluster or tier.makes_clusters):
            total += unavailable(tier, missing)
            continue
        try:
            total += run(tier, reports)
        except ClusterUnavailableError as error:
            missing = str(error)
            say(missing)
            total += unavailable(tier, missing)
    return close(total)


def unavailable(tier: Tier, missing: str) -> Tally:
    """The tally of a tier that this machine cannot run: skipped, or failed where it is demanded."""
    if os.environ.get(REQUIRE_NODES) == "1":
        return Tally(failed=1)
    return Tally(skipped=1, skips=(Skip(tier.name, missing),))


def run(tier: Tier, reports: Path) -> Tally:
    """Run one tier, inside its cluster if it has one.

    Raises:
        ClusterUnavailableError: this machine cannot run that cluster.
    """
    if tier.cluster is None:
        return run_pytest(tier, reports, os.environ)
    tier.cluster.up()
    try:
        return run_pytest(tier, reports, tier.cluster.environment(), tier.cluster)
    finally:
        tier.cluster.down()


def run_pytest(
    tier: Tier, reports: Path, environ: Mapping[str, str], cluster: Cluster | None = None
) -> Tally:
    """Run the tests of one tier and read their report."""
    say(f"{tier.name}: {tier.path}")
    begin = time.monotonic()
    file = reports / f"{tier.name}.xml"
    pytest = [sys.executable, "-m", "pytest", "--quiet", f"--junit-xml={file}"]
    command = [*pytest, *tier.options, tier.path]
    done = subprocess.run(
        cluster.inside(command) if cluster else command, check=False, env=dict(environ)
    )
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
