"""Control group hierarchies, as the kernel lists them."""

from pathlib import Path

import pytest

from testcluster.cgroups import ControlGroups, Hierarchies, hierarchies_in
from testcluster.errors import UnavailableError

FIRST = "31 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
FIRST_CPU = "32 24 0:27 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n"
SECOND = "33 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
ALONE = "33 24 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
OTHER = "24 1 0:22 / /sys rw - sysfs sysfs rw\n"


def test_version_1_has_one_tree_for_each_controller() -> None:
    found = hierarchies_in(OTHER + FIRST + FIRST_CPU)
    assert found.for_resources == (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/cpu"))
    assert not found.unified


def test_the_hybrid_form_limits_by_version_1_and_is_cleaned_in_both() -> None:
    found = hierarchies_in(FIRST + SECOND)
    assert found.for_resources == (Path("/sys/fs/cgroup/memory"),)
    assert Path("/sys/fs/cgroup/unified") in found.all
    assert not found.unified


def test_version_2_alone_is_one_tree() -> None:
    found = hierarchies_in(OTHER + ALONE)
    assert found.for_resources == found.all == (Path("/sys/fs/cgroup"),)
    assert found.unified


def test_a_machine_without_control_groups_is_refused() -> None:
    with pytest.raises(UnavailableError, match="mount them"):
        hierarchies_in(OTHER)


def test_version_1_hands_the_processors_down(tmp_path: Path) -> None:
    tree = tmp_path / "cpuset"
    tree.mkdir()
    (tree / "cpuset.cpus").write_text("0-1\n")
    (tree / "cpuset.mems").write_text("0\n")
    groups = ControlGroups("autoglm-x", Hierarchies((tree,), (tree,), unified=False))
    groups.create("node1", "node1/system")
    assert (tree / "autoglm-x/node1/system/cpuset.cpus").read_text() == "0-1\n"
    assert groups.entrances("node1") == [tree / "autoglm-x/node1/cgroup.procs"]


def test_version_2_switches_controllers_on_from_the_top_down(tmp_path: Path) -> None:
    groups = ControlGroups("autoglm-x", Hierarchies((tmp_path,), (tmp_path,), unified=True))
    for name in (".", "autoglm-x", "autoglm-x/node1"):
        group = tmp_path / name
        group.mkdir(exist_ok=True)
        (group / "cgroup.controllers").write_text("cpu cpuset io memory pids\n")
        (group / "cgroup.subtree_control").write_text("memory\n")
    groups.create("node1")
    groups.delegate("node1")
    for name in (".", "autoglm-x", "autoglm-x/node1"):
        written = (tmp_path / name / "cgroup.subtree_control").read_text()
        assert written == "+cpu +cpuset +io +pids"


def test_version_2_without_a_needed_controller_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    groups = ControlGroups("autoglm-x", Hierarchies((tmp_path,), (tmp_path,), unified=True))
    with pytest.raises(UnavailableError, match="cpuset"):
        groups.create("node1")


def test_removes_a_tree_from_its_leaves(tmp_path: Path) -> None:
    (tmp_path / "autoglm-x/node1/kubepods/pod1").mkdir(parents=True)
    (tmp_path / "autoglm-y").mkdir()
    groups = ControlGroups("autoglm-x", Hierarchies((), (tmp_path,), unified=False))
    groups.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["autoglm-y"]
