"""Control groups of a cluster: one tree below every hierarchy of the kernel.

Serves version 1, also in the hybrid form. Version 2 is written by the kernel's documentation and
has not been run. What runs inside the groups is `processes`' matter.
"""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from testcluster.errors import ClusterError, UnavailableError

NEEDED = frozenset({"cpu", "cpuset", "memory", "pids"})
"""Controllers without which a kubelet does not start."""


@dataclass(frozen=True)
class Hierarchies:
    """Where the kernel's control group trees are mounted."""

    for_resources: tuple[Path, ...]
    """Those that limit something: all of version 1, or the single one of version 2."""
    all: tuple[Path, ...]
    """Those in which groups may appear, the empty version 2 tree of the hybrid form included."""
    unified: bool
    """Whether this is version 2 alone."""


def hierarchies_in(mount_info: str) -> Hierarchies:
    """Read the hierarchies from the text of /proc/self/mountinfo."""
    first: list[Path] = []
    second: list[Path] = []
    for line in mount_info.splitlines():
        before, _, after = line.partition(" - ")
        kind = after.split(" ", 1)[0]
        path = Path(before.split()[4])
        if kind == "cgroup" and path not in first:
            first.append(path)
        if kind == "cgroup2" and path not in second:
            second.append(path)
    resources = first or second[:1]
    if not resources:
        raise UnavailableError("no control groups are mounted; mount them at /sys/fs/cgroup")
    return Hierarchies(tuple(resources), tuple(first + second), unified=not first)


class ControlGroups:
    """The tree of one cluster."""

    def __init__(self, root: str, hierarchies: Hierarchies | None = None) -> None:
        mount_info = Path("/proc/self/mountinfo")
        self._hierarchies = hierarchies or hierarchies_in(mount_info.read_text(encoding="utf-8"))
        self._root = root

    def create(self, *names: str) -> None:
        """Make groups, given as paths below the cluster's root, parents first."""
        for hierarchy in self._hierarchies.for_resources:
            if self._hierarchies.unified:
                _delegate(hierarchy)
            self._create_one(hierarchy / self._root)
            for name in names:
                self._create_one(hierarchy / self._root / name)

    def _create_one(self, group: Path) -> None:
        group.mkdir(exist_ok=True)
        if self._hierarchies.unified:
            return
        for setting in ("cpuset.cpus", "cpuset.mems"):  # version 1 leaves them empty
            inherited = group.parent / setting
            if inherited.exists():
                (group / setting).write_text(inherited.read_text())

    def delegate(self, name: str) -> None:
        """Let groups below `name` be limited; version 1 does so by itself."""
        if self._hierarchies.unified:
            hierarchy = self._hierarchies.for_resources[0]
            _delegate(hierarchy / self._root)
            _delegate(hierarchy / self._root / name)

    def entrances(self, name: str) -> list[Path]:
        """Files that a process writes its id to in order to join the group `name`."""
        roots = self._hierarchies.for_resources
        return [hierarchy / self._root / name / "cgroup.procs" for hierarchy in roots]

    def remove(self, name: str = "") -> None:
        """Remove a group and all below it; it may hold processes that are just dying."""
        for hierarchy in self._hierarchies.all:
            _remove_tree(hierarchy / self._root / name)


def _delegate(group: Path) -> None:
    offered = set((group / "cgroup.controllers").read_text().split())
    missing = NEEDED - offered
    if missing:
        listing = ", ".join(sorted(missing))
        raise UnavailableError(f"the control group controllers {listing} are not available here")
    active = set((group / "cgroup.subtree_control").read_text().split())
    wanted = " ".join(f"+{controller}" for controller in sorted(offered - active))
    if wanted:
        (group / "cgroup.subtree_control").write_text(wanted)


def _remove_tree(group: Path, patience_seconds: float = 5) -> None:
    deadline = time.monotonic() + patience_seconds
    while group.exists():
        folders = sorted((path for path in group.rglob("*/")), reverse=True)
        for folder in (*folders, group):
            with contextlib.suppress(OSError):
                folder.rmdir()
        if not group.exists():
            return
        if time.monotonic() > deadline:
            raise ClusterError(f"the control group {group} still holds processes; end them first")
        time.sleep(0.05)
