"""Log lines as JSON."""

import io
import json
import logging
from collections.abc import Generator
from typing import Any

import pytest

from autoglm_api import logs


@pytest.fixture
def stream() -> Generator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def line(stream: io.StringIO) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return found


def test_a_line_has_a_constant_message_and_values(stream: io.StringIO) -> None:
    logging.getLogger("x").info("run ended", extra={"run": "r-1"})
    found = line(stream)
    assert (found["message"], found["run"], found["level"]) == ("run ended", "r-1", "info")


def test_what_is_bound_is_on_every_line_until_the_end(stream: io.StringIO) -> None:
    with logs.bound(key="ns/a"), logs.bound(reconcile=1):
        logging.getLogger("x").info("done")
    first = line(stream)
    logging.getLogger("x").info("after")
    assert (first["key"], first["reconcile"]) == ("ns/a", 1)
    assert "key" not in line(stream)


def test_what_sounds_like_a_credential_is_masked(stream: io.StringIO) -> None:
    logging.getLogger("x").info("hello", extra={"push_token": "abc", "_hidden": "abc"})
    assert line(stream)["push_token"] == "***"  # noqa: S105 - the mask
    assert "abc" not in stream.getvalue()


def test_an_exception_is_part_of_its_line(stream: io.StringIO) -> None:
    try:
        int("why")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert "ValueError: invalid literal" in line(stream)["exception"]


def test_a_line_per_request_of_a_library_is_not_printed(stream: io.StringIO) -> None:
    logging.getLogger("httpx").info("GET /")
    logging.getLogger("uvicorn.error").info("started")
    assert stream.getvalue() == ""
