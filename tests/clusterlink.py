"""The test cluster as a test sees it: is there one, and `hack/cluster` as a command.

Exists so that only one module knows the environment variables and the command line. Never starts
or stops the cluster that the tests run in.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLUSTER_COMMAND = Path(__file__).parent.parent / "hack" / "cluster"

UNAVAILABLE = 69
"""Exit code of `hack/cluster` for what this machine or provider cannot do.

Source: EX_UNAVAILABLE of sysexits.h.
"""

COMMAND_SECONDS = 300.0
"""Arbitrary, because it only keeps a hanging command from hanging the run."""

INSIDE = "AUTOGLM_CLUSTER_EXEC"
"""Set by `hack/cluster exec`, so that a KUBECONFIG that merely lies about is never used."""

REQUIRE_NODES = "AUTOGLM_REQUIRE_NODES"


def environment() -> Mapping[str, str]:
    """Return the environment of the run."""
    return os.environ  # noqa: TID251 - this module is the tests' settings


def nodes_required() -> bool:
    """Tell whether a test that needs nodes must not be skipped."""
    return environment().get(REQUIRE_NODES) == "1"


def kubeconfig_path() -> Path | None:
    """Return the cluster's kubeconfig inside `hack/cluster exec`, None elsewhere."""
    if not environment().get(INSIDE):
        return None
    return Path(environment().get("KUBECONFIG") or Path.home() / ".kube" / "config")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last line that was meant for a person."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1] if lines else f"exit code {self.code}, and no word"


@dataclass(frozen=True)
class ClusterCommand:
    """`hack/cluster` for one cluster; by default the one that the environment names."""

    name: str | None = None

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        """Run a verb and return what it printed.

        Raises:
            AssertionError: it failed; the message is its last sentence.
        """
        outcome = self.attempt(*words, stdin=stdin)
        said = f"hack/cluster {' '.join(words)}: {outcome.sentence}"
        assert outcome.code == 0, said
        return outcome.out

    def attempt(self, *words: str, stdin: str | None = None) -> Outcome:
        """Run a verb and return how it ended, whatever that is."""
        done = subprocess.run(
            self.line(*words),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def line(self, *words: str) -> list[str]:
        """Return the command line of a verb."""
        chosen = ["--name", self.name] if self.name else []
        return [str(CLUSTER_COMMAND), *chosen, *words]
