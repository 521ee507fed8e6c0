"""What a machine lacks."""

from pathlib import Path

import pytest

from testcluster import host
from testcluster.errors import ClusterError, UnavailableError
from testcluster.settings import Settings


def test_names_the_tools_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "present-tool"
    tool.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.missing_tools(["present-tool", "absent-tool"]) == ["absent-tool"]


def test_finds_a_file_system_by_its_whole_name() -> None:
    listing = "nodev\tsysfs\nnodev\toverlay\n\text4\n"
    assert host.kernel_has("overlay", listing)
    assert host.kernel_has("ext4", listing)
    assert not host.kernel_has("over", listing)


def test_others_than_root_are_told_about_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UnavailableError, match="--provider kind") as refusal:
        host.check(Settings(), nodes=2)
    assert refusal.value.exit_code == 69


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_lacking", lambda _nodes: iter(()))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(host, "free_mib", lambda _path: 100)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(ClusterError, match="100 MiB free"):
        host.check(Settings(state_root=tmp_path), nodes=2)


def test_looks_for_space_where_a_missing_folder_would_be(tmp_path: Path) -> None:
    assert host.free_mib(tmp_path / "not" / "yet") > 0
