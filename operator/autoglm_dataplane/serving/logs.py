"""Log lines as JSON: a constant message plus key-values, so that they can be searched by field.

Never formats values into messages. Values whose key sounds like a credential are masked as a last
line of defence; callers are not meant to pass them.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO, Final

_SECRET_WORDS: Final = ("token", "password", "secret", "api_key", "authorization")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
}
_CHATTY: Final = ("httpx2", "httpcore2", "httpx", "httpcore", "openai", "asyncio", "uvicorn.error")
"""Loggers that print a line per request, or their own words for what we log ourselves."""


class JsonFormatter(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """Render the record as one line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for key, value in vars(record).items():
            if key not in _STANDARD:
                line[key] = "***" if any(word in key.lower() for word in _SECRET_WORDS) else value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str, stream: IO[str] | None = None) -> None:
    """Send all logging of this process to one stream, standard error if none is given."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
