"""The digest is the one that a shell computes, and nothing slips past it."""

import os
import subprocess
from pathlib import Path

import pytest

from autoglm_dataplane.artifact.digest import UnreadableError, digest_of

SHELL = r"find -L . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum | cut -d ' ' -f 1"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's files as people have them: nested, linked, with names that sort badly."""
    blobs, root = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    (root / "nested" / "deep").mkdir(parents=True)
    (root / "empty").mkdir()
    blobs.mkdir()
    (blobs / "abc").write_bytes(b"weights" * 300_000)
    for name in ("config.json", "a b.txt", "a.txt", "a-b.txt", "Z", "nested/ä", "nested/deep/x"):
        (root / name).write_text(name)
    (root / "model.safetensors").symlink_to("../../blobs/abc")
    (root / "alias").symlink_to("nested")
    return root


def by_shell(place: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", SHELL], cwd=place, capture_output=True, text=True, check=True
    )
    return f"sha256:{done.stdout.strip()}"


def test_it_is_what_a_shell_computes(model: Path, tmp_path: Path) -> None:
    assert digest_of(model, tmp_path) == by_shell(model)
    assert digest_of(model, tmp_path, readers=1) == by_shell(model)


def test_a_single_file_counts_as_the_only_one_of_its_directory(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_text("weights")
    assert digest_of(file, tmp_path) == by_shell(tmp_path)


def test_one_flipped_bit_another_name_or_one_more_file_changes_it(
    model: Path, tmp_path: Path
) -> None:
    seen = {digest_of(model, tmp_path)}
    blob = tmp_path / "blobs" / "abc"
    content = bytearray(blob.read_bytes())
    content[1_000_000] ^= 1
    blob.write_bytes(content)
    seen.add(digest_of(model, tmp_path))
    (model / "Z").rename(model / "Y")
    seen.add(digest_of(model, tmp_path))
    (model / "more").touch()
    seen.add(digest_of(model, tmp_path))
    assert len(seen) == 4


def test_dates_and_empty_directories_do_not_count(model: Path, tmp_path: Path) -> None:
    before = digest_of(model, tmp_path)
    os.utime(model / "Z", (0, 0))
    (model / "empty").rmdir()
    assert digest_of(model, tmp_path) == before


def unreadable(place: Path, volume: Path) -> str:
    with pytest.raises(UnreadableError) as refusal:
        digest_of(place, volume)
    return str(refusal.value)


def test_says_what_is_missing(tmp_path: Path) -> None:
    assert "does not exist" in unreadable(tmp_path / "none", tmp_path)
    (tmp_path / "empty").mkdir()
    assert "holds no file" in unreadable(tmp_path / "empty", tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "link").symlink_to("nowhere")
    assert "does not exist" in unreadable(tmp_path / "broken", tmp_path)


def test_nothing_outside_of_the_volume_counts(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "hosts").symlink_to("/etc/hosts")
    assert "leads out of its volume" in unreadable(volume, volume)
    assert "leads out of its volume" in unreadable(volume / "hosts", volume)


def test_a_directory_that_never_ends_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to("..")
    assert "leads back" in unreadable(tmp_path, tmp_path)


def test_odd_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a\\b").touch()
    assert "rename it" in unreadable(tmp_path, tmp_path)
    (tmp_path / "a\\b").unlink()
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in unreadable(tmp_path, tmp_path)
