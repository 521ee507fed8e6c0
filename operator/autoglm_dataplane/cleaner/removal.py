"""Removes one file, unless anybody has it open, changed it, or reaches it by another name.

Whether a file is open is asked of the kernel, by a write lease: it is granted only while nobody
else holds the file open or mapped, in whatever container. That needs no view of the node's
processes, and unlike a look through /proc it leaves no gap in which somebody may open the file
unseen: who tries waits until it is removed.

Source: fcntl(2), F_SETLEASE.
"""

import fcntl
import os
import signal
import stat
from enum import Enum
from typing import Final

from autoglm_dataplane.cleaner.walking import Found, mount_of

_FILE: Final = (
    os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOATIME | os.O_NOCTTY
)


class Fate(Enum):
    """What became of a file; the values are words for a person."""

    REMOVED = "removed"
    OPEN = "open"
    CHANGED = "changed meanwhile"
    LINKED = "has another name"
    NOT_A_FILE = "no plain file"
    MOUNTED = "a mount of its own"
    REFUSED = "cannot be removed"


def ignore_broken_leases() -> None:
    """Live on when somebody opens a file while we hold its lease: the kernel's signal kills."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)


def remove(found: Found, mount: str) -> Fate:
    """Remove a file that a walk found, if it is still that file and nobody uses it.

    Args:
        found: What the walk saw; its folder is still open.
        mount: Identity of the walk's mount.
    """
    if not stat.S_ISREG(found.status.st_mode):
        return Fate.NOT_A_FILE
    if found.status.st_nlink > 1:
        return Fate.LINKED
    try:
        opened = os.open(found.name, _FILE, dir_fd=found.folder)
        try:
            return _remove_opened(opened, found, mount)
        finally:
            os.close(opened)
    except FileNotFoundError:
        return Fate.CHANGED
    except BlockingIOError:
        return Fate.OPEN  # somebody has it open, or holds a lease of his own
    except OSError:
        return Fate.REFUSED


def _remove_opened(opened: int, found: Found, mount: str) -> Fate:
    if not _same(os.fstat(opened), found.status):
        return Fate.CHANGED
    if mount_of(opened) != mount:
        return Fate.MOUNTED
    fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    # From here on nobody can open, write or map it; the name may still be another's by now.
    if not _same(os.stat(found.name, dir_fd=found.folder, follow_symlinks=False), found.status):
        return Fate.CHANGED
    os.unlink(found.name, dir_fd=found.folder)
    return Fate.REMOVED


def _same(now: os.stat_result, before: os.stat_result) -> bool:
    """Whether it is the same file, and nobody wrote it, linked it or changed its kind since."""
    return _identity(now) == _identity(before)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_nlink,
        status.st_size,
        status.st_mtime_ns,
    )
