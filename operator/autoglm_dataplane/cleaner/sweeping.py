"""Sweeps one folder of the node for one sort of rubbish, and remembers what was kept and why.

Never removes a folder, never a file below the floors of age and size.
"""

import heapq
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autoglm_api.healingladder import Rubbish
from autoglm_dataplane.cleaner import rubbish
from autoglm_dataplane.cleaner.removal import Fate, remove
from autoglm_dataplane.cleaner.walking import Found, Walk

BLOCK_BYTES: Final = 512
"""Unit of st_blocks. Source: stat(2)."""
CONSUMERS_LIMIT: Final = 8
"""Folders that are told of. Arbitrary, because the report must fit into 4 KiB."""
_FOLDERS_LIMIT: Final = 10_000
"""Folders whose sizes are counted apart; beyond, they count to their parent. Arbitrary, so that
memory stays small in a folder of millions."""


@dataclass(frozen=True, slots=True)
class Floors:
    """What is too young or too small to be rubbish."""

    now: float
    """Seconds since 1970."""
    age_seconds: float
    size_bytes: int


@dataclass(slots=True)
class Tally:
    """What a sweep did."""

    removed: int = 0
    removed_bytes: int = 0
    kept_bytes: Counter[str] = field(default_factory=Counter[str])
    """Bytes that stay, by folder of the node."""
    spared: Counter[Fate] = field(default_factory=Counter[Fate])
    """Rubbish that was spared, by reason."""
    unread: list[str] = field(default_factory=list[str])

    def largest(self) -> list[tuple[str, int]]:
        """The folders with most bytes that stay, largest first."""
        return heapq.nlargest(CONSUMERS_LIMIT, self.kept_bytes.items(), key=lambda item: item[1])


def sweep(
    sort: Rubbish,
    root: Path,
    shown: str,
    floors: Floors,
    *,
    enough: Callable[[], bool] = lambda: False,
) -> Tally:
    """Remove one sort of rubbish below a folder.

    Args:
        sort: Which sort.
        root: The folder.
        shown: How the node calls that folder, for the report.
        floors: What is too young or too small.
        enough: Asked before each entry; true ends the sweep.

    Raises:
        OSError: the folder cannot be opened.
    """
    tally = Tally()
    walk = Walk(root, lambda path: rubbish.may_enter(sort, path), enough=enough)
    for found in walk.entries():
        size = found.status.st_blocks * BLOCK_BYTES
        if _may_go(sort, found, size, floors):
            fate = remove(found, walk.mount)
            if fate is Fate.REMOVED:
                tally.removed += 1
                tally.removed_bytes += size
                continue
            tally.spared[fate] += 1
        folder = "/".join((shown, *found.path[:-1]))
        known = folder in tally.kept_bytes or len(tally.kept_bytes) < _FOLDERS_LIMIT
        tally.kept_bytes[folder if known else shown] += size
    tally.unread = walk.unread
    return tally


def _may_go(sort: Rubbish, found: Found, size: int, floors: Floors) -> bool:
    if size < floors.size_bytes or not rubbish.is_rubbish(sort, found.name):
        return False
    return floors.now - _youngest(sort, found.status) >= floors.age_seconds


def _youngest(sort: Rubbish, status: os.stat_result) -> float:
    """When a file was last of use to anybody, in seconds since 1970.

    A rotated log or journal is as old as its last line. A temporary file may have been unpacked
    with an old date or be read every hour, so for it every time stamp counts.
    """
    if sort is Rubbish.TEMPORARY_FILES:
        return max(status.st_mtime, status.st_ctime, status.st_atime)
    return status.st_mtime
