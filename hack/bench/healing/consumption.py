"""How much memory and CPU time a process takes, from /proc."""

import os
from pathlib import Path
from typing import Final

KIBIBYTES_OF_MEBIBYTE: Final = 1024.0
USER_TIME: Final = 11
"""Place of a process's user time after its name in /proc/PID/stat; its system time follows.
Source: proc_pid_stat(5), fields 14 and 15."""


def resident_mebibytes(pid: int) -> float:
    """Resident memory of a process now."""
    return memory((Path("/proc") / str(pid) / "status").read_text(), "VmRSS")


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has taken so far."""
    stat = (Path("/proc") / str(pid) / "stat").read_text()
    return cpu_ticks(stat) / os.sysconf("SC_CLK_TCK")


def memory(status: str, field: str) -> float:
    """A field of /proc/PID/status in MiB.

    Raises:
        ValueError: it is not there.
    """
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) / KIBIBYTES_OF_MEBIBYTE
    raise ValueError(f"/proc/PID/status has no {field}")


def cpu_ticks(stat: str) -> int:
    """User and system time of /proc/PID/stat; a name in it may hold spaces and brackets."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[USER_TIME]) + int(fields[USER_TIME + 1])
