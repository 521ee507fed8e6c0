import os
import tarfile
from pathlib import Path

from images import layers, roots


def a_root(folder: Path) -> Path:
    (folder / "usr" / "bin").mkdir(parents=True)
    (folder / "usr" / "bin" / "tool").write_text("tool")
    (folder / "usr" / "bin" / "tool").chmod(0o4755)
    (folder / "bin").symlink_to("usr/bin")
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    return folder


def names(layer: Path) -> list[str]:
    with tarfile.open(layer) as tar:
        return tar.getnames()


def test_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = a_root(tmp_path / "one"), a_root(tmp_path / "two")
    os.utime(two / "usr" / "bin" / "tool", (1, 1))
    layers.pack(one, tmp_path / "one.tar")
    layers.pack(two, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_layer_belongs_to_root_and_sets_no_user_id(tmp_path: Path) -> None:
    layers.pack(a_root(tmp_path / "root"), tmp_path / "layer.tar")
    with tarfile.open(tmp_path / "layer.tar") as tar:
        tool, tmp = tar.getmember("usr/bin/tool"), tar.getmember("tmp")
        owners = {(member.uid, member.gid, member.mtime) for member in tar}
    assert owners == {(0, 0, 0)}
    assert tool.mode == 0o755
    assert tmp.mode == 0o1777


def test_what_a_lower_layer_holds_is_left_out(tmp_path: Path) -> None:
    below = layers.pack(a_root(tmp_path / "base"), tmp_path / "base.tar")
    upper = a_root(tmp_path / "upper")
    (upper / "usr" / "bin" / "more").write_text("more")
    layers.pack(upper, tmp_path / "upper.tar", below)
    assert names(tmp_path / "upper.tar") == ["usr/bin/more"]


def test_changed_content_link_and_permissions_are_not_left_out(tmp_path: Path) -> None:
    below = layers.pack(a_root(tmp_path / "base"), tmp_path / "base.tar")
    upper = a_root(tmp_path / "upper")
    (upper / "usr" / "bin" / "tool").write_text("TOOL")
    (upper / "bin").unlink()
    (upper / "bin").symlink_to("usr/sbin")
    (upper / "tmp").chmod(0o700)
    layers.pack(upper, tmp_path / "upper.tar", below)
    assert names(tmp_path / "upper.tar") == ["bin", "tmp", "usr/bin/tool"]


def test_removed_folder_is_hidden_by_one_mark(tmp_path: Path) -> None:
    below = layers.pack(a_root(tmp_path / "base"), tmp_path / "base.tar")
    upper = tmp_path / "upper"
    (upper / "tmp").mkdir(parents=True)
    (upper / "tmp").chmod(0o1777)
    layers.pack(upper, tmp_path / "upper.tar", below)
    assert names(tmp_path / "upper.tar") == [".wh.bin", ".wh.usr"]


def test_marks_tell_everything_the_root_holds(tmp_path: Path) -> None:
    root = a_root(tmp_path / "root")
    whole = layers.pack(root, tmp_path / "whole.tar")
    assert layers.pack(root, tmp_path / "nothing.tar", whole) == whole
    assert names(tmp_path / "nothing.tar") == []


def test_unpacked_layers_give_the_upper_root(tmp_path: Path) -> None:
    below = layers.pack(a_root(tmp_path / "base"), tmp_path / "base.tar")
    upper = a_root(tmp_path / "upper")
    (upper / "usr" / "bin" / "tool").unlink()
    (upper / "bin").unlink()
    (upper / "bin").mkdir()
    (upper / "bin" / "own").write_text("own")
    layers.pack(upper, tmp_path / "upper.tar", below)
    merged = tmp_path / "merged"
    roots.unpack_layers([tmp_path / "base.tar", tmp_path / "upper.tar"], merged)
    assert layers.pack(merged, tmp_path / "m.tar") == layers.pack(upper, tmp_path / "u.tar")
