"""How much memory a process takes, from /proc."""

from pathlib import Path
from typing import Final

KIBIBYTES_OF_MEBIBYTE: Final = 1024.0


def resident_mebibytes(pid: int) -> float:
    """Resident memory of a process now."""
    return read((Path("/proc") / str(pid) / "status").read_text(), "VmRSS")


def read(status: str, field: str) -> float:
    """A field of /proc/PID/status in MiB.

    Raises:
        ValueError: it is not there.
    """
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) / KIBIBYTES_OF_MEBIBYTE
    raise ValueError(f"/proc/PID/status has no {field}")
