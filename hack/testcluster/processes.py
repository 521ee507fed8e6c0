"""Long-lived programs: started detached, known by pid file and start time, ended by signal.

A program is never looked up by a pattern of its command line, which could be anyone's.
"""

import os
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from testcluster.commands import run
from testcluster.errors import ClusterError

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class Stat:
    """What /proc says of one process."""

    state: str
    parent: int
    started: int
    """Clock ticks since the machine started."""


def parse_stat(text: str) -> Stat:
    """Read /proc/PID/stat; the name inside may hold spaces and brackets.

    Source: proc_pid_stat(5), fields 3, 4 and 22.
    """
    words = text.rpartition(")")[2].split()
    return Stat(state=words[0], parent=int(words[1]), started=int(words[19]))


def stat_of(pid: int, proc: Path = Path("/proc")) -> Stat | None:
    """What is known of a process; None when there is none."""
    try:
        return parse_stat((proc / str(pid) / "stat").read_text(errors="replace"))
    except (OSError, ValueError, IndexError):
        return None


@dataclass(frozen=True)
class Tracked:
    """A process that a pid file names."""

    pid_file: Path
    proc: Path = Path("/proc")
    """The /proc of the process namespace in which the pid counts."""

    def pid(self) -> int | None:
        """Its process id while it runs."""
        try:
            pid, started = map(int, self.pid_file.read_text().split())
        except (OSError, ValueError):
            return None
        stat = stat_of(pid, self.proc)
        alive = stat is not None and stat.started == started and stat.state not in "ZX"
        return pid if alive else None

    def record(self, pid: int) -> None:
        """Note a process that was started by other means than `launch`."""
        stat = stat_of(pid, self.proc)
        if stat is None:
            raise ClusterError(f"process {pid} ended at once")
        self.pid_file.write_text(f"{pid} {stat.started}\n")

    def wait_until_gone(self, patience_seconds: float = 10) -> None:
        """Return when it no longer runs."""
        deadline = time.monotonic() + patience_seconds
        while self.pid() is not None:
            if time.monotonic() > deadline:
                raise ClusterError(f"process {self.pid()} does not end")
            time.sleep(0.02)


def launch_command(pid_file: Path, log: Path, argv: Sequence[str | Path]) -> list[str]:
    """The command that starts `argv` detached, for use on the host."""
    return [str(SCRIPTS / "launch.sh"), str(pid_file), str(log), *map(str, argv)]


def clean_environment(argv: Sequence[str | Path], path: str) -> list[str]:
    """The command with an environment that holds nothing of the caller's, proxies for example."""
    return ["env", "-i", f"PATH={path}", "HOME=/root", *map(str, argv)]


def in_groups(entrances: Iterable[Path], argv: Sequence[str | Path]) -> list[str]:
    """The command that joins control groups and then becomes `argv`."""
    return [str(SCRIPTS / "join.sh"), *map(str, entrances), "--", *map(str, argv)]


def start(command: Sequence[str]) -> None:
    """Run a launching command, which returns as soon as the program runs."""
    run(command, timeout_seconds=20)


def kill(pid: int) -> None:
    """End a process of the host at once; one that is gone already is fine."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def inside(namespaces: Iterable[Path]) -> list[int]:
    """Processes that live in any of these network namespaces."""
    wanted = {_identity(path) for path in namespaces if path.exists()}
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                seen = _identity(entry / "ns" / "net")
            except OSError:  # ended meanwhile
                continue
            if seen in wanted:
                found.append(int(entry.name))
    return found


def _identity(path: Path) -> tuple[int, int]:
    seen = path.stat()
    return seen.st_dev, seen.st_ino


def end_all_inside(namespaces: Sequence[Path], patience_seconds: float = 10) -> None:
    """End every process in these network namespaces and wait until none is left.

    Raises:
        ClusterError: the caller itself lives there, or a process does not end.
    """
    deadline = time.monotonic() + patience_seconds
    while found := inside(namespaces):
        if os.getpid() in found:
            raise ClusterError("this runs inside the cluster; leave 'exec' first")
        for pid in found:
            kill(pid)
        if time.monotonic() > deadline:
            raise ClusterError(f"processes {found} do not end")
        time.sleep(0.05)
