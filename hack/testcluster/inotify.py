"""Tells from logs that the machine has run out of inotify instances, and what to do about it.

containerd then serves on without the half of it that runs pods, and kubelet without what it
watches: all that is seen is a node that does not become Ready. Never changes the limit, which is
the machine's and everybody's.
"""

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from testcluster.errors import ClusterError

LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 512
"""What the sentence tells to set: more clusters than memory lets run."""
OF_CONTROL_PLANE, OF_NODE = 14, 9
"""Instances that the programs hold (measured on Kubernetes 1.36)."""


def is_exhausted(text: str) -> bool:
    """Whether a log complains of it: as a lack of files, about a watcher or inotify itself."""
    return any(
        "too many open files" in line and ("inotify" in line or "watcher" in line)
        for line in text.splitlines()
    )


def sentence(limit: str) -> str:
    """What is wrong and what to do.

    Args:
        limit: Instances that all programs of a user may have together.
    """
    return (
        f"the machine has no inotify instances left (fs.inotify.max_user_instances is {limit}; "
        f"a cluster takes {OF_CONTROL_PLANE} and {OF_NODE} more for each node); take another "
        f"cluster down, or run 'sysctl -w fs.inotify.max_user_instances={ENOUGH}'"
    )


@dataclass(frozen=True)
class Logs:
    """Log files below a folder, from a moment on."""

    folder: Path
    sizes: Mapping[Path, int]
    """How long they were at that moment; what was written before tells of another start."""

    @classmethod
    def from_now_on(cls, folder: Path) -> "Logs":
        """What will be written from now on."""
        return cls(folder, {path: path.stat().st_size for path in folder.rglob("*.log")})

    def check(self) -> None:
        """Raise if any of them complains.

        Raises:
            ClusterError: the machine has no inotify instances left.
        """
        for path in self.folder.rglob("*.log"):
            written = path.read_bytes()[self.sizes.get(path, 0) :]
            if is_exhausted(written.decode(errors="replace")):
                raise ClusterError(sentence(LIMIT.read_text().strip()))


@contextlib.contextmanager
def explained(folder: Path) -> Generator[None]:
    """Say of a failure in this block that it comes from exhaustion, if the logs in a folder do."""
    logs = Logs.from_now_on(folder)
    try:
        yield
    except ClusterError:
        logs.check()
        raise
