"""``python -m tidegauge_serving``: the model server."""

import asyncio
import os
import sys
from collections.abc import Sequence

import uvloop

from tidegauge_serving.http.server import configure_log, run
from tidegauge_serving.settings import parse_settings

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until a signal stops it; return the exit code."""
    settings = parse_settings(sys.argv[1:] if arguments is None else arguments, os.environ)
    configure_log(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
