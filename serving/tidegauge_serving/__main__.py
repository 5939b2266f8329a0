"""``python -m tidegauge_serving``: the model server."""

import asyncio
import sys
from collections.abc import Sequence

import uvloop

from tidegauge.kit.start import start
from tidegauge_serving.http.server import run
from tidegauge_serving.settings import PROGRAM, Settings, parse_settings

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until a signal stops it; return the exit code."""
    return start(PROGRAM, parse_settings, _work, arguments, quiet={"uvicorn.error": "warning"})


def _work(settings: Settings) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
