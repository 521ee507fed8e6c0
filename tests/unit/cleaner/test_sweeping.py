"""On real folders: old rubbish goes; links, mounts, open files and whatever else looks odd stay."""

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autoglm_api.healingladder import Rubbish
from autoglm_dataplane.cleaner import removal, sweeping, walking
from autoglm_dataplane.cleaner.removal import Fate
from autoglm_dataplane.cleaner.sweeping import Floors, Tally, sweep
from autoglm_dataplane.cleaner.walking import Found

DAY = 86_400.0
NOW = time.time()
FLOORS = Floors(NOW, age_seconds=DAY, size_bytes=8192)
BIG = b"x" * 8192


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "log"
    root.mkdir()
    return root


def old(path: Path, content: bytes = BIG, *, days: float = 2) -> Path:
    """A file that was last written that long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (NOW - days * DAY, NOW - days * DAY))
    return path


def swept(root: Path, sort: Rubbish = Rubbish.LOGS, floors: Floors = FLOORS) -> Tally:
    return sweep(sort, root, "/var/log", floors)


def test_removes_old_large_rotated_logs_and_counts_them(folder: Path) -> None:
    gone = [old(folder / "app.log.1"), old(folder / "a" / "b" / "syslog.2.gz")]

    tally = swept(folder)

    assert not any(path.exists() for path in gone)
    assert (tally.removed, tally.removed_bytes) == (2, 2 * 8192)
    assert (folder / "a" / "b").is_dir()


def test_leaves_what_is_young_small_active_or_unknown(folder: Path) -> None:
    stays = [
        old(folder / "young.log.1", days=0.9),
        old(folder / "future.log.1", days=-1),
        old(folder / "small.log.1", b"x"),
        old(folder / "app.log"),
        old(folder / "orders.db"),
        old(folder / "pods" / "team-a_web" / "0.log.1"),
        old(folder / "audit" / "x.log.1"),
    ]

    tally = swept(folder)

    assert all(path.exists() for path in stays)
    assert tally.removed == 0
    assert dict(tally.largest())["/var/log"] >= 4 * 8192


@pytest.mark.parametrize("mode", ["rb", "ab"])
def test_leaves_an_open_file_until_it_is_closed(folder: Path, mode: str) -> None:
    path = old(folder / "app.log.1")
    with path.open(mode):
        assert swept(folder).spared == {Fate.OPEN: 1}
        assert path.exists()

    assert swept(folder).removed == 1


def test_leaves_a_file_that_another_process_maps_after_closing_it(folder: Path) -> None:
    path = old(folder / "app.log.1")
    code = (
        "import mmap,sys; f=open(sys.argv[1],'rb'); m=mmap.mmap(f.fileno(),0,prot=1);"
        " f.close(); print('mapped', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        ["python3", "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"mapped\n"
        assert swept(folder).spared == {Fate.OPEN: 1}
        other.communicate()

    assert swept(folder).removed == 1


def test_follows_no_symbolic_link(folder: Path, tmp_path: Path) -> None:
    outside = old(tmp_path / "data" / "app.log.1")
    (folder / "link.log.1").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)

    assert swept(folder).removed == 0

    assert outside.exists()
    assert (folder / "link.log.1").is_symlink()


def test_refuses_a_root_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    victim = old(folder / "app.log.1")
    (tmp_path / "link").symlink_to(folder)

    with pytest.raises(OSError, match="link"):
        swept(tmp_path / "link")

    assert victim.exists()


def test_leaves_a_file_with_another_name(folder: Path, tmp_path: Path) -> None:
    path = old(folder / "app.log.1")
    os.link(path, tmp_path / "kept")

    assert swept(folder).spared == {Fate.LINKED: 1}

    assert path.exists()


def test_leaves_what_is_no_plain_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe.log.1")

    tally = swept(folder, floors=Floors(NOW + 9 * DAY, age_seconds=DAY, size_bytes=0))

    assert tally.spared == {Fate.NOT_A_FILE: 1}
    assert (folder / "pipe.log.1").exists()


@contextmanager
def bound(source: Path, target: Path) -> Generator[None]:
    """A bind mount of the same file system, which no device number tells."""
    if subprocess.run(["mount", "--bind", source, target], check=False).returncode:
        pytest.skip("Bind mounts need root.")
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)


def test_crosses_no_mount_even_of_the_same_disk(folder: Path, tmp_path: Path) -> None:
    inside = old(tmp_path / "data" / "app.log.1")
    mounted_file, other = old(folder / "file.log.1"), old(tmp_path / "other.log.1")
    (folder / "mounted").mkdir()
    with bound(inside.parent, folder / "mounted"), bound(other, mounted_file):
        tally = swept(folder)

    assert tally.removed == 0
    assert tally.spared == {Fate.MOUNTED: 1}
    assert inside.exists()
    assert other.exists()


def test_strange_names_are_only_names(folder: Path) -> None:
    names = ["-rf.log.1", " .log.1", "ü.log.1", "a\nb.log.1", "$(reboot).log.1", "..log.1"]
    paths = [old(folder / name) for name in names]
    # No text at all: bytes that are not UTF-8.
    raw = os.fsencode(folder) + b"/\xff.log.1"
    Path(os.fsdecode(raw)).write_bytes(BIG)
    os.utime(raw, (NOW - 2 * DAY, NOW - 2 * DAY))

    swept(folder)

    left = {os.fsencode(path.name) for path in folder.iterdir()}
    # A name with a line break is no log's name.
    assert left == {b"a\nb.log.1"}
    assert paths[3].exists()


def test_a_young_inode_of_an_old_temporary_file_stays(folder: Path) -> None:
    unpacked = old(folder / "core", days=400)

    assert swept(folder, Rubbish.TEMPORARY_FILES).removed == 0
    assert unpacked.exists()

    later = Floors(NOW + 2 * DAY, age_seconds=DAY, size_bytes=4096)
    assert swept(folder, Rubbish.TEMPORARY_FILES, later).removed == 1


def test_a_sparse_file_counts_what_it_takes(folder: Path) -> None:
    path = folder / "sparse.log.1"
    with path.open("wb") as file:
        file.truncate(2**30)
    os.utime(path, (NOW - 2 * DAY, NOW - 2 * DAY))

    assert swept(folder).removed == 0


def test_removes_from_a_folder_of_many_thousand_files(folder: Path) -> None:
    for number in range(5000):
        old(folder / f"app{number}.log.1", b"x")

    tally = swept(folder, floors=Floors(NOW, age_seconds=DAY, size_bytes=1))

    assert tally.removed == 5000
    assert list(folder.iterdir()) == []


def test_does_not_descend_for_ever(folder: Path) -> None:
    deep = folder
    for _ in range(walking.DEPTH_LIMIT + 5):
        deep = deep / "d"
    bottom = old(deep / "app.log.1")

    tally = swept(folder)

    assert bottom.exists()
    assert tally.unread == ["d/d/d"]


def test_stops_when_the_time_is_over(folder: Path) -> None:
    old(folder / "app.log.1")

    assert sweep(Rubbish.LOGS, folder, "/var/log", FLOORS, enough=lambda: True).removed == 0


def test_counts_folders_beyond_the_limit_to_their_root(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "_FOLDERS_LIMIT", 1)
    for name in ("a", "b", "c"):
        old(folder / name / "app.log")

    assert sum(swept(folder).kept_bytes.values()) == 3 * 8192
    assert len(swept(folder).kept_bytes) <= 2


class Race:
    """Somebody changes a file between the look at it and its removal."""

    def __init__(self, folder: Path) -> None:
        self.path = old(folder / "app.log.1")
        self.folder = os.open(folder, os.O_RDONLY)
        self.mount = walking.mount_of(self.folder)
        self.found = Found(self.folder, (self.path.name,), self.path.lstat())

    def fate(self) -> Fate:
        return removal.remove(self.found, self.mount)


@pytest.fixture
def race(folder: Path) -> Generator[Race]:
    race = Race(folder)
    yield race
    os.close(race.folder)


def _made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "replaced": lambda path: (path.rename(path.with_name("x")), path.write_bytes(BIG)),
    "written": lambda path: path.write_bytes(BIG),
    "linked": lambda path: os.link(path, path.with_name("x")),
    "a folder": _made_a_folder,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_meanwhile_stays(race: Race, change: str) -> None:
    CHANGES[change](race.path)
    there = race.path.exists()

    assert race.fate() is Fate.CHANGED
    assert race.path.exists() is there


def test_a_file_swapped_for_a_link_stays(race: Race, tmp_path: Path) -> None:
    victim = old(tmp_path / "data.log.1")
    race.path.unlink()
    race.path.symlink_to(victim)

    assert race.fate() is Fate.REFUSED
    assert victim.exists()


def test_a_name_swapped_under_the_lease_stays(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.fcntl

    def swapping(opened: int, command: int, argument: int) -> int:
        answer = real(opened, command, argument)
        race.path.rename(race.path.with_name("moved"))
        race.path.write_bytes(b"new")
        return answer

    monkeypatch.setattr(fcntl, "fcntl", swapping)

    assert race.fate() is Fate.CHANGED
    assert race.path.read_bytes() == b"new"


def test_where_the_kernel_cannot_tell_the_file_stays(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: int) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(fcntl, "fcntl", unsupported)

    assert race.fate() is Fate.REFUSED
    assert race.path.exists()


def test_a_lease_of_somebody_else_counts_as_open(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leased(*_: object, **__: object) -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "open", leased)

    assert race.fate() is Fate.OPEN


def test_an_unreadable_folder_is_told_and_the_rest_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, hidden = old(folder / "app.log.1"), old(folder / "locked" / "app.log.1")
    real = os.open

    def refusing(path: str | Path, flags: int, *, dir_fd: int | None = None) -> int:
        if path == "locked":
            raise PermissionError
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refusing)

    assert swept(folder).unread == ["locked"]
    assert hidden.exists()
    assert not gone.exists()


def test_a_folder_that_vanishes_is_no_problem(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(folder / "gone" / "app.log.1")
    real = os.open

    def vanishing(path: str | Path, flags: int, *, dir_fd: int | None = None) -> int:
        if path == "gone":
            raise FileNotFoundError
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", vanishing)

    assert swept(folder).unread == []
