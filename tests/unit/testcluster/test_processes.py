"""Processes are known by id and start time, never by their names."""

from pathlib import Path

import pytest

from testcluster.processes import (
    Tracked,
    clean_environment,
    in_groups,
    launch_command,
    parse_stat,
)

AFTER_NAME = "S 7 1 1 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 9241 1000 1"


@pytest.mark.parametrize("name", ["kubelet", "two words", "a) b (c", "))"])
def test_reads_the_start_time_whatever_the_program_is_called(name: str) -> None:
    stat = parse_stat(f"42 ({name}) {AFTER_NAME}")
    assert (stat.state, stat.parent, stat.started) == ("S", 7, 9241)


@pytest.fixture
def tracked(tmp_path: Path) -> Tracked:
    """Process 42, started at tick 9241, with a pid file that says so."""
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "stat").write_text(f"42 (etcd) {AFTER_NAME}")
    pid_file = tmp_path / "etcd.pid"
    pid_file.write_text("42 9241\n")
    return Tracked(pid_file, tmp_path)


def test_finds_the_process_of_a_pid_file(tracked: Tracked) -> None:
    assert tracked.pid() == 42


def test_takes_nobody_else_with_the_same_id_for_it(tracked: Tracked) -> None:
    tracked.pid_file.write_text("42 100\n")
    assert tracked.pid() is None


def test_a_process_that_ended_is_not_running(tracked: Tracked) -> None:
    (tracked.proc / "42" / "stat").write_text(f"42 (etcd) {AFTER_NAME.replace('S', 'Z', 1)}")
    assert tracked.pid() is None


@pytest.mark.parametrize("content", ["", "42", "forty-two 9241", "43 9241"])
def test_an_unreadable_or_stale_pid_file_names_nobody(tracked: Tracked, content: str) -> None:
    tracked.pid_file.write_text(content)
    assert tracked.pid() is None


def test_a_missing_pid_file_names_nobody(tmp_path: Path) -> None:
    assert Tracked(tmp_path / "none.pid").pid() is None


def test_programs_get_nothing_of_the_callers_environment() -> None:
    command = clean_environment(["kubelet", "--v=1"], "/bin")
    assert command == ["env", "-i", "PATH=/bin", "HOME=/root", "kubelet", "--v=1"]


def test_joins_groups_before_it_starts() -> None:
    launch = launch_command(Path("/run/etcd.pid"), Path("/log"), ["etcd"])
    command = in_groups([Path("/a/cgroup.procs"), Path("/b/cgroup.procs")], launch)
    assert command[0].endswith("join.sh")
    assert command[1:4] == ["/a/cgroup.procs", "/b/cgroup.procs", "--"]
    assert command[4].endswith("launch.sh")
    assert command[5:] == ["/run/etcd.pid", "/log", "etcd"]
