"""A token in a mounted file that changes."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from autoglm_dataplane.serving.tokens import OLD_TOKEN_LIFE, TokenFile


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("old")
    return path


def test_only_the_token_is_accepted(file: Path) -> None:
    token = TokenFile(file, "X")
    assert token.accepts("old")
    for other in ("", "ol", "older", "ölt"):
        assert not token.accepts(other)


def test_a_changed_file_is_heeded_and_the_old_token_good_for_a_while(file: Path) -> None:
    clock = Clock()
    token = TokenFile(file, "X", clock)
    file.write_text("new")
    assert token.current() == "new"
    assert token.accepts("new")
    assert token.accepts("old")
    clock.now += OLD_TOKEN_LIFE.total_seconds()
    assert not token.accepts("old")


def test_a_file_that_vanishes_changes_nothing(file: Path) -> None:
    token = TokenFile(file, "X")
    file.unlink()
    assert token.current() == "old"
