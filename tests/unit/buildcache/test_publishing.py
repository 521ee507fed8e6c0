import fcntl
import os
import queue
import threading
from pathlib import Path

import pytest

from buildcache import places, progress, publishing

KEY = "0123456789abcdef"


def fill(part: Path) -> None:
    (part / "program").write_text("made")


def refuse(part: Path) -> None:
    raise AssertionError(f"{part} must not be made again")


def fail_half_way(part: Path) -> None:
    (part / "program").write_text("half")
    raise KeyError("stopped")


def test_thing_appears_under_its_name_and_key(tmp_path: Path) -> None:
    path = publishing.thing(tmp_path, "ctr", KEY, fill)
    assert path == tmp_path / f"ctr-{KEY}"
    assert (path / "program").read_text() == "made"


def test_thing_is_made_once(tmp_path: Path) -> None:
    publishing.thing(tmp_path, "ctr", KEY, fill)
    assert (publishing.thing(tmp_path, "ctr", KEY, refuse) / "program").exists()


def test_thing_is_made_anew_on_request(tmp_path: Path) -> None:
    path = publishing.thing(tmp_path, "ctr", KEY, fill)
    (path / "old").write_text("")
    publishing.thing(tmp_path, "ctr", KEY, fill, anew=True)
    assert [inner.name for inner in path.iterdir()] == ["program"]


def test_failed_builder_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        publishing.thing(tmp_path, "ctr", KEY, fail_half_way)
    assert [path.name for path in tmp_path.iterdir()] == [".ctr.lock"]


def test_failed_refresh_keeps_what_was_there(tmp_path: Path) -> None:
    path = publishing.thing(tmp_path, "ctr", KEY, fill)
    with pytest.raises(KeyError):
        publishing.thing(tmp_path, "ctr", KEY, fail_half_way, anew=True)
    assert (path / "program").read_text() == "made"


def test_leftovers_of_a_killed_builder_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".ctr.part-dead").mkdir()
    publishing.thing(tmp_path, "ctr", KEY, fill)
    assert not (tmp_path / ".ctr.part-dead").exists()


def test_only_the_last_used_things_of_a_name_are_kept(tmp_path: Path) -> None:
    other = publishing.thing(tmp_path, "ctr-shim", KEY, fill)
    for number in range(publishing.KEPT + 2):
        path = publishing.thing(tmp_path, "ctr", f"{number:016x}", fill)
        os.utime(path, (number, number))
    publishing.thing(tmp_path, "ctr", KEY, fill)
    kept = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    newest = {f"ctr-{number:016x}" for number in range(3, publishing.KEPT + 2)}
    assert kept == newest | {f"ctr-{KEY}", other.name}


def test_second_builder_says_so_and_takes_what_the_first_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(progress, "say", said.put)
    found: list[Path] = []
    with (tmp_path / ".ctr.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(
            target=lambda: found.append(publishing.thing(tmp_path, "ctr", KEY, refuse))
        )
        second.start()
        assert said.get(timeout=30) == "ctr: waiting for another builder"
        (tmp_path / f"ctr-{KEY}").mkdir()
    second.join()
    assert found == [tmp_path / f"ctr-{KEY}"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"AUTOGLM_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/autoglm-operator"),
        ({"HOME": "/home/someone"}, "/home/someone/.cache/autoglm-operator"),
    ],
)
def test_cache_lies_where_the_environment_says(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUTOGLM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert places.root() == Path(expected)
