"""Packs a folder into one layer of an image; the same folder always gives the same bytes.

Everything in a layer belongs to root, has no time, and carries no set-user-id bit. What a layer
below already holds unchanged is left out, so images over the same base share it.
"""

import io
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from buildcache import keys

WHITEOUT = ".wh."
"""Prefix of a mark that hides a path of a lower layer. Source: OCI image specification, layers."""

PERMISSIONS = 0o1777
"""Permission bits that are kept: the sticky bit is, set-user-id and set-group-id are not."""

Marks = dict[str, str]
"""What a tree holds: type, permissions and content of each path, as one comparable word."""


def pack(root: Path, out: Path, below: Mapping[str, str] | None = None) -> Marks:
    """Write the layer that turns what is below into root, and return what root holds.

    Without anything below, the layer holds all of root and hides nothing.
    """
    marks: Marks = {}
    with tarfile.open(out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in _walk(root):
            inside = path.relative_to(root).as_posix()
            header = _header(path, inside)
            if header is None:
                continue
            marks[inside] = _mark(path, header)
            if (below or {}).get(inside) != marks[inside]:
                _add(tar, path, header)
        for gone in _topmost(set(below or {}) - set(marks)):
            tar.addfile(tarfile.TarInfo(str(gone.with_name(WHITEOUT + gone.name))), io.BytesIO())
    return marks


def _walk(root: Path) -> Iterator[Path]:
    """Every path below root, folders before what they hold, in one fixed order."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(folders + files))


def _header(path: Path, inside: str) -> tarfile.TarInfo | None:
    """The tar header of a path; nothing for devices and sockets, which a container gets anew."""
    status = path.lstat()
    header = tarfile.TarInfo(inside)
    header.mode = stat.S_IMODE(status.st_mode) & PERMISSIONS
    if stat.S_ISREG(status.st_mode):
        header.size = status.st_size
    elif stat.S_ISDIR(status.st_mode):
        header.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        header.type, header.linkname = tarfile.SYMTYPE, str(path.readlink())
    else:
        return None
    return header


def _mark(path: Path, header: tarfile.TarInfo) -> str:
    content = keys.file_digest(path) if header.isreg() else header.linkname
    return f"{header.type.decode()}{header.mode:o}:{content}"


def _add(tar: tarfile.TarFile, path: Path, header: tarfile.TarInfo) -> None:
    if header.isreg():
        with path.open("rb") as file:
            tar.addfile(header, file)
    else:
        tar.addfile(header)


def _topmost(paths: set[str]) -> list[PurePosixPath]:
    """Those paths whose parent is not among them: hiding a folder hides all it holds."""
    pure = (PurePosixPath(path) for path in sorted(paths))
    return [path for path in pure if str(path.parent) not in paths]
