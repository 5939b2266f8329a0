"""The program `tidegauge-operator`."""

import asyncio
import json
import logging
import sys

from tidegauge_operator.controller.main import run
from tidegauge_operator.settings import parse_settings


class _JsonLines(logging.Formatter):
    """One JSON object a line, with the model's key where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (key := getattr(record, "key", None)) is not None:
            line["key"] = key
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def main() -> None:
    """Run until a signal comes."""
    settings = parse_settings()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # else one line for each event
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)  # signals are ours
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
