"""Walks a folder without leaving it: no symbolic link is followed, no mount is crossed.

Every step is relative to a folder that is held open, so whoever swaps a path for a link while we
walk leads us nowhere. Never changes anything.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEPTH_LIMIT: Final = 48
"""Folders inside each other that are followed. Arbitrary: each holds files open, and logs and
temporary files nest less deeply."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a folder that is no folder."""

    folder: int
    """The open folder; valid until the next entry is asked for."""
    path: Names
    """Names below the root, the last one its own."""
    status: os.stat_result

    @property
    def name(self) -> str:
        """Its name in its folder."""
        return self.path[-1]


class Walk:
    """One walk below one root; entries that vanish meanwhile are no problem."""

    def __init__(
        self,
        root: Path,
        may_enter: Callable[[Names], bool],
        *,
        enough: Callable[[], bool],
    ) -> None:
        self._root = root
        self._may_enter = may_enter
        self._enough = enough
        self.mount = ""
        """Identity of the root's mount, known while walking."""
        self.unread: list[str] = []
        """Folders that could not be read, or lie too deep."""

    def entries(self) -> Iterator[Found]:
        """Every entry that is no folder, until `enough` says stop.

        Raises:
            OSError: the root itself cannot be opened.
        """
        root = os.open(self._root, _FOLDER)
        try:
            self.mount = mount_of(root)
            yield from self._within(root, ())
        finally:
            os.close(root)

    def _within(self, folder: int, path: Names) -> Iterator[Found]:
        with os.scandir(folder) as listed:
            for entry in listed:
                if self._enough():
                    return
                here = (*path, entry.name)
                try:
                    # Asks the folder that is open, not the path; never follows a link.
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from self._below(folder, here)
                else:
                    yield Found(folder, here, status)

    def _below(self, folder: int, path: Names) -> Iterator[Found]:
        if not self._may_enter(path):
            return
        if len(path) > DEPTH_LIMIT:
            self.unread.append("/".join(path[:3]))
            return
        try:
            below = os.open(path[-1], _FOLDER, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError:
            self.unread.append("/".join(path))
            return
        try:
            # A bind mount of the same disk has the same device, so only the mount tells.
            if mount_of(below) == self.mount:
                yield from self._within(below, path)
        finally:
            os.close(below)


def mount_of(descriptor: int) -> str:
    """Identity of the mount that an open file was reached through.

    Source: proc_pid_fdinfo(5), field mnt_id.

    Raises:
        OSError: the kernel does not say, so nothing must be touched.
    """
    for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "mnt_id":
            return value.strip()
    raise OSError(f"The kernel does not say which mount descriptor {descriptor} belongs to.")
