"""`autoglm verify-artifact` ends with 0 over the right files, and with last words over others."""

from pathlib import Path

import pytest

from autoglm_dataplane.artifact import main
from autoglm_dataplane.artifact.digest import digest_of


@pytest.fixture
def last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files, an environment that names their digest, and where the last words go."""
    volume, log = tmp_path / "volume", tmp_path / "log"
    volume.mkdir()
    (volume / "weights").write_bytes(b"abc")
    monkeypatch.setenv("AUTOGLM_ARTIFACT_PATH", str(volume))
    monkeypatch.setenv("AUTOGLM_ARTIFACT_VOLUME", str(volume))
    monkeypatch.setenv("AUTOGLM_ARTIFACT_DIGEST", digest_of(volume, volume))
    monkeypatch.setenv("AUTOGLM_TERMINATION_LOG", str(log))
    return log


def test_the_right_files_pass_without_a_word(last_words: Path) -> None:
    assert main.main() == 0
    assert not last_words.exists()


def test_one_flipped_byte_is_a_mismatch(last_words: Path, tmp_path: Path) -> None:
    (tmp_path / "volume" / "weights").write_bytes(b"abd")
    assert main.main() == 1
    said = last_words.read_text()
    assert said.startswith("DigestMismatch: The files are sha256:")
    assert len(said) < 512


def test_missing_files_are_unreadable(last_words: Path, tmp_path: Path) -> None:
    (tmp_path / "volume" / "weights").unlink()
    assert main.main() == 1
    assert last_words.read_text().startswith("ArtifactUnreadable: ")


def test_a_container_without_a_place_for_last_words_still_fails(
    last_words: Path, tmp_path: Path
) -> None:
    last_words.mkdir()
    (tmp_path / "volume" / "weights").unlink()
    assert main.main() == 1


def test_an_environment_that_says_nothing_is_refused(
    last_words: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTOGLM_ARTIFACT_DIGEST", "sha256:abc")
    assert main.main() == 2
    assert "AUTOGLM_ARTIFACT_DIGEST cannot be used" in capsys.readouterr().err
