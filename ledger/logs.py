"""Log lines: one JSON object an event, to standard error, with the correlation id of the request or job."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar

correlation: ContextVar[str] = ContextVar("correlation", default="")

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Renders a record and its `extra` fields as one line; control characters are escaped by JSON itself."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at_ms": int(record.created * 1000),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if correlation.get():
            entry["correlation"] = correlation.get()
        entry.update({key: value for key, value in record.__dict__.items() if key not in _STANDARD})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=True)


def configure(level: str = "info") -> None:
    """Send the process's log to standard error. Called once, by an entry module."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
