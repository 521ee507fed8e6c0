"""Measures the node's file systems: bytes and inodes, before and after."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoglm_api.cleaning import DiskMeasure, DiskReport

IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
"""File systems that are no disks. Source: mount(8)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of the node and where it is mounted here."""

    shown: str
    here: Path


def on_disk(places: list[Place]) -> list[Place]:
    """One place for each file system that is a disk, the first that lies on it.

    Raises:
        OSError: a place cannot be looked at.
    """
    kinds = _kinds()
    found: dict[int, Place] = {}
    for place in places:
        if kinds.get(str(place.here)) not in IN_MEMORY:
            # A container's root has an identity of its own, so its disk may be named twice.
            found.setdefault(os.statvfs(place.here).f_fsid, place)
    return list(found.values())


def measure(place: Place) -> DiskMeasure:
    """What is free now, for everybody but root.

    Raises:
        OSError: the file system does not answer.
    """
    seen = os.statvfs(place.here)
    return DiskMeasure(free_bytes=seen.f_bavail * seen.f_frsize, free_inodes=seen.f_favail)


def report(place: Place, before: DiskMeasure) -> DiskReport:
    """Compare with an earlier measure.

    Raises:
        OSError: the file system does not answer.
    """
    seen = os.statvfs(place.here)
    return DiskReport(
        path=place.shown,
        total_bytes=seen.f_blocks * seen.f_frsize,
        total_inodes=seen.f_files,
        before=before,
        after=measure(place),
    )


def _kinds() -> dict[str, str]:
    """Kind of file system by mount point. Source: proc_pid_mountinfo(5)."""
    kinds: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kinds[fields.split()[4]] = rest.split()[0]
    return kinds
