"""Puts finished things into the cache whole or not at all, one builder of a thing at a time.

A thing lies at `FOLDER/NAME-KEY`. Things of one name are made under one lock.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from buildcache import keys, progress

KEPT = 4
"""Things kept of one name; arbitrary, enough for a few checkouts on different branches."""


def thing(
    folder: Path, name: str, key: str, fill: Callable[[Path], None], *, anew: bool = False
) -> Path:
    """Path of the thing of this name and key, made first when the cache does not hold it.

    Args:
        folder: The part of the cache for things of its kind.
        name: What it is, without a version.
        key: Key of all it is made from.
        fill: Makes it in an empty folder; when this raises, nothing is published.
        anew: Make it although the cache holds it.
    """
    target = folder / f"{name}-{key}"
    if anew or not target.exists():
        with _alone(folder, name):
            # Another builder may have made it while this one waited.
            if anew or not target.exists():
                _publish(target, name, fill)
    with contextlib.suppress(PermissionError):  # another user's cache is still good to read
        os.utime(target)  # so that what is in use is kept
    return target


@contextlib.contextmanager
def _alone(folder: Path, name: str) -> Generator[None]:
    """Hold the right to make things of a name; a second builder says so and waits.

    The lock goes with the process that holds it, so a killed builder leaves none behind.
    """
    with (folder / f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"{name}: waiting for another builder")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _publish(target: Path, name: str, fill: Callable[[Path], None]) -> None:
    """Fill a folder and move it to target; what stood there before is replaced.

    Leftovers of killed builders are removed, and so are the things of this name that were not used
    for longest.
    """
    prefix = f".{name}.part-"
    _remove(target.parent.glob(f"{prefix}*"))
    part = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        part.chmod(0o755)  # mkdtemp closes it to others; what is published is for everyone
        fill(part)
        if target.exists():
            target.rename(Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent)) / "old")
        part.rename(target)
        _remove(_unused(target.parent, name))
    finally:
        _remove(target.parent.glob(f"{prefix}*"))


def _unused(folder: Path, name: str) -> list[Path]:
    keyed = re.compile(rf"{re.escape(name)}-[0-9a-f]{{{keys.KEY_LENGTH}}}")
    found = [path for path in folder.iterdir() if keyed.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime)[:-KEPT]


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
