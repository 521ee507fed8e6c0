"""The test clusters of a run: brought up before the tiers that need them, taken down after them."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Mapping

from testrun.telling import say

CANNOT_RUN_NODES = 69  # EX_UNAVAILABLE of sysexits.h, as `hack/cluster` uses it
REQUIRE_NODES = "AUTOGLM_REQUIRE_NODES"
KEEP = "AUTOGLM_KEEP_CLUSTER"
NODE_IMAGE = "AUTOGLM_NODE_IMAGE"
"""Image of kind's nodes, and with it the version of Kubernetes."""


class ClusterUnavailableError(Exception):
    """This machine cannot run nodes; the message is the sentence that says what is missing."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """One cluster of a test run."""

    name: str
    options: tuple[str, ...]
    """Further words for `hack/cluster up`."""
    images: tuple[str, ...] = ()
    """Our images that its pods run."""
    programs: tuple[str, ...] = ()
    """Images whose programs the tests run themselves. They are built before, because inside the
    cluster's network no package archive can be reached."""

    def up(self) -> None:
        """Start it and load the images.

        Raises:
            ClusterUnavailableError: nodes are not possible here.
            SystemExit: they should be, but the cluster did not come up.
        """
        say(f"cluster {self.name}: up (the first time this builds Kubernetes, about 15 minutes)")
        if os.geteuid() == 0:
            # Where packages cannot be had, kind may still serve; `up` then says what is missing.
            subprocess.run(["hack/install-host-packages"], check=False)
        self._verb("down")
        image = os.environ.get(NODE_IMAGE)
        code, last = self._stream(*self.options, *(["--node-image", image] if image else []))
        if code == CANNOT_RUN_NODES:
            raise ClusterUnavailableError(last)
        if code:
            raise SystemExit(code)
        if self.images:
            self._verb("image", "load", *self.images)
        if self.programs:
            subprocess.run(["hack/images/build", *self.programs], check=True)

    def down(self) -> None:
        """Take it down, unless it shall be kept for a look."""
        if os.environ.get(KEEP) == "1":
            say(f"cluster {self.name} stays up; end it with: hack/cluster --name {self.name} down")
        else:
            self._verb("down")

    def inside(self, command: list[str]) -> list[str]:
        """The command, to be run where the cluster can be reached."""
        return ["hack/cluster", "--name", self.name, "exec", "--", *command]

    def environment(self) -> Mapping[str, str]:
        """The environment of tests that need it.

        Nodes are demanded only of the embedded provider: it can do everything, kind cannot.
        """
        command = ["hack/cluster", "--name", self.name, "status"]
        status = subprocess.run(command, capture_output=True, text=True, check=False)
        if "embedded" in status.stdout.partition("\n")[0]:
            return os.environ
        return {key: value for key, value in os.environ.items() if key != REQUIRE_NODES}

    def _verb(self, *words: str) -> None:
        subprocess.run(["hack/cluster", "--name", self.name, *words], check=True)

    def _stream(self, *options: str) -> tuple[int, str]:
        """Run `up`, show its progress as it comes; return its exit code and its last line."""
        last = ""
        command = ["hack/cluster", "--name", self.name, "up", *options]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr or ():
                print(line, file=sys.stderr, end="", flush=True)
                last = line.strip() or last
        return process.returncode, last


API = Cluster(
    "test-api",
    ("--nodes", "0"),
    programs=("haproxy", "valkey", "prometheus"),
)
"""An API server whose pods nobody starts: tests play the kubelet, so that they can play it ill."""
NODES = Cluster(
    "test",
    ("--nodes", "4", "--with", "metrics,monitoring"),
    ("autoglm", "haproxy", "valkey"),
)
"""Real nodes with metrics and alerts: two to break, and two for everything else."""
