import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from autoglm_operator.runtime import logging as logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield stream
    root.handlers[:] = kept
    root.setLevel(level)


def line(stream: io.StringIO) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return found


def test_lines_hold_message_values_and_what_is_bound(stream: io.StringIO) -> None:
    with logs.bound(key="ns/a"), logs.bound(reconcile=1):
        logging.getLogger("x").info("done", extra={"reason": "Ready"})
    logging.getLogger("x").info("after")
    first, second = (json.loads(each) for each in stream.getvalue().splitlines())
    assert (first["message"], first["key"], first["reconcile"], first["reason"]) == (
        "done",
        "ns/a",
        1,
        "Ready",
    )
    assert "key" not in second


def test_values_named_like_credentials_are_masked(stream: io.StringIO) -> None:
    logging.getLogger("x").info("sent", extra={"push_token": "abc"})
    assert line(stream)["push_token"] == "***"  # noqa: S105 - the mask
    assert "abc" not in stream.getvalue()


def test_exceptions_are_part_of_the_line(stream: io.StringIO) -> None:
    try:
        int("why")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert "ValueError: invalid literal" in line(stream)["exception"]
