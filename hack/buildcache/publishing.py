"""Puts finished things into the cache whole or not at all, one builder at a time."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path


@contextlib.contextmanager
def alone(target: Path, waiting: Callable[[], None]) -> Generator[None]:
    """Hold the right to build target; a second builder calls waiting once and then waits.

    The lock goes with the process that holds it, so a killed builder leaves none behind.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def published(target: Path) -> Generator[Path]:
    """Give an empty folder to fill; it becomes target when the block ends without an error.

    What stood at target before is replaced. Leftovers of builders that were killed are removed, so
    call this inside `alone`.
    """
    prefix = f".{target.name}.part-"
    for leftover in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        part.chmod(0o755)  # mkdtemp closes it to others; what is published is for everyone
        yield part
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent)) / "old"
            target.rename(old)
        part.rename(target)
    finally:
        for leftover in target.parent.glob(f"{prefix}*"):
            shutil.rmtree(leftover, ignore_errors=True)
