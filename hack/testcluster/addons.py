"""What is installed into a cluster that runs: DNS, storage, metrics-server, monitoring.

The manifests are files beside this one, with `@...@` where a cluster's own values belong. Images
are written `@image:NAME@`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from testcluster.errors import ClusterError

MANIFESTS = Path(__file__).parent / "manifests"
NAMES = ("metrics", "monitoring")
"""What `up --with` accepts."""
ROLLOUTS = {
    "metrics": ("--namespace=kube-system deployment/metrics-server",),
    "monitoring": tuple(
        f"--namespace=monitoring {workload}"
        for workload in (
            "deployment/kube-state-metrics",
            "daemonset/node-exporter",
            "deployment/prometheus",
            "deployment/alertmanager",
        )
    ),
}
"""Arguments of `kubectl rollout status` that wait for each addon."""

_PLACE = re.compile(r"@([a-z][a-z:-]*)@")


def render(name: str, values: Mapping[str, str]) -> str:
    """The manifest file called `name` with its places filled.

    Raises:
        ClusterError: a value is missing.
    """
    text = (MANIFESTS / f"{name}.yaml").read_text(encoding="utf-8")

    def fill(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise ClusterError(f"the manifest {name} needs a value for {match[1]!r}") from None

    return _PLACE.sub(fill, text)
