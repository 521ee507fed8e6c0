"""JSON log lines: a constant message plus key-values, so that logs can be searched by field.

The same in both planes. Never formats values into messages. Values that look like credentials by
their key are masked, as a last line of defence; callers are not meant to pass them.
"""

import json
import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Final

_BOUND: ContextVar[dict[str, object] | None] = ContextVar("bound_log_values", default=None)
_SECRET_WORDS: Final = ("token", "password", "secret", "api_key", "authorization")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
"""Fields of every record; `taskName` is new in Python 3.12, `color_message` is uvicorn's."""
_CHATTY: Final = (
    "asyncio",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "kopf",
    "openai",
    "uvicorn",
)
"""Loggers that print a line per request or event, or their own words for what we log ourselves."""


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, message, bound and given values."""

    def format(self, record: logging.LogRecord) -> str:
        """Render the record as one line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(_BOUND.get() or {})
        for key, value in vars(record).items():
            if key not in _STANDARD and not key.startswith("_"):
                line[key] = "***" if any(word in key.lower() for word in _SECRET_WORDS) else value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


@contextmanager
def bound(**values: object) -> Generator[None]:
    """Add values to every line written by this task until the block ends."""
    token = _BOUND.set({**(_BOUND.get() or {}), **values})
    try:
        yield
    finally:
        _BOUND.reset(token)


def configure(level: str = "INFO", stream: IO[str] | None = None) -> None:
    """Send all logging of this process to one stream as JSON lines.

    Args:
        level: Name of the lowest level to print.
        stream: Where to write; standard error if not given.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
