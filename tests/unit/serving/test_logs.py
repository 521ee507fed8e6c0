"""Log lines as JSON."""

import io
import json
import logging
from collections.abc import Generator

import pytest

from autoglm_dataplane.serving import logs


@pytest.fixture
def lines() -> Generator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_has_a_constant_message_and_values(lines: io.StringIO) -> None:
    logging.getLogger("x").info("run ended", extra={"run": "r-1"})
    line = json.loads(lines.getvalue())
    assert (line["message"], line["run"], line["level"]) == ("run ended", "r-1", "info")


def test_what_sounds_like_a_credential_is_masked(lines: io.StringIO) -> None:
    logging.getLogger("x").info("hello", extra={"internal_token": "abc"})
    assert "abc" not in lines.getvalue()


def test_an_exception_is_part_of_its_line(lines: io.StringIO) -> None:
    logging.getLogger("x").error("broke", exc_info=ValueError("why"))
    assert "why" in json.loads(lines.getvalue())["exception"]
