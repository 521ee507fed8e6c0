"""What is known of a cluster between two commands: its record, and the lock of who changes it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

from testcluster.errors import ClusterError
from testcluster.settings import Settings

FILE = "cluster.json"


@dataclass(frozen=True)
class Record:
    """One cluster as `up` left it."""

    provider: str
    nodes: int
    addons: tuple[str, ...] = ()
    complete: bool = False
    """False from the first change until `up` has reached its end."""

    def finished(self) -> "Record":
        """The same, after `up` has reached its end."""
        return replace(self, complete=True)


def read(settings: Settings) -> Record | None:
    """The cluster's record; None when it is not up, and an unfinished one when it is unreadable."""
    try:
        text = (settings.directory / FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        content = json.loads(text)
        content["addons"] = tuple(content["addons"])
        return Record(**content)
    except (ValueError, TypeError, KeyError):
        return Record(provider="embedded", nodes=0)


def write(settings: Settings, record: Record) -> None:
    """Note the cluster's state; a reader sees the old or the new one, never half."""
    settings.directory.mkdir(parents=True, exist_ok=True, mode=0o711)
    path = settings.directory / FILE
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    new.replace(path)


@contextlib.contextmanager
def locked(settings: Settings) -> Generator[None]:
    """Be the only one who changes this cluster. A killed holder leaves no lock behind.

    Raises:
        ClusterError: someone else is at it.
    """
    _make(settings.state_root)
    with _own_lock(settings) as lock:
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def remove_lock(settings: Settings) -> None:
    """Leave no lock file behind; only for the holder of the lock."""
    settings.lock_file.unlink(missing_ok=True)


def _own_lock(settings: Settings) -> TextIO:
    while True:
        lock = settings.lock_file.open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            message = f"process {holder} is changing the cluster {settings.name!r}; wait for it"
            raise ClusterError(message) from error
        if _is(lock, settings.lock_file):
            return lock
        lock.close()  # its holder removed the file between our two calls


def _is(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClusterError(
            f"{directory} cannot be made: {error.strerror}; set AUTOGLM_CLUSTER_STATE"
        ) from error
