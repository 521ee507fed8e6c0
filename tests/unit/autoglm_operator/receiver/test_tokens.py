"""Static tokens: which are held, and how a rotation takes effect."""

import asyncio
import logging
from pathlib import Path

import pytest

from autoglm_operator.receiver.tokens import LARGEST_FILE, LOOK_SECONDS, StaticTokens
from manual_clock import ManualClock, settle

OLD, NEW = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_every_line_of_every_key_is_a_token(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "one").write_text(f"{OLD}\n\n  {NEW}  \n")
    (tmp_path / "two").write_text("another-long-token")
    (tmp_path / "..data").mkdir()
    (tmp_path / ".hidden").write_text("a-token-that-is-hidden")
    tokens = StaticTokens(tmp_path, clock)

    held = [OLD, NEW, "another-long-token"]
    assert [tokens.holds(token) for token in held] == [True, True, True]
    assert not tokens.holds("a-token-that-is-hidden")
    assert not tokens.holds("")
    assert not tokens.holds(OLD[:-1])


def test_without_a_directory_there_are_none(clock: ManualClock) -> None:
    tokens = StaticTokens(None, clock)
    tokens.reload()

    assert not tokens.configured
    assert not tokens.holds(OLD)


async def test_a_new_token_is_looked_for_but_not_all_the_time(
    tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "key").write_text(OLD)
    tokens = StaticTokens(tmp_path, clock)
    (tmp_path / "key").write_text(f"{OLD}\n{NEW}")

    at_once = tokens.holds(NEW)
    await clock.advance(1)

    assert (at_once, tokens.holds(NEW), tokens.holds(OLD)) == (False, True, True)


async def test_a_withdrawn_token_ends(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "key").write_text(f"{OLD}\n{NEW}")
    tokens = StaticTokens(tmp_path, clock)
    following = asyncio.ensure_future(tokens.follow())
    await settle()
    (tmp_path / "key").write_text(NEW)

    before = tokens.holds(OLD)
    await clock.advance(LOOK_SECONDS)
    following.cancel()

    assert (before, tokens.holds(OLD), tokens.holds(NEW)) == (True, False, True)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"short", "shorter than 16 characters"),
        (b"a token with spaces", "shorter than 16 characters or has spaces"),
        (b"", "holds none"),
        (b"\xff\xfe" * 20, "is no text"),
        (b"x" * (LARGEST_FILE + 1), "longer than"),
    ],
    ids=["short", "spaces", "empty", "binary", "huge"],
)
def test_what_is_no_token_is_said_once(
    tmp_path: Path,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    content: bytes,
    problem: str,
) -> None:
    (tmp_path / "key").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        tokens = StaticTokens(tmp_path, clock)
        tokens.reload()

    said = [record.__dict__["problem"] for record in caplog.records]
    assert [problem in each for each in said].count(True) == 1
    assert not tokens.holds(content.decode("latin-1"))


def test_what_was_read_stays_in_force_when_the_files_cannot_be_read(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "tokens"
    folder.mkdir()
    (folder / "key").write_text(OLD)
    tokens = StaticTokens(folder, clock)
    (folder / "key").unlink()
    folder.rmdir()
    with caplog.at_level(logging.WARNING):
        tokens.reload()

    assert tokens.holds(OLD)
    (said,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "No such file" in said.__dict__["problem"]
