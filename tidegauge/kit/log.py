"""The log of a program, on standard error: the same fields in all programs, as text or as JSON lines."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["JsonLines", "TextLines", "configure_log"]


def configure_log(level: str, form: str, quiet: Mapping[str, str]) -> None:
    """Write the log to standard error.

    Parameters
    ----------
    level
        Lowest level that is written, in small letters.
    form
        ``text`` or ``json``.
    quiet
        Loggers of other libraries, with the lowest level that is written of each.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name, lowest in quiet.items():
        logging.getLogger(name).setLevel(lowest.upper())


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Time in UTC, level, logger and message; with what the line is about, if it says that."""
    about = {"key": key} if (key := getattr(record, "key", None)) is not None else {}
    return {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage(),
        **about,
    }


class JsonLines(logging.Formatter):
    """A line is a JSON object: `time`, `level`, `logger`, `message`, and `key` and `exception` if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = _fields(record)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


class TextLines(logging.Formatter):
    """A line is ``TIME LEVEL LOGGER [KEY] MESSAGE``; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = _fields(record)
        about = f" [{fields['key']}]" if "key" in fields else ""
        head = f"{fields['time']} {record.levelname} {record.name}{about} {fields['message']}"
        return f"{head}\n{self.formatException(record.exc_info)}" if record.exc_info else head
